/** Logs and witnesses for tests: real trees, real signatures, real files in a temporary folder. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Clock, unixSeconds } from "../../../src/core/time.ts";
import { type NoteSignature, signCheckpoint } from "../../../src/log/index.ts";
import { nodeFiles } from "../../../src/log/store/files.ts";
import { createWitness, type WitnessOptions } from "../../../src/log/store/witness.ts";
import type { WitnessedSource } from "../../../src/log/store/witness-client.ts";
import { encodeWitnessRequest } from "../../../src/log/store/witness-request.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { makeLeaves, referenceConsistency, referenceRoot } from "./reference-tree.ts";

export const ORIGIN = "log.example/test";
export const logSigner = testSigner("test log key", 1);
export const witnessSigner = testSigner("test witness key", 2);
export const WITNESS_NAME = "witness.example/w1";
export const START = unixSeconds(1_800_000_000);
export const clock: Clock = () => START;

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-witness-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A log that shows any of its sizes; another `seed` is another history of the same log. */
export function makeLog(seed = "leaf", origin = ORIGIN, signer = logSigner) {
  const leaves = makeLeaves(40, seed);
  return {
    note: (size: number): string => signCheckpoint({ origin, size, root: referenceRoot(leaves.slice(0, size)) }, signer),
    proof: (from: number, to: number): Uint8Array[] => referenceConsistency(from, leaves.slice(0, to)),
    /** The request to cosign `to` after `from`. */
    request(from: number, to: number): string {
      return encodeWitnessRequest(from, from <= to ? this.proof(from, to) : [], this.note(to));
    },
  };
}

/** The options of a witness for the test log, in a folder of its own unless one is given. */
export async function witnessOptions(options: Partial<WitnessOptions> = {}): Promise<WitnessOptions> {
  return {
    name: WITNESS_NAME,
    signer: witnessSigner,
    logs: [{ origin: ORIGIN, publicKeys: [logSigner.publicKey] }],
    stateDir: options.stateDir ?? (await temporaryFolder()),
    files: nodeFiles,
    clock,
    ...options,
  };
}

/** An answer of a witness. */
export interface Reply {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

/** A witness, and how to send it a request body. */
export async function startWitness(options: Partial<WitnessOptions> = {}) {
  const app = await createWitness(await witnessOptions(options));
  const send = async (body: string | Uint8Array<ArrayBuffer>): Promise<Reply> => {
    const response = await app.request("/add-checkpoint", { method: "POST", body });
    return { status: response.status, type: response.headers.get("Content-Type"), body: await response.text() };
  };
  return { app, send };
}

/** A log as a witness client sees it: it grows by `grow`, and keeps what it was given. */
export function makeSource(size: number) {
  const log = makeLog();
  const added: { noteText: string; lines: readonly NoteSignature[] }[] = [];
  let current = size;
  let cosigned = 0;
  const source: WitnessedSource = {
    checkpoint: () => log.note(current),
    consistencyProof: (from, to) => log.proof(from, to),
    addCosignatures: async (noteText, lines) => {
      added.push({ noteText, lines });
      cosigned = Math.max(cosigned, Number(noteText.split("\n")[1]));
    },
    cosignedSize: () => cosigned,
  };
  return {
    source,
    added,
    grow: (to: number) => {
      current = to;
    },
  };
}
