/**
 * Models that run on the worker's main thread, because handing a run to a model thread and back takes longer than the run.
 * Which they are is measured when the worker starts. They hold up deadlines and health for no longer than they were measured:
 * their operations take a time that follows from the shapes alone, and no larger tensor than was measured is run here.
 */
import { env, type InferenceSession } from "onnxruntime-node";
import { elementCount, type TensorSpec } from "../../src/core/tensor.ts";
import { ELEMENT_ARRAYS } from "../../src/core/tensor-bytes.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { SUPPORTED_OPS } from "../../src/model/onnx/import-onnx.ts";
import type { NodeProto } from "../../src/model/onnx/messages.ts";
import { parseModelProto } from "../../src/model/onnx/wire.ts";
import type { ExecutionProvider } from "./config.ts";
import { ELEMENT_TYPES, type RawTensor } from "./element-type.ts";
import { type ModelBytes, openSession, type RunMessage, runSession } from "./session.ts";

/** Longest median of a run, in milliseconds: about what the way to a model thread and back costs on a busy machine. */
const QUICK_MS = 0.5;
/** Runs before those that are timed, and those. */
const WARM_RUNS = 5;
const TIMED_RUNS = 9;
/** Larger models are not tried: reading their graph would take the start as long as it could save. */
const MAX_ONNX_BYTES = 4 * 1024 * 1024;

/** What an integer model can be made of, which must be known operation by operation, too. */
const PLAIN_OPS: ReadonlySet<string> = new Set(SUPPORTED_OPS);
const PLAIN_DOMAINS: ReadonlySet<string> = new Set(["", "ai.onnx", "ai.onnx.ml"]);

/** A model that is run on the thread that asks. */
export interface QuickModel {
  /** Whether these inputs are no larger than those that were measured. */
  fits(feeds: readonly RawTensor[]): boolean;
  run(message: RunMessage): Promise<readonly RawTensor[]>;
}

function isPlainNode({ opType, domain, attributes }: NodeProto): boolean {
  return PLAIN_DOMAINS.has(domain) && PLAIN_OPS.has(opType) && !attributes.some((attribute) => attribute.foreign);
}

/** Whether every operation takes a time that follows from the shapes of its inputs: no loop, no branch, no shape made of data. */
function isPlain({ onnx, answers }: ModelBytes): boolean {
  // The graph of an integer model is one that we emit.
  if (answers !== null) return true;
  if (onnx.length > MAX_ONNX_BYTES) return false;
  try {
    const { graph, functions } = parseModelProto(onnx);
    return graph !== null && !functions && graph.nodes.every(isPlainNode);
  } catch {
    return false;
  }
}

/** Zeros of the declared shape, one where any length is taken; null for a datatype that has no zeros. */
function zeros({ name, datatype, shape }: TensorSpec, isInteger: boolean): RawTensor | null {
  const dims = shape.map((length) => Math.max(length, 1));
  if (isInteger) return { name, type: "int32", dims, data: new Int32Array(elementCount(dims)) };
  if (datatype === "BYTES") return null;
  return { name, type: ELEMENT_TYPES[datatype], dims, data: new ELEMENT_ARRAYS[datatype](elementCount(dims)) };
}

async function medianMs(session: InferenceSession, message: RunMessage): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < WARM_RUNS + TIMED_RUNS; run++) {
    const begun = performance.now();
    await runSession(session, message);
    if (run >= WARM_RUNS) times.push(performance.now() - begun);
  }
  times.sort((left, right) => left - right);
  return times[times.length >> 1] ?? Number.POSITIVE_INFINITY;
}

/**
 * The model on this thread, or null where it is not known to be quick. An integer model must give its known answers here, too.
 * @param quickMs longest median of a run, in milliseconds.
 * @throws WrongAnswer.
 */
export async function openQuickModel(
  model: ModelPackage,
  bytes: ModelBytes,
  provider: ExecutionProvider,
  quickMs = QUICK_MS,
): Promise<QuickModel | null> {
  const feeds = model.inputs.flatMap((spec) => zeros(spec, bytes.answers !== null) ?? []);
  if (provider !== "cpu" || feeds.length !== model.inputs.length || !isPlain(bytes)) return null;
  // At any lower level the runtime writes failed runs to standard error, with elements of the input.
  env.logLevel = "fatal";
  const session = await openSession(bytes, provider, 1);
  const message = { model: model.name, feeds, fetches: model.outputs.map(({ name }) => name) };
  const ms = await medianMs(session, message).catch(() => Number.POSITIVE_INFINITY);
  if (ms > quickMs) {
    await session.release();
    return null;
  }
  const most = new Map(feeds.map(({ name, data }) => [name, data.length]));
  return {
    fits: (given) => given.every(({ name, data }) => data.length <= (most.get(name) ?? 0)),
    run: (asked) => runSession(session, asked),
  };
}
