/** Runs of integer models: encoded inputs, and the known answers that the runtime must give before a model serves. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { type Tensor as CheckedTensor, elementCount } from "../../src/core/tensor.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import type { LoadedInteger } from "../../src/model/read/read-package.ts";
import type { RawTensor } from "./element-type.ts";

/** One run and the integers that must come out. */
export interface KnownRun {
  readonly feed: RawTensor;
  readonly output: string;
  readonly data: Int32Array;
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The known answers as runs: each alone, and all in one batch, for which a runtime may choose other kernels. */
export function knownRuns({ checked, answers }: LoadedInteger): readonly KnownRun[] {
  const { input, output } = checked.model;
  const batches = [...answers.map((answer) => [answer]), answers];
  return batches.map((batch) => ({
    feed: { name: input.name, type: "int32", dims: [batch.length, ...input.shape], data: joined(batch.map(({ x }) => x)) },
    output: output.name,
    data: joined(batch.map(({ y }) => y)),
  }));
}

/**
 * A checked request tensor, sample by sample, in the encoding of the integer model.
 * @throws TrisealError `INPUT_OUT_OF_RANGE`: nothing is clamped.
 */
export function packInteger({ model }: CheckedModel, tensor: CheckedTensor): RawTensor {
  const length = elementCount(model.input.shape);
  const numbers = Array.from<unknown, number>(tensor.data, Number);
  const samples = Array.from({ length: tensor.shape[0] ?? 0 }, (_, at) => numbers.slice(at * length, (at + 1) * length));
  return {
    name: tensor.name,
    type: "int32",
    dims: tensor.shape,
    data: joined(samples.map((sample) => encodeInput(model.input, sample))),
  };
}

/** An integer model that computes wrongly on this machine. No provider of lower preference hides it. */
export class WrongAnswer extends Error {}

/**
 * Runs every known answer in the runtime that is to serve the model.
 * @throws WrongAnswer where one integer differs.
 */
export async function assertKnownAnswers(session: InferenceSession, name: string, runs: readonly KnownRun[]): Promise<void> {
  for (const { feed, output, data } of runs) {
    const outputs = await session.run({ [feed.name]: new Tensor("int32", feed.data as Int32Array, feed.dims) }, [output]);
    const got = outputs[output]?.data;
    const isSame = got instanceof Int32Array && got.length === data.length && got.every((item, at) => item === data[at]);
    if (!isSame) throw new WrongAnswer(`model \`${name}\`: the runtime does not give the known answers on this machine`);
  }
}
