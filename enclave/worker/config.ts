/** The worker's configuration: one line of JSON on its standard input. */
import { array, boolean, type Decoded, integer, object, oneOf, text } from "../../src/core/decode.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { parseJson } from "../../src/core/json.ts";
import { MAX_TENSOR_ELEMENTS } from "../../src/core/tensor.ts";
import { MAX_SEALED_BYTES } from "../../src/paths/tee/wire/envelope.ts";
import { SEAL_ALGORITHMS } from "../../src/paths/tee/wire/seal-suite.ts";
import { decodeAttesterConfig } from "../attester/attester-config.ts";

/** Longest configuration line, in bytes. */
export const MAX_CONFIG_BYTES = 256 * 1024;

const decodeConfig = object(
  {
    v: oneOf(1),
    /** Name of this worker; it stands in its keyset. */
    name: text(64),
    attester: decodeAttesterConfig,
  },
  {
    /** A folder of model packages. Exactly one of this and `packageFolders` stands. */
    modelsFolder: text(4096),
    packageFolders: array(text(4096), 1024),
    /** In the order of preference; a provider that does not start is passed over only if another one follows. */
    executionProviders: array(oneOf("cpu", "cuda"), 2),
    /** Model runs at one time; each has its own thread and its own sessions. */
    concurrency: integer(1, 64),
    /** Requests that may wait beyond those that run. */
    queueLength: integer(0, 65_536),
    /** Threads within one model run; 0 leaves the number to the runtime. */
    intraOpThreads: integer(0, 1024),
    maxBodyBytes: integer(1024, 2 * MAX_SEALED_BYTES),
    maxTensorElements: integer(1, MAX_TENSOR_ELEMENTS),
    /** Seconds that a keyset lives; the next one is made at half of it. */
    keysetLifetimeS: integer(1200, 31 * 86_400),
    /** Envelopes that the replay guard can remember. */
    replayCapacity: integer(1, 10_000_000),
    /** Whether to log how long each stage of a request took, and the memory in use. */
    stageTimes: boolean,
    /** Algorithms of the seal keys to make, by name; all known ones by default. */
    sealAlgorithms: array(oneOf(...SEAL_ALGORITHMS), SEAL_ALGORITHMS.length),
    /** Path of a unix socket to listen on, instead of a free port of 127.0.0.1. */
    socket: text(100),
  },
);

/** What an operator writes: everything but `name`, the models and `attester` has a default. */
export type WorkerConfigInput = Decoded<typeof decodeConfig>;

const defaults = {
  executionProviders: ["cpu"],
  concurrency: 2,
  queueLength: 64,
  intraOpThreads: 1,
  maxBodyBytes: 32 * 1024 * 1024,
  maxTensorElements: MAX_TENSOR_ELEMENTS,
  keysetLifetimeS: 86_400,
  replayCapacity: 200_000,
  stageTimes: false,
  sealAlgorithms: SEAL_ALGORITHMS,
} as const satisfies Partial<WorkerConfigInput>;

/** An execution provider of onnxruntime. */
export type ExecutionProvider = "cpu" | "cuda";

/** The worker's configuration with its defaults filled in. */
export type WorkerConfig = WorkerConfigInput & Required<Pick<WorkerConfigInput, keyof typeof defaults>>;

/**
 * Parses the configuration line.
 * @throws TrisealError `CONFIG_INVALID`.
 */
export function parseWorkerConfig(line: Uint8Array): WorkerConfig {
  let input: WorkerConfigInput;
  try {
    input = decodeConfig(parseJson(line), "worker config");
  } catch (cause) {
    throw new TrisealError("CONFIG_INVALID", cause instanceof Error ? cause.message : "malformed worker config", { cause });
  }
  if ((input.modelsFolder === undefined) === (input.packageFolders === undefined)) {
    throw new TrisealError("CONFIG_INVALID", "worker config: give exactly one of `modelsFolder` and `packageFolders`");
  }
  const providers = input.executionProviders;
  if (providers !== undefined && (providers.length === 0 || new Set(providers).size !== providers.length)) {
    throw new TrisealError("CONFIG_INVALID", "worker config: `executionProviders` is empty or names one twice");
  }
  const algorithms = input.sealAlgorithms;
  if (algorithms !== undefined && (algorithms.length === 0 || new Set(algorithms).size !== algorithms.length)) {
    throw new TrisealError("CONFIG_INVALID", "worker config: `sealAlgorithms` is empty or names one twice");
  }
  return { ...defaults, ...input };
}
