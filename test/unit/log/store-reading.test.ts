import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeTilePath, leafHash, parseCheckpointText, parseEntries, parseNote } from "../../../src/log/index.ts";
import { type DurableFiles, nodeFiles, performSteps } from "../../../src/log/store/files.ts";
import { LeafFile } from "../../../src/log/store/leaf-file.ts";
import { type LogEntry, TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { makeLeaves } from "./reference-tree.ts";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-reading-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function entry(number: number): LogEntry {
  return { kind: "receipt", document: digestOf(utf8(`document ${number}`)), salt: new Uint8Array(32), record: utf8("record") };
}

/** The machine's files; `after` is called behind every operation that changes a name or a content. */
function steppedFiles(after: () => Promise<void>): DurableFiles {
  const step =
    <Arguments extends readonly unknown[]>(work: (...values: Arguments) => Promise<void>) =>
    async (...values: Arguments) => {
      await work(...values);
      await after();
    };
  const { write, rename, remove } = nodeFiles;
  const files: DurableFiles = {
    ...nodeFiles,
    write: step(write),
    rename: step(rename),
    remove: step(remove),
    perform: (steps) => performSteps(files, steps),
  };
  return files;
}

it("the entries and hashes of the signed checkpoint can be read at every moment of a commit", async () => {
  let log: TransparencyLog | null = null;
  let reads = 0;
  const unreadable: number[] = [];
  const readTail = async () => {
    if (log === null) return;
    const { size } = parseCheckpointText(parseNote(log.checkpoint()).text);
    const address = { index: Math.floor(size / 256), width: size % 256 };
    if (address.width === 0) return;
    const entries = await log.readTile(encodeTilePath({ ...address, level: "entries" }));
    const hashes = await log.readTile(encodeTilePath({ ...address, level: 0 }));
    const hashed = parseEntries(entries ?? new Uint8Array()).flatMap((leaf) => [...leafHash(leaf)]);
    // Collected, not expected here: the log goes on where publishing throws.
    if (hashed.length === 0 || !Buffer.from(hashed).equals(hashes ?? new Uint8Array())) unreadable.push(size);
    reads++;
  };
  const signer = testSigner("log", 1);
  const files = steppedFiles(readTail);
  log = await TransparencyLog.open({ directory: `${await temporaryFolder()}/log`, origin: "log.example/r", signer, files });
  for (const count of [1, 3, 250, 1, 1, 5, 300]) {
    const from = log.size;
    await Promise.all(Array.from({ length: count }, (_, place) => log?.append(entry(from + place))));
  }
  expect(log.size).toBe(561);
  expect(unreadable).toEqual([]);
  expect(reads).toBeGreaterThan(20);
  await log.close();
});

it("a leaf that was read from the disk keeps no more than its own bytes in memory", async () => {
  const path = join(await temporaryFolder(), "leaves");
  const written = await LeafFile.open(nodeFiles, path);
  await written.file.append(makeLeaves(100), []);
  await written.file.close();
  const { file, leaves } = await LeafFile.open(nodeFiles, path);
  await file.close();
  expect(leaves).toEqual(makeLeaves(100));
  expect(leaves.map((leaf) => leaf.buffer.byteLength)).toEqual(leaves.map((leaf) => leaf.length));
});
