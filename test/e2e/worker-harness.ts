/** Real workers for tests: processes made from the sources, with model packages in a folder of their own. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeHex, utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { CallerFacts } from "../../src/core/oip.ts";
import { unixSeconds } from "../../src/core/time.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { readPackage } from "../../src/model/read/read-package.ts";
import type { BoundRequest } from "../../src/paths/path.ts";
import type { WorkerAppraisal } from "../../src/paths/tee/server/admission.ts";
import { Supervisor, type WorkerCommand, type WorkerProcess } from "../../src/paths/tee/server/supervisor.ts";
import { createTeePath, type TeePath, type TeePathOptions } from "../../src/paths/tee/server/tee-path.ts";
import { WorkerClient } from "../../src/paths/tee/server/worker-client.ts";
import { type EnvelopeHead, type SealedRequest, sealRequest } from "../../src/paths/tee/wire/envelope.ts";
import { encodeFrame } from "../../src/paths/tee/wire/frame.ts";
import {
  parseWorkerEvidence,
  type WorkerEvidence,
  type WorkerKeyset,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../../src/paths/tee/wire/keyset.ts";
import { strongestSealKey } from "../../src/paths/tee/wire/seal-suite.ts";
import { parseSimulatedEvidence, verifySimulatedEvidence } from "../../src/paths/tee/wire/simulated.ts";
import { echoModel, type OnnxType, pickModel, rootModel, slowModel } from "./worker-onnx.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Every datatype, in the order of the echo model's tensors. */
export const ECHO_TYPES: readonly OnnxType[] = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP32",
  "FP64",
  "BYTES",
];

/** The machine's clock. */
export const clock = () => unixSeconds(Math.floor(Date.now() / 1000));

/** A signal that never aborts. */
export const never = new AbortController().signal;

/** A temporary folder with model packages and a platform seed. */
export interface Workplace {
  readonly folder: string;
  readonly packages: ReadonlyMap<string, ModelPackage>;
  config(overrides?: JsonObject): JsonObject;
  command(overrides?: JsonObject): WorkerCommand;
  remove(): Promise<void>;
}

type Spec = { name: string; datatype: string; shape: number[] };

async function writePackage(folder: string, name: string, onnx: Uint8Array, inputs: Spec[], outputs: Spec[]): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  const document = { v: 1, name, version: "7", digest: digestOf(onnx), licence: "Apache-2.0", inputs, outputs, paths: ["tee"] };
  await writeFile(join(folder, name, "model.json"), JSON.stringify(document));
  await writeFile(join(folder, name, "model.onnx"), onnx);
}

/** Makes the folder: `echo`, `half`, `slow`, `pick`, `root`, and two of the shipped models. */
export async function createWorkplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-worker-"));
  const models = join(folder, "models");
  const echo = (prefix: string) =>
    ECHO_TYPES.map((datatype) => ({ name: `${prefix}_${datatype.toLowerCase()}`, datatype, shape: [-1] }));
  const one = (name: string, datatype: string, shape: number[]) => [{ name, datatype, shape }];
  await writePackage(models, "echo", echoModel(ECHO_TYPES), echo("in"), echo("out"));
  await writePackage(models, "half", echoModel(["FP16"]), one("in_fp16", "FP16", [-1]), one("out_fp16", "FP16", [-1]));
  await writePackage(models, "slow", slowModel(), one("rounds", "INT64", [1]), one("largest", "FP32", []));
  await writePackage(models, "pick", pickModel(), one("index", "INT64", [1]), one("picked", "FP32", [1]));
  await writePackage(models, "root", rootModel(), one("x", "FP32", [-1]), one("root", "FP32", [-1]));
  const shipped = ["digits-mlp", "breast-cancer-mlp"];
  for (const name of shipped) await cp(join(root, "models", name), join(models, name), { recursive: true });
  await writeFile(join(folder, "platform.seed"), `${encodeHex(randomBytes(32))}\n`, { mode: 0o600 });
  const names = ["echo", "half", "slow", "pick", "root", ...shipped];
  const packages = new Map<string, ModelPackage>();
  for (const name of names) for (const { model } of await readPackage(join(models, name))) packages.set(model.name, model);
  const config = (overrides: JsonObject = {}): JsonObject => ({
    v: 1,
    name: "worker-a",
    attester: { type: "simulated", seedFile: join(folder, "platform.seed") },
    modelsFolder: models,
    concurrency: 1,
    ...overrides,
  });
  return {
    folder,
    packages,
    config,
    command: (overrides) => ({ ...nodeCommand("enclave/worker/main.ts"), config: config(overrides) }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** How to run a TypeScript file of this repository as a process. */
export function nodeCommand(file: string): Omit<WorkerCommand, "config"> {
  return { command: process.execPath, args: ["--import", join(root, "test/e2e/worker-tsx.mjs"), join(root, file)], env: {} };
}

/** The rows of a shipped model that it was not trained on. */
export async function heldBackRows(name: string): Promise<readonly { x: number[]; label: string }[]> {
  const document = JSON.parse(await readFile(join(root, "models", name, "heldback.json"), "utf8")) as {
    rows: { x: number[]; label: string }[];
  };
  return document.rows;
}

/** Accepts a worker whose simulated evidence is consistent: signature, report data, files. */
export async function appraiseSimulated(packageBytes: Uint8Array): Promise<WorkerAppraisal> {
  const evidence = parseWorkerEvidence(packageBytes);
  const simulated = parseSimulatedEvidence(evidence.evidence);
  const consistent =
    verifySimulatedEvidence(simulated) &&
    simulated.reportData === encodeHex(workerReportData(evidence.statement)) &&
    simulated.measurement === evidence.statement.workerDigest &&
    workerFilesDigest(evidence.files) === evidence.statement.workerDigest;
  if (!consistent) return { ok: false, code: "EVIDENCE_INCONSISTENT", reason: "the evidence is not consistent" };
  const facts = [{ name: "evidence_type", origin: "evidence", value: evidence.type } as const];
  return { ok: true, facts, expiresAt: unixSeconds(clock() + 600) };
}

/** A worker process and a direct line to it, without the gateway's path. */
export interface DirectWorker {
  readonly process: WorkerProcess;
  readonly client: WorkerClient;
  readonly evidence: WorkerEvidence;
  readonly log: readonly string[];
  health(): Promise<{ provider: string; passedOver: string[]; running: number; waiting: number }>;
  close(): Promise<void>;
}

/** Starts one worker under a supervisor that does not restart it within a test. */
export async function startWorker(command: WorkerCommand): Promise<DirectWorker> {
  const log: string[] = [];
  let supervisor: Supervisor | undefined;
  const started = new Promise<WorkerProcess>((resolve, reject) => {
    const onDown = (reason: string) => reject(new Error(reason));
    supervisor = new Supervisor(command, { onUp: resolve, onDown, onLog: (line) => log.push(line) }, { firstBackoffMs: 120_000 });
  });
  try {
    const process = await started;
    const client = new WorkerClient(process.address, 64 * 1024 * 1024);
    const evidence = parseWorkerEvidence(await client.evidence(encodeHex(randomBytes(32)), 10_000, never));
    const { address } = process;
    return {
      process,
      client,
      evidence,
      log,
      health: async () => {
        if (!("port" in address)) throw new Error("no port");
        return (await (await fetch(`http://127.0.0.1:${address.port}/health`)).json()) as never;
      },
      close: async () => {
        client.close();
        await supervisor?.close();
      },
    };
  } catch (error) {
    await supervisor?.close();
    throw error;
  }
}

/** An OIP request body. */
export function oipBody(
  inputs: readonly { name: string; datatype: string; shape: readonly number[]; data: unknown }[],
  more: JsonObject = {},
): Uint8Array {
  return utf8(JSON.stringify({ id: encodeHex(randomBytes(16)), inputs, ...more }));
}

/** A request for `rounds` matrix products. */
export function slowBody(rounds: number): Uint8Array {
  return oipBody([{ name: "rounds", datatype: "INT64", shape: [1], data: [rounds] }]);
}

/** Seals `body` to the strongest seal key of `keyset`. */
export async function sealTo(
  keyset: WorkerKeyset,
  model: string,
  body: Uint8Array,
  head: Partial<EnvelopeHead> = {},
): Promise<SealedRequest> {
  const full = { model, keysetDigest: workerKeysetDigest(keyset), facts: {}, exp: unixSeconds(clock() + 60), ...head };
  return await sealRequest(full, strongestSealKey(keyset) ?? { keyId: "", algo: "", publicKey: "" }, body);
}

/** A request frame as the gateway makes it. */
export function frameOf(model: ModelPackage, envelope: Uint8Array, head: JsonObject = {}): Uint8Array {
  const decisionDigest = digestOf(utf8("a decision"));
  const full = { v: 1, decisionDigest, nonce: "ab".repeat(16), modelDigest: model.digest, deadlineMs: 20_000, ...head };
  return encodeFrame(full, envelope);
}

/** A path over real workers, and what it said. */
export interface RunningPath {
  readonly path: TeePath;
  readonly notes: readonly string[];
  readonly documents: readonly JsonObject[];
}

/** Starts a path with the given workers; `close` it in the test. */
export function startPath(place: Workplace, overrides: Partial<TeePathOptions> = {}, config: JsonObject = {}): RunningPath {
  const notes: string[] = [];
  const documents: JsonObject[] = [];
  const path = createTeePath({
    workers: [{ name: "worker-a", claims: { jurisdiction: "EU" }, ...place.command(config) }],
    models: [...place.packages.values()],
    clock,
    requestTimeoutMs: 20_000,
    maxSessionAgeS: 600,
    maxAnswerBytes: 64 * 1024 * 1024,
    appraise: appraiseSimulated,
    onSession: async (document) => {
      documents.push(document);
    },
    note: (worker, event, line) => notes.push(`${worker} ${event}: ${line}`),
    times: { firstBackoffMs: 50 },
    ...overrides,
  });
  return { path, notes, documents };
}

/** A decided request, as the gateway hands it to a path. */
export function boundRequest(
  model: ModelPackage,
  body: Uint8Array,
  more: { facts?: CallerFacts; sealedBy?: BoundRequest["sealedBy"]; backendId?: string } = {},
): BoundRequest {
  return {
    model,
    backendId: more.backendId ?? "tee:worker-a",
    sessionId: null,
    context: { modelDigest: model.digest, decisionDigest: digestOf(utf8("a decision")), nonce: encodeHex(randomBytes(16)) },
    facts: more.facts ?? {},
    sealedBy: more.sealedBy ?? "none",
    body,
  };
}
