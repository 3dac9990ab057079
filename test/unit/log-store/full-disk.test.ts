import { describe, expect, it } from "vitest";
import { nodeFiles } from "../../../src/log/store/files.ts";
import type { AppendedLeaf } from "../../../src/log/store/transparency-log.ts";
import { diskError } from "./memory-files.ts";
import { appendAll, code, cosign, entry, expectProven, memoryDisk, openLog, temporaryFolder } from "./store-fixture.ts";
import { watchFiles } from "./watched-files.ts";

/** Files whose operations fail while `fails` says so. */
function faultyFiles(inner = nodeFiles) {
  const state = { seen: [] as string[], fails: (_operation: string, _number: number): string | null => null };
  const files = watchFiles(inner, (operation) => {
    state.seen.push(operation);
    const failure = state.fails(operation, state.seen.length);
    if (failure !== null) throw diskError(failure);
  });
  return { files, state };
}

/** The operations of one commit of three entries. */
async function commitOperations(): Promise<readonly string[]> {
  const { files, state } = faultyFiles();
  const log = await openLog(`${await temporaryFolder()}/log`, files);
  await appendAll(log, 0, 2);
  state.seen.length = 0;
  await appendAll(log, 2, 3);
  await log.close();
  return [...state.seen];
}

describe("a disk that is full", () => {
  it("refuses all that wait, at whatever operation, and the log recovers without a lost or doubled leaf", async () => {
    const operations = await commitOperations();
    expect(operations).toContain("append");
    for (const error of ["ENOSPC", "EIO", "EROFS"]) {
      for (let failing = 1; failing <= operations.length; failing++) {
        const directory = `${await temporaryFolder()}/log`;
        const { files, state } = faultyFiles();
        const log = await openLog(directory, files);
        const kept: AppendedLeaf[] = [...(await appendAll(log, 0, 2))];
        state.seen.length = 0;
        state.fails = (_, number) => (number >= failing ? error : null);
        const answers = await Promise.allSettled([2, 3, 4].map((number) => log.append(entry(number))));
        for (const answer of answers) {
          if (answer.status === "fulfilled") kept.push(answer.value);
          else expect(answer.reason).toEqual(code("LOG_UNAVAILABLE"));
        }
        expect(kept).toHaveLength(answers[0]?.status === "fulfilled" ? 5 : 2);
        state.fails = () => null;
        kept.push(...(await appendAll(log, 10, 2)));
        expect(kept.map(({ index }) => index)).toEqual(kept.map((_, place) => place));
        for (const leaf of kept) expectProven(log, leaf);
        await log.close();
        const again = await openLog(directory);
        expect(again.size).toBe(kept.length);
        for (const leaf of kept) expectProven(again, leaf);
        await again.close();
      }
    }
  });

  it("after a long time of refusals lets the next append through", async () => {
    const { files, state } = faultyFiles();
    const log = await openLog(`${await temporaryFolder()}/log`, files);
    state.fails = (operation) => (operation === "append" ? "ENOSPC" : null);
    for (let number = 0; number < 5; number++) await expect(log.append(entry(number))).rejects.toEqual(code("LOG_UNAVAILABLE"));
    state.fails = (operation) => (operation === "truncate" ? "EIO" : null);
    await expect(log.append(entry(5))).rejects.toEqual(code("LOG_UNAVAILABLE"));
    state.fails = () => null;
    const [leaf] = await appendAll(log, 6, 1);
    expect(leaf?.index).toBe(0);
    await log.close();
  });

  it("does not keep the log from answering where only tiles or checkpoint cannot be written", async () => {
    for (const operation of ["write", "rename"]) {
      const directory = `${await temporaryFolder()}/log`;
      const { files, state } = faultyFiles();
      const log = await openLog(directory, files);
      // The record is renamed first; what fails is the second rename, that of the checkpoint.
      let renames = 0;
      state.fails = (name) => (name === operation && (name !== "rename" || ++renames > 1) ? "ENOSPC" : null);
      const [leaf] = await appendAll(log, 0, 1);
      if (leaf !== undefined) expectProven(log, leaf);
      await log.published();
      state.fails = () => null;
      await appendAll(log, 1, 1);
      await log.published();
      expect(new TextDecoder().decode((await nodeFiles.read(`${directory}/checkpoint`)) ?? undefined)).toBe(log.checkpoint());
      await log.close();
    }
  });

  it("refuses a cosigned checkpoint, and takes it later", async () => {
    const { files, state } = faultyFiles();
    const log = await openLog(`${await temporaryFolder()}/log`, files);
    await appendAll(log, 0, 2);
    for (const operation of ["writeSynced", "rename", "syncDirectory"]) {
      state.fails = (name) => (name === operation ? "ENOSPC" : null);
      await expect(cosign(log)).rejects.toThrow("ENOSPC");
      expect(log.cosignedSize()).toBe(0);
    }
    state.fails = () => null;
    await cosign(log);
    expect(log.cosignedSize()).toBe(2);
    await log.close();
  });

  it("refuses to open at whatever operation, gives up the lock, and opens once there is room", async () => {
    const { files: empty, directory } = await memoryDisk();
    const first = faultyFiles(empty);
    await (await openLog(directory, first.files)).close();
    for (let failing = 1; failing <= first.state.seen.length; failing++) {
      const disk = await memoryDisk();
      const { files, state } = faultyFiles(disk.files);
      state.fails = (_, number) => (number === failing ? "ENOSPC" : null);
      await expect(openLog(disk.directory, files)).rejects.toThrow("ENOSPC");
      state.fails = () => null;
      const log = await openLog(disk.directory, files);
      await appendAll(log, 0, 1);
      await log.close();
    }
  });
});
