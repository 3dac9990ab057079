import { describe, expect, it } from "vitest";
import { parseHex } from "../../../src/core/bytes.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { parseTlogProof, verifyCheckpoint, verifyTlogProof } from "../../../src/log/index.ts";
import { nodeFiles } from "../../../src/log/store/files.ts";
import { TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { makeLog, startWitness, ORIGIN as WATCHED } from "../log/witness-fixture.ts";
import { appendAll, code, cosign, entry, logSigner, memoryDisk, ORIGIN, openLog, temporaryFolder } from "./store-fixture.ts";

const successor = testSigner("log-2", 7);
const signerOf = (note: string) => verifyCheckpoint(note, ORIGIN, [logSigner.publicKey, successor.publicKey]).publicKey;

describe("a log that is handed over to another key", () => {
  it("is signed by the new one from then on, and keeps the last checkpoint of the old one", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    const before = await appendAll(log, 0, 3);
    await cosign(log);
    const last = log.checkpoint();
    await log.handOver(successor);
    expect(signerOf(log.checkpoint())).toBe(successor.publicKey);
    const [after] = await appendAll(log, 3, 2);
    expect(signerOf(log.checkpoint())).toBe(successor.publicKey);
    expect(new TextDecoder().decode((await nodeFiles.read(`${directory}/handovers/3`)) ?? undefined)).toBe(last);
    // What was cosigned under the old key is proven under it, what came later under the new one.
    for (const [leaf, key] of [
      [before[0], logSigner],
      [after, successor],
    ] as const) {
      const proof = parseTlogProof(log.proof(leaf?.index ?? 0));
      expect(verifyTlogProof(proof, parseHex(leaf?.leafHash ?? ""))).toBe(true);
      expect(signerOf(proof.noteText)).toBe(key.publicKey);
      const other = key === successor ? logSigner : successor;
      expect(() => verifyCheckpoint(proof.noteText, ORIGIN, [other.publicKey])).toThrow(code("LOG_PROOF_INVALID"));
    }
    await log.close();
    const again = await TransparencyLog.open({ directory, origin: ORIGIN, signer: successor, files: nodeFiles });
    expect([again.size, signerOf(again.checkpoint())]).toEqual([5, successor.publicKey]);
    await again.close();
  });

  it("loses no append that waits while it is handed over", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    const appended = appendAll(log, 0, 20);
    const handed = log.handOver(successor);
    const more = Promise.all(Array.from({ length: 20 }, (_, place) => log.append(entry(100 + place))));
    const leaves = [...(await appended), ...(await more)];
    await handed;
    expect(new Set(leaves.map(({ index }) => index)).size).toBe(40);
    expect([log.size, signerOf(log.checkpoint())]).toEqual([40, successor.publicKey]);
    expect(verifyCheckpoint(log.checkpoint(), ORIGIN, [successor.publicKey]).checkpoint.size).toBe(40);
    await log.close();
  });

  it("stays with the old key where the last checkpoint cannot be kept", async () => {
    const { files, directory } = await memoryDisk();
    const opened = await TransparencyLog.open({
      directory,
      origin: ORIGIN,
      signer: logSigner,
      files: {
        ...bound(files),
        makeDirectory: (path) =>
          path.endsWith("handovers") ? Promise.reject(new Error("disk full")) : files.makeDirectory(path),
      },
    });
    await expect(opened.handOver(successor)).rejects.toEqual(code("LOG_UNAVAILABLE"));
    const [leaf] = await appendAll(opened, 0, 1);
    expect([leaf?.index, signerOf(opened.checkpoint())]).toEqual([0, logSigner.publicKey]);
    await opened.close();
  });
});

/** The functions of a file interface that is a class. */
function bound(files: Awaited<ReturnType<typeof memoryDisk>>["files"]) {
  return {
    read: files.read.bind(files),
    mode: files.mode.bind(files),
    list: files.list.bind(files),
    makeDirectory: files.makeDirectory.bind(files),
    write: files.write.bind(files),
    rename: files.rename.bind(files),
    remove: files.remove.bind(files),
    perform: files.perform.bind(files),
    syncDirectory: files.syncDirectory.bind(files),
    openAppend: files.openAppend.bind(files),
  };
}

describe("a witness of a log whose key is rotated", () => {
  const old = makeLog();
  const rotated = makeLog("leaf", WATCHED, successor);

  it("must know the new key before it signs, and goes on from what it saw under the old one", async () => {
    const stateDir = await temporaryFolder();
    const watching = (...keys: readonly string[]) =>
      startWitness({ stateDir, logs: [{ origin: WATCHED, publicKeys: keys }], clock: () => unixSeconds(1_800_000_000) });
    const oldKey = logSigner.publicKey;
    const unprepared = await watching(oldKey);
    expect((await unprepared.send(old.request(0, 3))).status).toBe(200);
    expect((await unprepared.send(rotated.request(3, 5))).status).toBe(403);
    const prepared = await watching(oldKey, successor.publicKey);
    expect((await prepared.send(old.request(3, 4))).status).toBe(200);
    expect((await prepared.send(rotated.request(4, 6))).status).toBe(200);
    // Later it may forget the old one: its own cosignature vouches for what it saw.
    const later = await watching(successor.publicKey);
    expect((await later.send(rotated.request(6, 7))).status).toBe(200);
    expect((await later.send(old.request(7, 8))).status).toBe(403);
    expect((await later.send(makeLog("other", WATCHED, successor).request(7, 8))).status).toBe(422);
  });
});
