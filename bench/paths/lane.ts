/** Lanes of the paths suite: each gets the same record answered in its own way. */
import { mkdtempSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { fheClient, type TrisealClient } from "../../src/client/index.ts";
import { createNodeClient } from "../../src/client/node/index.ts";
import { type HeldBackRecord, readHeldBack } from "../../src/main/demo/held-back.ts";
import { classifyEncrypted } from "../../src/main/fhe/classify.ts";
import { readKeyFolder, uploadFiles } from "../../src/main/fhe/key-folder.ts";
import { needNative } from "../../src/main/fhe/native-program.ts";
import { systemClock } from "../../src/main/system-clock.ts";
import { repository } from "../suite.ts";
import { plainCaller, timedInference } from "../tee/caller.ts";
import type { Service } from "../tee/service.ts";
import type { PathRow } from "./result.ts";

/** One answer. */
export interface Answered {
  readonly answeredMs: number;
  readonly verifiedMs: number | null;
  readonly bundle: Uint8Array | null;
}

/** A way to get a model's answer to its held-back row `row`. */
export interface Lane {
  readonly variant: string;
  readonly path: PathRow["path"];
  readonly simulated: boolean;
  call(row: number): Promise<Answered>;
  close(): Promise<void>;
}

const PARAMETERS = { classification: "internal" } as const;
const nothing = async () => undefined;

function tensorOf({ model, input }: HeldBackRecord) {
  const [spec] = model.inputs;
  if (spec === undefined) throw new Error(`${model.name} has no input`);
  const shape = spec.shape.map((length) => (length < 0 ? 1 : length));
  return { name: spec.name, datatype: spec.datatype, shape, data: input };
}

/** The float model on onnxruntime, in this process. */
export async function inProcessLane(model: string): Promise<Lane> {
  const session = await InferenceSession.create(await readFile(join(repository, "models", model, "model.onnx")), {
    intraOpNumThreads: 1,
  });
  const call = async (row: number) => {
    const { name, shape, data } = tensorOf(await readHeldBack(model, row, false));
    const begun = performance.now();
    await session.run({ [name]: new Tensor("float32", Float32Array.from(data), shape) });
    return { answeredMs: performance.now() - begun, verifiedMs: null, bundle: null };
  };
  return { variant: "onnxruntime in process", path: "none", simulated: false, call, close: () => session.release() };
}

/** The float model behind plain HTTP: the baseline. */
export function plainLane(model: string, url: string): Lane {
  const post = plainCaller(url, null);
  const call = async (row: number) => {
    const { name, shape, data } = tensorOf(await readHeldBack(model, row, false));
    const { answered } = await post(model, [{ name, shape, data, datatype: "FP32" }]);
    return { answeredMs: answered, verifiedMs: null, bundle: null };
  };
  return { variant: "plain HTTP", path: "none", simulated: false, call, close: nothing };
}

/** What an SDK lane sends, and where its answer comes from. */
interface SdkCase {
  readonly variant: string;
  readonly path: "tee" | "zk";
  readonly seal: boolean;
}

/** The integer form of a model through the SDK, which verifies every answer. */
export function sdkLane(model: string, service: Service, { variant, path, seal }: SdkCase): Lane {
  const client = clientOf(service);
  const parameters = path === "zk" ? { ...PARAMETERS, assurance: "proof" } : PARAMETERS;
  const call = async (row: number) => {
    const record = await readHeldBack(model, row, true);
    const sent = { model: record.model.name, inputs: [tensorOf(record)], parameters, seal };
    const { answered, verified, bundle } = await timedInference(client, sent);
    return { answeredMs: answered, verifiedMs: verified, bundle };
  };
  return { variant, path, simulated: path === "tee", call, close: nothing };
}

/** An integer model on encrypted records: encrypted, run, decrypted; the answer is in hand only once it is verified. */
export async function encryptedLane(model: string, service: Service): Promise<Lane> {
  const native = needNative();
  const client = clientOf(service);
  const folder = mkdtempSync(join(tmpdir(), "triseal-bench-keys-"));
  await native.keygen(join(folder, "keys"), "lwe");
  const keys = await readKeyFolder(join(folder, "keys"));
  await fheClient(client).uploadKey(keys.key, uploadFiles(keys));
  const call = async (row: number) => {
    const { raw: record } = await readHeldBack(model, row, false);
    const begun = performance.now();
    const { finished } = await classifyEncrypted(client, native, keys, { model: `${model}-int`, record, parameters: PARAMETERS });
    const ms = performance.now() - begun;
    return { answeredMs: ms, verifiedMs: ms, bundle: finished.bundle };
  };
  const close = () => rm(folder, { recursive: true, force: true });
  return { variant: "fhe, encrypted on the caller's machine", path: "fhe", simulated: false, call, close };
}

function clientOf({ url, apiKey, trust }: Service): TrisealClient {
  return createNodeClient({ baseUrl: url, apiKey, trust, clock: systemClock });
}
