import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseHex } from "../../../src/core/bytes.ts";
import { parseCheckpointText, parseNote, parseTlogProof, verifyConsistency } from "../../../src/log/index.ts";
import { nodeFiles } from "../../../src/log/store/files.ts";
import { TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { referenceRoot } from "../log/reference-tree.ts";
import {
  appendAll,
  code,
  cosign,
  entry,
  expectProven,
  logSigner,
  memoryDisk,
  ORIGIN,
  openLog,
  temporaryFolder,
} from "./store-fixture.ts";
import { watchFiles } from "./watched-files.ts";

const checkpointOf = (note: string) => parseCheckpointText(parseNote(note).text);

describe("appending", () => {
  it("gives every leaf its place, a proof that verifies, and its record back", async () => {
    const log = await openLog(`${await temporaryFolder()}/log`);
    const leaves = await appendAll(log, 0, 20);
    expect(leaves.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    for (const [number, leaf] of leaves.entries()) {
      expectProven(log, leaf);
      expect(new Uint8Array((await log.record(leaf.leafHash)) ?? [])).toEqual(entry(number).record);
    }
    expect(await log.record("00".repeat(32))).toBeNull();
    await log.close();
  });

  it("commits what arrives together with one sync of the leaves", async () => {
    const operations: string[] = [];
    const log = await openLog(
      `${await temporaryFolder()}/log`,
      watchFiles(nodeFiles, (name) => operations.push(name)),
    );
    operations.length = 0;
    await appendAll(log, 0, 100);
    expect(operations.filter((name) => name === "sync")).toHaveLength(1);
    expect(operations.filter((name) => name === "append")).toHaveLength(1);
    expect(operations.filter((name) => name === "writeSynced")).toHaveLength(100);
    operations.length = 0;
    for (let number = 100; number < 103; number++) await log.append(entry(number));
    expect(operations.filter((name) => name === "sync")).toHaveLength(3);
    await log.close();
  });

  it("takes what arrives during a commit as the next batch", async () => {
    const during: Promise<unknown>[] = [];
    let appends = 0;
    const files = watchFiles(nodeFiles, (name) => {
      if (name !== "append") return;
      appends++;
      if (during.length === 0) during.push(appendAll(log, 10, 50));
    });
    const log = await openLog(`${await temporaryFolder()}/log`, files);
    await log.append(entry(0));
    await Promise.all(during);
    expect(log.size).toBe(51);
    expect(appends).toBe(2);
    await log.close();
  });

  it("holds no more than 256 records open at once, however many wait", async () => {
    let open = 0;
    let most = 0;
    const { files, directory } = await memoryDisk();
    const counting = watchFiles(files, (name) => {
      if (name === "writeSynced") most = Math.max(most, ++open);
      if (name === "append") open = 0;
    });
    const log = await openLog(directory, counting);
    const leaves = await appendAll(log, 0, 700);
    expect(most).toBe(256);
    expect(leaves.map(({ index }) => index)).toEqual(leaves.map((_, place) => place));
    await log.close();
  });

  it("writes each record durably before its leaf, and the leaf before tiles and checkpoint", async () => {
    const operations: string[] = [];
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(
      directory,
      watchFiles(nodeFiles, (name, path) => operations.push(`${name} ${path.slice(directory.length)}`)),
    );
    operations.length = 0;
    await log.append(entry(1));
    const answered = operations.length;
    await log.published();
    const place = (pattern: RegExp) => operations.findIndex((operation) => pattern.test(operation));
    const order = [
      /^writeSynced \/records/,
      /^syncDirectory \/records\/../,
      /^append \/leaves/,
      /^sync \/leaves/,
      /^write \/tile/,
      /^rename \/checkpoint/,
    ];
    const places = order.map(place);
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    // Only what makes the answer durable is waited for.
    expect(place(/^sync \/leaves/)).toBe(answered - 1);
    await log.close();
  });

  it("publishes by itself soon after a commit, together with what came meanwhile", async () => {
    const operations: string[] = [];
    const { files, directory } = await memoryDisk();
    const log = await openLog(
      directory,
      watchFiles(files, (name, path) => operations.push(`${name} ${path.slice(directory.length)}`)),
    );
    operations.length = 0;
    await appendAll(log, 0, 2);
    await appendAll(log, 2, 2);
    const published = () => operations.filter((operation) => operation === "rename /checkpoint").length;
    await expect.poll(published).toBe(1);
    expect(new TextDecoder().decode(files.peek(`${directory}/checkpoint`))).toBe(log.checkpoint());
    await log.close();
    expect(published()).toBe(1);
  });

  it("is refused after the log was closed", async () => {
    const log = await openLog(`${await temporaryFolder()}/log`);
    await log.close();
    await expect(log.append(entry(0))).rejects.toEqual(code("LOG_UNAVAILABLE"));
  });
});

describe("a log that is opened again", () => {
  it("has the same leaves, and goes on behind them", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const first = await openLog(directory);
    const leaves = [...(await appendAll(first, 0, 5))];
    const before = checkpointOf(first.checkpoint());
    await first.close();
    const second = await openLog(directory);
    expect(checkpointOf(second.checkpoint())).toEqual(before);
    leaves.push(...(await appendAll(second, 5, 5)));
    for (const leaf of leaves) expectProven(second, leaf);
    const after = checkpointOf(second.checkpoint());
    expect(verifyConsistency(5, 10, before.root, after.root, second.consistencyProof(5, 10))).toBe(true);
    await second.close();
  });

  it("signs with another key after a rotation, and still checks what the former key published", async () => {
    const { files, directory } = await memoryDisk();
    const first = await openLog(directory, files);
    await appendAll(first, 0, 2);
    await first.close();
    const rotated = { directory, origin: ORIGIN, signer: testSigner("log-2", 9), files };
    const second = await TransparencyLog.open(rotated);
    expect(second.checkpoint()).not.toBe(first.checkpoint());
    expect(checkpointOf(second.checkpoint())).toEqual(checkpointOf(first.checkpoint()));
    await second.close();
    files.plant(`${directory}/leaves`, new Uint8Array());
    await expect(TransparencyLog.open(rotated)).rejects.toEqual(code("LOG_CORRUPT"));
  });

  it("is refused under another origin", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    await log.close();
    const other = { directory, origin: "log.example/other", signer: logSigner, files: nodeFiles };
    await expect(TransparencyLog.open(other)).rejects.toEqual(code("LOG_CORRUPT", "holds the log"));
    const again = await openLog(directory);
    await again.close();
  });
});

describe("cosigned checkpoints", () => {
  it("survive a restart, and a proof takes the first that covers its leaf", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    for (const size of [2, 5, 12]) {
      await appendAll(log, log.size, size - log.size);
      await cosign(log, 1_800_000_000 + size);
    }
    await appendAll(log, 12, 3);
    await log.close();
    const again = await openLog(directory);
    expect(again.cosignedSize()).toBe(12);
    const sizeOf = (index: number) => parseTlogProof(again.proof(index)).checkpoint.size;
    expect([0, 1, 2, 4, 5, 11, 12, 14].map(sizeOf)).toEqual([2, 2, 5, 5, 12, 12, 15, 15]);
    const lines = [0, 14].map((index) => parseTlogProof(again.proof(index)).note.signatures.length);
    expect(lines).toEqual([2, 1]);
    for (let index = 0; index < 15; index++) expectProven(again, { index, leafHash: again.leafHashAt(index) });
    await again.close();
  });

  it("are kept as they came first", async () => {
    const log = await openLog(`${await temporaryFolder()}/log`);
    await appendAll(log, 0, 2);
    await cosign(log, 1_800_000_000);
    const proof = log.proof(0);
    await cosign(log, 1_900_000_000);
    expect(log.proof(0)).toBe(proof);
    await log.close();
  });

  it("that cannot be read, or stand under another size, stop the log", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    await appendAll(log, 0, 3);
    await cosign(log);
    await log.close();
    const good = files.peek(`${directory}/checkpoints/3`);
    for (const [name, bytes] of [
      ["3", good.subarray(0, 40)],
      ["3", new Uint8Array()],
      ["2", good],
      ["03", good],
    ] as const) {
      const damaged = files.afterKill();
      damaged.plant(`${directory}/checkpoints/${name}`, bytes);
      await expect(openLog(directory, damaged)).rejects.toEqual(code("LOG_CORRUPT"));
    }
    await (await openLog(directory, files)).close();
  });
});

describe("forgetting", () => {
  it("deletes a record and leaves every proof as it was", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    const leaves = await appendAll(log, 0, 9);
    await log.close();
    const forgotten = leaves[4]?.leafHash ?? "";
    await rm(`${directory}/records/${forgotten.slice(0, 2)}/${forgotten}`);
    const again = await openLog(directory);
    expect(await again.record(forgotten)).toBeNull();
    for (const leaf of leaves) expectProven(again, leaf);
    await again.close();
  });
});

describe("the lock", () => {
  it("is refused to a second log of this process, and names the process", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    await expect(openLog(directory)).rejects.toEqual(code("LOG_LOCKED", String(process.pid)));
    await appendAll(log, 0, 1);
    await log.close();
    await (await openLog(directory)).close();
  });

  it("is refused while a live process holds it", async () => {
    const directory = `${await temporaryFolder()}/log`;
    await mkdir(directory, { recursive: true });
    await writeFile(`${directory}/lock`, String(process.ppid));
    const refused = {
      code: "LOG_LOCKED",
      message: expect.stringContaining(String(process.ppid)),
      details: { pid: process.ppid },
    };
    await expect(openLog(directory)).rejects.toEqual(expect.objectContaining(refused));
    expect(await readFile(`${directory}/lock`, "utf8")).toBe(String(process.ppid));
  });

  it.each(["", "0", "-1", "text", "999999999", String(process.pid)])(
    "with the content `%s` was left by nobody alive and is taken over",
    async (left) => {
      const directory = `${await temporaryFolder()}/log`;
      await mkdir(directory, { recursive: true });
      await writeFile(`${directory}/lock`, left);
      const log = await openLog(directory);
      expect(await readFile(`${directory}/lock`, "utf8")).toMatch(new RegExp(`^${process.pid}\\b`));
      await log.close();
      expect((await readdir(directory)).filter((name) => name.startsWith("lock"))).toEqual([]);
    },
  );

  it("is given up where opening fails", async () => {
    const { files, directory } = await memoryDisk();
    files.plant(`${directory}/checkpoints/7`, new Uint8Array());
    await expect(openLog(directory, files)).rejects.toEqual(code("LOG_CORRUPT"));
    files.plant(`${directory}/checkpoints/7`, null);
    await (await openLog(directory, files)).close();
  });

  it("is held by one of many that ask at once", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => openLog(directory)));
    const opened = asked.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(opened).toHaveLength(1);
    for (const result of asked) if (result.status === "rejected") expect(result.reason).toEqual(code("LOG_LOCKED"));
    await opened[0]?.close();
  });
});

describe("the root", () => {
  it("is that of the reference tree, at every size", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    const hashes: Uint8Array[] = [];
    for (let size = 1; size <= 40; size++) {
      const [leaf] = await appendAll(log, size, 1);
      hashes.push(parseHex(leaf?.leafHash ?? ""));
      expect(checkpointOf(log.checkpoint())).toEqual({ origin: ORIGIN, size, root: rootOfHashes(hashes) });
    }
    await log.close();
    expect(referenceRoot([])).toEqual(rootOfHashes([]));
  });
});

/** MTH over leaf hashes that are already computed. */
function rootOfHashes(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return referenceRoot([]);
  const [only] = hashes;
  if (hashes.length === 1 && only !== undefined) return only;
  let left = 1;
  while (left * 2 < hashes.length) left *= 2;
  return nodeOf(rootOfHashes(hashes.slice(0, left)), rootOfHashes(hashes.slice(left)));
}

function nodeOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(Uint8Array.of(1)).update(left).update(right).digest());
}
