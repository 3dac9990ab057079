import { describe, expect, it } from "vitest";
import { type LogAuditOptions, verifyLog } from "../../../src/main/verify-log.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { appendAll, code, cosign, logSigner, memoryDisk, ORIGIN, openLog } from "../log-store/store-fixture.ts";

const logs = [{ origin: ORIGIN, publicKey: logSigner.publicKey }];

/** A log of three batches whose records were deleted, one of them cosigned, and its checkpoint after the first. */
async function madeLog() {
  const { files, directory } = await memoryDisk();
  const log = await openLog(directory, files);
  await appendAll(log, 0, 2);
  const early = log.checkpoint();
  await appendAll(log, 2, 3);
  await cosign(log);
  const before = files.peek(`${directory}/leaves`).length;
  await appendAll(log, 5, 2);
  await log.close();
  const records = files.paths(`${directory}/records`);
  const kept = records.map((path) => files.peek(path));
  for (const path of records) files.plant(path, null);
  const check = (more: Partial<LogAuditOptions> = {}) =>
    verifyLog({ dataDir: directory.slice(0, -"/log".length), logs, from: null, ...more }, files);
  return { files, directory, early, before, records, kept, check, leaves: files.peek(`${directory}/leaves`) };
}

describe("the check of a log folder", () => {
  it("counts what stands in it, and that it extends an earlier checkpoint", async () => {
    const { check, early } = await madeLog();
    expect(await check({ from: early })).toMatchObject({
      origin: ORIGIN,
      leaves: 7,
      published: 7,
      cosigned: 1,
      records: 0,
      forgotten: 7,
      from: 2,
      unfinishedBytes: 0,
    });
  });

  it("takes a torn tail that nobody was told of, and a torn checkpoint, and changes neither", async () => {
    const { files, directory, check, before, leaves } = await madeLog();
    files.plant(`${directory}/checkpoint`, new Uint8Array(3));
    files.plant(`${directory}/leaves`, leaves.subarray(0, leaves.length - 1));
    expect(await check()).toMatchObject({ leaves: 5, published: null, unfinishedBytes: leaves.length - 1 - before });
    expect(files.peek(`${directory}/leaves`)).toHaveLength(leaves.length - 1);
  });

  it("refuses a leaf that is another, in the middle and at the published end", async () => {
    const { files, directory, check, before, leaves } = await madeLog();
    for (const place of [0, 20, before - 1, before + 20, leaves.length - 1]) {
      files.plant(
        `${directory}/leaves`,
        leaves.map((byte, at) => (at === place ? byte ^ 1 : byte)),
      );
      await expect(check()).rejects.toEqual(code("LOG_CORRUPT"));
    }
  });

  it("refuses published leaves that are gone, also those of an earlier checkpoint alone, and a missing file", async () => {
    const { files, directory, check, early, before, leaves } = await madeLog();
    files.plant(`${directory}/leaves`, leaves.subarray(0, before));
    await expect(check()).rejects.toEqual(code("LOG_CORRUPT", "a checkpoint has 7 leaves, 5 are left"));
    const empty = await memoryDisk();
    const log = await openLog(empty.directory, empty.files);
    await log.close();
    const other = { dataDir: empty.directory.slice(0, -"/log".length), logs, from: early };
    await expect(verifyLog(other, empty.files)).rejects.toEqual(code("LOG_CORRUPT", "a checkpoint has 2 leaves, 0 are left"));
    files.plant(`${directory}/leaves`, null);
    await expect(check()).rejects.toEqual(code("LOG_CORRUPT", "no file `leaves`"));
  });

  it("refuses checkpoints that no trusted key signed, and records that are none", async () => {
    const { files, check, early, records, kept } = await madeLog();
    const stranger = [{ origin: ORIGIN, publicKey: testSigner("stranger", 9).publicKey }];
    await expect(check({ logs: stranger })).rejects.toEqual(code("LOG_PROOF_INVALID"));
    await expect(check({ logs: [] })).rejects.toEqual(code("LOG_PROOF_INVALID"));
    await expect(check({ from: early.replace(/.$/m, "x") })).rejects.toEqual(code("LOG_PROOF_INVALID"));
    files.plant(records[0] ?? "", kept[0] ?? null);
    await expect(check()).rejects.toEqual(code("FORMAT_INVALID"));
  });
});
