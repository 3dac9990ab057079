import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { BlobStore } from "../../../src/log/store/blob-store.ts";
import { nodeFiles } from "../../../src/log/store/files.ts";
import type { MemoryFiles } from "./memory-files.ts";
import { appendAll, code, cosign, expectProven, memoryDisk, openLog, temporaryFolder } from "./store-fixture.ts";

/** A closed log of three batches: 2, 3 and 2 leaves; and its state before the last batch. */
async function threeBatches() {
  const { files, directory } = await memoryDisk();
  const log = await openLog(directory, files);
  await appendAll(log, 0, 2);
  await appendAll(log, 2, 3);
  const leavesPath = `${directory}/leaves`;
  const before = { length: files.peek(leavesPath).length, checkpoint: files.peek(`${directory}/checkpoint`) };
  await appendAll(log, 5, 2);
  await log.close();
  return { files, directory, leavesPath, before, leaves: files.peek(leavesPath) };
}

/** The disk with other content in some files. */
function changed(files: MemoryFiles, changes: Readonly<Record<string, Uint8Array | null>>): MemoryFiles {
  const copy = files.afterKill();
  for (const [path, bytes] of Object.entries(changes)) copy.plant(path, bytes);
  return copy;
}

describe("an unfinished last batch", () => {
  it("is cut off at whatever byte it ends, and the log goes on", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (let length = before.length; length < leaves.length; length++) {
      const torn = changed(files, { [leavesPath]: leaves.subarray(0, length), [`${directory}/checkpoint`]: before.checkpoint });
      const log = await openLog(directory, torn);
      expect(log.size).toBe(5);
      expect(torn.peek(leavesPath)).toEqual(leaves.subarray(0, before.length));
      const [next] = await appendAll(log, 50, 1);
      expect(next?.index).toBe(5);
      await log.close();
      const again = await openLog(directory, torn);
      for (let index = 0; index < 6; index++) expectProven(again, { index, leafHash: again.leafHashAt(index) });
      await again.close();
    }
  });

  it("is cut off where the file got its length and not its bytes", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (const from of [before.length, before.length + 3, before.length + 16, leaves.length - 1]) {
      const zeros = leaves.map((byte, place) => (place < from ? byte : 0));
      const torn = changed(files, { [leavesPath]: zeros, [`${directory}/checkpoint`]: before.checkpoint });
      const log = await openLog(directory, torn);
      expect(log.size).toBe(5);
      await log.close();
    }
  });

  it("that was published is damage, and stays as it is for whoever restores it", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (const length of [before.length, before.length + 1, leaves.length - 1]) {
      const torn = changed(files, { [leavesPath]: leaves.subarray(0, length) });
      await expect(openLog(directory, torn)).rejects.toEqual(code("LOG_CORRUPT", "7 leaves were published, 5 are left"));
      expect(torn.peek(leavesPath)).toEqual(leaves.subarray(0, length));
    }
  });
});

describe("damaged leaves", () => {
  it("stop the log wherever a byte before the last batch is another", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (let place = 0; place < before.length; place++) {
      const flipped = leaves.map((byte, at) => (at === place ? byte ^ 0x10 : byte));
      await expect(openLog(directory, changed(files, { [leavesPath]: flipped }))).rejects.toEqual(code("LOG_CORRUPT"));
    }
  });

  it("stop the log also where no checkpoint is left", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (let place = 0; place < before.length; place += 7) {
      const flipped = leaves.map((byte, at) => (at === place ? byte ^ 1 : byte));
      const damaged = changed(files, { [leavesPath]: flipped, [`${directory}/checkpoint`]: null });
      await expect(openLog(directory, damaged)).rejects.toEqual(code("LOG_CORRUPT"));
    }
  });

  it("stop the log wherever a byte of the published last batch is another", async () => {
    const { files, directory, leavesPath, before, leaves } = await threeBatches();
    for (let place = before.length; place < leaves.length; place++) {
      const flipped = leaves.map((byte, at) => (at === place ? byte ^ 0x80 : byte));
      await expect(openLog(directory, changed(files, { [leavesPath]: flipped }))).rejects.toEqual(code("LOG_CORRUPT"));
    }
  });

  it("that are fewer than were published stop the log, also where only a cosigned checkpoint says so", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    await appendAll(log, 0, 3);
    await cosign(log);
    await log.close();
    for (const changes of [{}, { [`${directory}/checkpoint`]: null }, { [`${directory}/checkpoint`]: new Uint8Array() }]) {
      const emptied = changed(files, { [`${directory}/leaves`]: null, ...changes });
      await expect(openLog(directory, emptied)).rejects.toEqual(code("LOG_CORRUPT", "3 leaves were published, 0 are left"));
    }
  });

  it("that are others than were published stop the log", async () => {
    const mine = await threeBatches();
    const { files, directory } = await memoryDisk();
    const other = await openLog(directory, files);
    await appendAll(other, 100, 7);
    await other.close();
    const replaced = changed(mine.files, { [mine.leavesPath]: files.peek(`${directory}/leaves`) });
    await expect(openLog(mine.directory, replaced)).rejects.toEqual(code("LOG_CORRUPT", "not those that were published"));
  });
});

describe("tiles and checkpoint", () => {
  it("are made again where they are missing, torn or others", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    await appendAll(log, 0, 300);
    const published = log.checkpoint();
    await log.close();
    const tiles = files.paths(`${directory}/tile`);
    expect(tiles.map((path) => path.slice(directory.length))).toEqual([
      "/tile/0/000",
      "/tile/0/001.p/44",
      "/tile/1/000.p/1",
      "/tile/entries/000",
      "/tile/entries/001.p/44",
    ]);
    const derived = [...tiles, `${directory}/checkpoint`];
    const spoilt = (path: string) => [null, new Uint8Array(), files.peek(path).subarray(0, 20), new Uint8Array(32)];
    for (const path of tiles) {
      for (const bytes of [...spoilt(path), files.peek(path).map((byte, place) => (place === 9 ? byte ^ 1 : byte))]) {
        const damaged = changed(files, { [path]: bytes });
        await (await openLog(directory, damaged)).close();
        for (const each of derived) expect(damaged.peek(each)).toEqual(files.peek(each));
      }
    }
    for (const bytes of spoilt(`${directory}/checkpoint`)) {
      const damaged = changed(files, { [`${directory}/checkpoint`]: bytes });
      const again = await openLog(directory, damaged);
      expect(again.checkpoint()).toBe(published);
      expect(damaged.peek(`${directory}/checkpoint`)).toEqual(utf8(published));
      await again.close();
    }
  });

  it("are made again at every length that a torn checkpoint can have", async () => {
    const { files, directory } = await threeBatches();
    const path = `${directory}/checkpoint`;
    const whole = files.peek(path);
    for (let length = 0; length < whole.length; length++) {
      const torn = changed(files, { [path]: whole.subarray(0, length) });
      await (await openLog(directory, torn)).close();
      expect(torn.peek(path)).toEqual(whole);
    }
  });
});

describe("a blob store", () => {
  it("gives back what was put, under the digest of its bytes", async () => {
    const store = new BlobStore(nodeFiles, await temporaryFolder());
    for (const bytes of [new Uint8Array(), utf8("a blob"), new Uint8Array(100_000).fill(7)]) {
      const digest = await store.put(bytes);
      expect(digest).toBe(digestOf(bytes));
      expect(await store.put(bytes)).toBe(digest);
      expect(new Uint8Array((await store.get(digest)) ?? [1])).toEqual(bytes);
    }
    expect(await store.get(digestOf(utf8("another")))).toBeNull();
  });

  it("refuses a damaged blob, also where it is put again", async () => {
    const { files, directory } = await memoryDisk();
    await files.makeDirectory(directory);
    const store = new BlobStore(files, directory);
    const bytes = utf8("a blob");
    const digest = await store.put(bytes);
    const path = files.paths(directory)[0] ?? "";
    expect(path).toBe(`${directory}/${digest.slice(7, 9)}/${digest.slice(7)}`);
    for (const damaged of [utf8("a blub"), bytes.subarray(1), new Uint8Array(), utf8("a blob ")]) {
      files.plant(path, damaged);
      await expect(store.get(digest)).rejects.toEqual(code("LOG_CORRUPT"));
      await expect(store.put(bytes)).rejects.toEqual(code("LOG_CORRUPT"));
    }
    files.plant(path, null);
    await store.put(bytes);
    expect(await store.get(digest)).toEqual(bytes);
  });

  it("takes the same blob from many at once", async () => {
    const store = new BlobStore(nodeFiles, await temporaryFolder());
    const digests = await Promise.all(Array.from({ length: 20 }, () => store.put(utf8("shared"))));
    expect(new Set(digests).size).toBe(1);
  });
});
