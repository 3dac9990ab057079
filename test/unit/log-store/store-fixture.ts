/** Logs with real files in a folder of their own, or on a disk in memory. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { parseHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { parseTlogProof, signCosignature, verifyCheckpoint, verifyTlogProof } from "../../../src/log/index.ts";
import { type DurableFiles, nodeFiles } from "../../../src/log/store/files.ts";
import { type AppendedLeaf, type LogEntry, TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { MemoryFiles } from "./memory-files.ts";

export const ORIGIN = "log.example/store";
export const logSigner = testSigner("log", 1);
export const witness = { name: "witness.example/w1", signer: testSigner("witness", 2) };

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens the log in `directory`. The caller closes it. */
export function openLog(directory: string, files: DurableFiles = nodeFiles): Promise<TransparencyLog> {
  return TransparencyLog.open({ directory, origin: ORIGIN, signer: logSigner, files });
}

/** A disk in memory, and a folder on it. The lock file is a real one, in a real folder of the same name. */
export async function memoryDisk(): Promise<{ files: MemoryFiles; directory: string }> {
  const base = await temporaryFolder();
  await mkdir(join(base, "log"));
  return { files: new MemoryFiles().mount(base), directory: `${base}/log` };
}

/** An entry that differs from those of every other number. */
export function entry(number: number): LogEntry {
  const salt = new Uint8Array(32);
  new DataView(salt.buffer).setUint32(0, number);
  return { kind: "receipt", document: digestOf(utf8(`document ${number}`)), salt, record: utf8(`record ${number}`) };
}

/** Appends the entries of these numbers at once. */
export function appendAll(log: TransparencyLog, from: number, count: number): Promise<readonly AppendedLeaf[]> {
  return Promise.all(Array.from({ length: count }, (_, place) => log.append(entry(from + place))));
}

/** Cosigns the log's latest checkpoint. */
export function cosign(log: TransparencyLog, seconds = 1_800_000_000): Promise<void> {
  const note = log.checkpoint();
  const text = note.slice(0, note.indexOf("\n\n") + 1);
  return log.addCosignatures(note, [signCosignature(text, witness.name, unixSeconds(seconds), witness.signer)]);
}

/** Asserts that the log proves the leaf at its place, under a checkpoint that its own key signed. */
export function expectProven(log: TransparencyLog, leaf: AppendedLeaf): void {
  const proof = parseTlogProof(log.proof(leaf.index));
  expect(proof.index).toBe(leaf.index);
  expect(verifyTlogProof(proof, parseHex(leaf.leafHash))).toBe(true);
  expect(verifyCheckpoint(proof.noteText, ORIGIN, [logSigner.publicKey]).checkpoint).toEqual(proof.checkpoint);
}

/** An error of this code. */
export const code = (name: string, message?: string) =>
  expect.objectContaining({ code: name, ...(message === undefined ? {} : { message: expect.stringContaining(message) }) });
