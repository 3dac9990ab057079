import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { BlobStore } from "../../../src/log/store/blob-store.ts";
import { replaceFile } from "../../../src/log/store/files.ts";
import type { AppendedLeaf, TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { MemoryFiles, type PowerCut } from "./memory-files.ts";
import { appendAll, cosign, expectProven, memoryDisk, openLog } from "./store-fixture.ts";

/** What was promised before the lights went out. */
interface Promised {
  readonly leaves: AppendedLeaf[];
  readonly cosigned: number[];
  open: TransparencyLog | null;
}

/** A short life of a log: three batches, one of them cosigned, and a restart. */
async function live(files: MemoryFiles, directory: string, promised: Promised): Promise<void> {
  promised.open = await openLog(directory, files);
  promised.leaves.push(...(await appendAll(promised.open, 0, 1)));
  promised.leaves.push(...(await appendAll(promised.open, 1, 3)));
  await cosign(promised.open);
  promised.cosigned.push(promised.open.size);
  await promised.open.close();
  promised.open = await openLog(directory, files);
  promised.leaves.push(...(await appendAll(promised.open, 4, 2)));
  await promised.open.close();
  promised.open = null;
}

/** Lives until operation `cutAt`. The lock of a machine that lost its power is gone with it. */
async function liveUntil(cutAt: number): Promise<{ files: MemoryFiles; directory: string; promised: Promised }> {
  const { files, directory } = await memoryDisk();
  files.cutAt = cutAt;
  const promised: Promised = { leaves: [], cosigned: [], open: null };
  await live(files, directory, promised).catch(() => undefined);
  await promised.open?.close().catch(() => undefined);
  await rm(`${directory}/lock`, { force: true });
  return { files, directory, promised };
}

async function expectKept(files: MemoryFiles, directory: string, promised: Promised): Promise<void> {
  const log = await openLog(directory, files);
  expect(log.size).toBeGreaterThanOrEqual(promised.leaves.length);
  for (const leaf of promised.leaves) {
    expect(log.leafHashAt(leaf.index)).toBe(leaf.leafHash);
    expect(await log.record(leaf.leafHash)).not.toBeNull();
    expectProven(log, leaf);
  }
  if (promised.cosigned.length > 0) expect(log.cosignedSize()).toBe(promised.cosigned.at(-1));
  const [next] = await appendAll(log, 100, 1);
  if (next !== undefined) expectProven(log, next);
  await log.close();
}

async function countOperations(): Promise<number> {
  const { files } = await liveUntil(Number.POSITIVE_INFINITY);
  return files.operations;
}

describe("a power cut", () => {
  it.each<PowerCut>(["drops", "tears"])(
    "that %s what was not synced loses no answered append, at whatever operation",
    async (cut) => {
      const operations = await countOperations();
      expect(operations).toBeGreaterThan(60);
      for (let cutAt = 1; cutAt <= operations; cutAt++) {
        const { files, directory, promised } = await liveUntil(cutAt);
        await expectKept(files.afterPowerCut(cut).mount(directory.slice(0, -4)), directory, promised);
      }
    },
  );

  it("after a kill and a restart loses nothing that the restarted log has signed", async () => {
    const operations = await countOperations();
    for (let cutAt = 1; cutAt <= operations; cutAt++) {
      const { files, directory, promised } = await liveUntil(cutAt);
      const restarted = files.afterKill();
      const log = await openLog(directory, restarted);
      const leaves = Array.from({ length: log.size }, (_, index) => ({ index, leafHash: log.leafHashAt(index) }));
      await log.close();
      const again = restarted.afterPowerCut("drops").mount(directory.slice(0, -4));
      await expectKept(again, directory, { leaves, cosigned: promised.cosigned, open: null });
    }
  });

  it("would be noticed: a file that was not synced is gone, and so is a name", async () => {
    const files = new MemoryFiles().mount("/disk");
    await files.write("/disk/unsynced", Uint8Array.of(1, 2), false);
    await files.write("/disk/named", Uint8Array.of(3, 4), true);
    expect(await files.afterPowerCut("drops").read("/disk/named")).toBeNull();
    await files.syncDirectory("/disk");
    const after = files.afterPowerCut("drops");
    expect(await after.read("/disk/unsynced")).toEqual(new Uint8Array());
    expect(await after.read("/disk/named")).toEqual(Uint8Array.of(3, 4));
    expect(await files.afterPowerCut("tears").read("/disk/unsynced")).toEqual(Uint8Array.of(1));
  });
});

describe("a replaced file", () => {
  it("is the old one or the new one after a power cut at any operation", async () => {
    for (let cutAt = 1; cutAt <= 4; cutAt++) {
      for (const cut of ["drops", "tears"] as const) {
        const files = new MemoryFiles().mount("/disk");
        files.plant("/disk/file", Uint8Array.of(1));
        files.cutAt = cutAt;
        const replaced = await replaceFile(files, "/disk/file", Uint8Array.of(2, 2)).then(
          () => true,
          () => false,
        );
        const left = await files.afterPowerCut(cut).mount("/disk").read("/disk/file");
        if (replaced) expect(left).toEqual(Uint8Array.of(2, 2));
        else expect([Uint8Array.of(1), Uint8Array.of(2, 2)]).toContainEqual(left);
      }
    }
  });
});

describe("a blob", () => {
  it("that was put lasts, also where an earlier put of it was stopped before its name was durable", async () => {
    const bytes = Uint8Array.of(7, 8, 9);
    for (let cutAt = 1; cutAt <= 5; cutAt++) {
      const files = new MemoryFiles().mount("/disk");
      files.cutAt = cutAt;
      await new BlobStore(files, "/disk").put(bytes).catch(() => undefined);
      const restarted = files.afterKill().mount("/disk");
      const digest = await new BlobStore(restarted, "/disk").put(bytes);
      const after = restarted.afterPowerCut("drops").mount("/disk");
      expect(await new BlobStore(after, "/disk").get(digest)).toEqual(bytes);
    }
  });
});
