/** A session of the runtime: one loaded model, and one run of it on the thread that asks for it. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { ExecutionProvider } from "./config.ts";
import type { ElementType, RawTensor } from "./element-type.ts";
import { assertKnownAnswers, type KnownRun } from "./integer-run.ts";

/** A model to be loaded. */
export interface ModelBytes {
  readonly name: string;
  readonly onnx: Uint8Array;
  /** Runs of an integer model that must give these integers before it serves; null for a float model. */
  readonly answers: readonly KnownRun[] | null;
}

/** One run. */
export interface RunMessage {
  readonly model: string;
  readonly feeds: readonly RawTensor[];
  readonly fetches: readonly string[];
}

/** Loads a model with `intraOpThreads` threads for one run, 0 for as many as the runtime takes. @throws WrongAnswer, and the runtime's own errors. */
export async function openSession(
  { name, onnx, answers }: ModelBytes,
  provider: ExecutionProvider,
  intraOpThreads: number,
): Promise<InferenceSession> {
  const session = await InferenceSession.create(onnx, {
    executionProviders: [provider],
    logSeverityLevel: 4,
    ...(intraOpThreads === 0 ? {} : { intraOpNumThreads: intraOpThreads }),
  });
  if (answers !== null) await assertKnownAnswers(session, name, answers);
  return session;
}

/** The outputs of one run, in the order of `fetches`. Throws the runtime's own errors, whose messages can quote elements of the input. */
export async function runSession(session: InferenceSession, { feeds, fetches }: RunMessage): Promise<readonly RawTensor[]> {
  const tensors = Object.fromEntries(
    feeds.map((feed) => [feed.name, new Tensor(feed.type, feed.data as Tensor.DataTypeMap[ElementType], feed.dims)]),
  );
  const outputs = await session.run(tensors, [...fetches], { logSeverityLevel: 4 });
  return fetches.map((name) => {
    const output = outputs[name];
    if (output === undefined) throw new Error("an output is missing");
    return { name, type: output.type as ElementType, dims: [...output.dims], data: elementsOf(output) };
  });
}

/** The elements as onnxruntime returned them; FP16 as raw bits, also where the platform has an array type of its own for it. */
function elementsOf({ type, data }: Tensor): RawTensor["data"] {
  if (type !== "float16" || !ArrayBuffer.isView(data)) return data as RawTensor["data"];
  return new Uint16Array(data.buffer, data.byteOffset, data.length);
}
