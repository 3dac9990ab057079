import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { traceFloat } from "../../../src/model/float/run-float.ts";
import { encodeInput } from "../../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { encodeIntegerModel, parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger, traceInteger } from "../../../src/model/integer/run.ts";
import { emitOnnx } from "../../../src/model/onnx/emit-onnx.ts";
import { importOnnx } from "../../../src/model/onnx/import-onnx.ts";
import { calibrate } from "../../../src/model/quantise/calibrate.ts";
import { DEFAULT_OPTIONS } from "../../../src/model/quantise/options.ts";
import { quantise } from "../../../src/model/quantise/quantise.ts";
import { draftOnnx } from "./onnx-draft.ts";
import { modelOf, type RandomModel, randomModel, randomSamples } from "./random-model.ts";

const bits = fc.integer({ min: 2, max: 8 });
const options = fc.record({ inputBits: bits, weightBits: fc.tuple(bits, bits), activationBits: fc.tuple(bits, bits) });
const ignore = () => undefined;

function build(random: RandomModel, chosen: object = {}): CheckedModel {
  const model = importOnnx(draftOnnx(random.draft));
  return quantise(model, calibrate(model, randomSamples(random, 20), 100, ignore), {
    ...DEFAULT_OPTIONS,
    ...chosen,
    inputRange: { lo: -1, hi: 1 },
  });
}

/** Encoded inputs at both ends of the range and between. */
function encodedInputs(checked: CheckedModel, random: RandomModel): Int32Array[] {
  const [range] = checked.values;
  const ends = [range?.lo ?? [], range?.hi ?? []].map((end) => Int32Array.from(end));
  return [...ends, ...randomSamples(random, 12).map((sample) => encodeInput(checked.model.input, sample))];
}

/**
 * The largest error of an output. The unit is the largest number on the way to it: layers cancel and clip, and an output near 0
 * is still made of numbers that large.
 */
function farthest(random: RandomModel): number {
  const checked = build(random);
  const model = importOnnx(draftOnnx(random.draft));
  const samples = randomSamples(random, 12);
  const traces = samples.map((sample) => traceFloat(model, sample));
  const largest = (values: Iterable<number>) => [...values].reduce((most, item) => Math.max(most, Math.abs(item)), 0);
  const { scale, offset } = checked.model.output;
  const errors = samples.flatMap((sample, at) =>
    [...runInteger(checked, encodeInput(checked.model.input, sample))].map(
      (item, column) => item * scale + offset - (traces[at]?.at(-1)?.[column] ?? 0),
    ),
  );
  return largest(errors) / largest(traces.flat().map(largest));
}

async function runOnnx(bytes: Uint8Array, checked: CheckedModel, inputs: readonly Int32Array[]): Promise<number[]> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const { name, shape } = checked.model.input;
  const data = Int32Array.from(inputs.flatMap((input) => [...input]));
  const outputs = await session.run({ [name]: new Tensor("int32", data, [inputs.length, ...shape]) });
  await session.release();
  return [...(outputs[checked.model.output.name]?.data ?? [])].map(Number);
}

describe("a random integer model", () => {
  it("never leaves its bounds, whatever the input in range", () => {
    fc.assert(
      fc.property(randomModel, options, (random, chosen) => {
        const checked = build(random, chosen);
        for (const input of encodedInputs(checked, random)) {
          traceInteger(checked, input).forEach((value, number) => {
            const bounds = checked.values[number];
            expect(value.length).toBe(bounds?.lo.length);
            const outside = value.findIndex((item, at) => item < (bounds?.lo[at] ?? 0) || item > (bounds?.hi[at] ?? 0));
            expect(outside, `value ${number} of ${random.kinds.join()}`).toBe(-1);
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it("reads back from its canonical bytes with the same digest and bounds", () => {
    fc.assert(
      fc.property(randomModel, options, (random, chosen) => {
        const checked = build(random, chosen);
        const bytes = encodeIntegerModel(checked.model);
        const again = parseIntegerModel(bytes);
        expect(again.digest).toBe(checked.digest);
        expect(again.values).toEqual(checked.values);
        expect(encodeIntegerModel(build(random, chosen).model)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  it("gives the same integers in onnxruntime as in the reference, in one batch", async () => {
    await fc.assert(
      fc.asyncProperty(randomModel, options, async (random, chosen) => {
        const checked = build(random, chosen);
        const inputs = encodedInputs(checked, random);
        const expected = inputs.flatMap((input) => [...runInteger(checked, input)]);
        expect(await runOnnx(emitOnnx(checked), checked, inputs), random.kinds.join()).toEqual(expected);
      }),
      { numRuns: 80 },
    );
  });

  it("comes from a float model that agrees with onnxruntime on the source file", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomModel.filter(({ kinds }) => kinds.at(-1) !== "Softmax"),
        async (random) => {
          const bytes = draftOnnx(random.draft);
          const model = importOnnx(bytes);
          const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
          const [sample = []] = randomSamples(random, 1);
          const outputs = await session.run({ x: new Tensor("float32", Float32Array.from(sample), [1, ...random.inputShape]) });
          await session.release();
          const got = [...(outputs[model.output.name]?.data ?? [])].map(Number);
          const want = [...(traceFloat(model, sample).at(-1) ?? [])];
          expect(got.length).toBe(want.length);
          const scale = Math.max(1, ...want.map(Math.abs));
          got.forEach((item, at) => {
            expect(Math.abs(item - (want[at] ?? 0)) / scale, random.kinds.join()).toBeLessThan(1e-4);
          });
        },
      ),
      { numRuns: 80 },
    );
  });

  it("stays near its float model at eight bits", () => {
    fc.assert(
      fc.property(
        randomModel.filter(({ kinds }) => kinds.at(-1) !== "ArgMax"),
        (random) => {
          expect(farthest(random), random.kinds.join()).toBeLessThan(0.2);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("stays near it where one term of a sum is far finer than the other, and far from its zero", () => {
    const layers = [
      { kind: "dense", size: 1 },
      { kind: "relu", size: 1 },
      { kind: "residual", size: 1 },
      { kind: "residual", size: 1 },
    ] as const;
    expect(farthest(modelOf({ isImage: false, size: 3, layers, end: "Softmax", seed: 28 }))).toBeLessThan(0.02);
  });
});
