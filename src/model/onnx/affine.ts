/** Products and sums with constants: matrices, and scale and shift per channel, folded into the layer before where there is one. */
import { elementCount } from "../../core/tensor.ts";
import type { FloatConv, FloatLinear } from "../float/float-model.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { NodeProto } from "./messages.ts";
import { Attributes, type Constant, unsupported } from "./tensor.ts";

/** `W` of shape [n, m] (or [m, n] if `transposed`) as rows of m outputs, times `factor`. */
function rowsOf(
  node: NodeProto,
  w: Constant,
  transposed: boolean,
  n: number,
  factor = 1,
): { rows: number; weights: Float64Array } {
  const [a = 0, b = 0] = w.shape;
  const rows = transposed ? a : b;
  if (w.shape.length !== 2 || (transposed ? b : a) !== n) unsupported(node, `the matrix does not fit ${n} values`);
  const weights = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < n; j++) weights[i * n + j] = (w.data[transposed ? i * n + j : j * rows + i] ?? 0) * factor;
  }
  return { rows, weights };
}

/** A constant that is read as one number per channel: a scalar, or exactly one axis that is not 1. */
function perChannel(node: NodeProto, constant: Constant, channels: number, rank: number): Float64Array {
  const { shape, data } = constant;
  if (shape.length > rank + 1) unsupported(node, "the constant has more axes than the value");
  if (data.length === 1) return new Float64Array(channels).fill(data[0] ?? 0);
  // Aligned at the last axis: channels stand on the first axis of a sample of `rank` axes.
  const fits = data.length === channels && shape.length >= rank && shape[shape.length - rank] === channels;
  return fits ? data : unsupported(node, "the constant is neither one number nor one number per channel");
}

/** A vector of samples: the matrix forms take no other. */
function flat(builder: GraphBuilder, node: NodeProto, value: number): number {
  const shape = builder.shape(value);
  if (shape.length !== 1)
    unsupported(node, `takes rows of numbers, got [${shape.join(",")}] per sample: put a Flatten before it`);
  return shape[0] ?? 0;
}

/** `alpha * x * B + beta * C`. */
export function readGemm(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const alpha = attributes.float("alpha", 1);
  const beta = attributes.float("beta", 1);
  if (attributes.int("transA", 0) !== 0) unsupported(node, "transA = 1 is not supported");
  const transposed = attributes.int("transB", 0) !== 0;
  attributes.end();
  const x = builder.value(node, 0);
  const { rows, weights } = rowsOf(node, builder.constant(node, 1), transposed, flat(builder, node, x), alpha);
  const c = builder.optionalConstant(node, 2);
  const bias = c === null ? new Float64Array(rows) : perChannel(node, c, rows, 1).map((item) => item * beta);
  builder.result(node, builder.push(node, { op: "linear", x, rows, weights, bias }));
}

/** `x * W`. */
export function readMatMul(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  const x = builder.value(node, 0);
  const { rows, weights } = rowsOf(node, builder.constant(node, 1), false, flat(builder, node, x));
  builder.result(node, builder.push(node, { op: "linear", x, rows, weights, bias: new Float64Array(rows) }));
}

/** The layer that made `value`, scaled and shifted per output channel, as a layer of its own. */
function folded(layer: FloatLinear | FloatConv, scale: Float64Array, shift: Float64Array): FloatLinear | FloatConv {
  const each = layer.weights.length / scale.length;
  return {
    ...layer,
    weights: layer.weights.map((weight, at) => weight * (scale[Math.floor(at / each)] ?? 1)),
    bias: layer.bias.map((bias, at) => bias * (scale[at] ?? 1) + (shift[at] ?? 0)),
  };
}

const POINT = { kernel: [1, 1], stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1] } as const;

/** `scale * x + shift` per channel: folded into the layer before, or a layer with one weight per channel. Returns its value. */
export function pushAffine(builder: GraphBuilder, node: NodeProto, x: number, scale: Float64Array, shift: Float64Array): number {
  const layer = builder.producer(x);
  if (layer?.op === "linear" || layer?.op === "conv") return builder.push(node, folded(layer, scale, shift));
  const shape = builder.shape(x);
  const channels = shape[0] ?? 0;
  const image =
    shape.length === 3 ? x : builder.push(node, { op: "reshape", x, shape: [channels, 1, elementCount(shape) / channels] });
  const y = builder.push(node, { op: "conv", x: image, channels, groups: channels, ...POINT, weights: scale, bias: shift });
  return shape.length === 3 ? y : builder.push(node, { op: "reshape", x: y, shape });
}

/** Batch normalisation with the stored mean and variance. */
export function readBatchNormalization(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const epsilon = attributes.float("epsilon", 1e-5);
  if (attributes.int("training_mode", 0) !== 0) unsupported(node, "training_mode = 1: export the model for inference");
  attributes.ignore("momentum", "spatial");
  attributes.end();
  const x = builder.value(node, 0);
  const channels = builder.shape(x)[0] ?? 0;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((index) => {
    const { data } = builder.constant(node, index);
    return data.length === channels ? data : unsupported(node, `input ${index} needs ${channels} numbers`);
  });
  const scale = Float64Array.from({ length: channels }, (_, c) => (gamma?.[c] ?? 0) / Math.sqrt((variance?.[c] ?? 0) + epsilon));
  if (!scale.every(Number.isFinite)) unsupported(node, "a variance is negative");
  const shift = scale.map((factor, c) => (beta?.[c] ?? 0) - (mean?.[c] ?? 0) * factor);
  builder.result(node, pushAffine(builder, node, x, scale, shift));
}

/** Sum of two values, or a value and a constant. */
export function readAdd(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  if (builder.isConstant(node, 0) || builder.isConstant(node, 1)) {
    readWithConstant(builder, node, (constant) => ({ scale: constant.map(() => 1), shift: constant }));
    return;
  }
  const x = [builder.value(node, 0), builder.value(node, 1)];
  builder.result(node, builder.push(node, { op: "add", x, multipliers: [1, 1] }));
}

type Affine = (constant: Float64Array, isFirst: boolean) => { readonly scale: Float64Array; readonly shift: Float64Array };

function readWithConstant(builder: GraphBuilder, node: NodeProto, affine: Affine): void {
  const isFirst = builder.isConstant(node, 0);
  const x = builder.value(node, isFirst ? 1 : 0);
  const shape = builder.shape(x);
  const constant = perChannel(node, builder.constant(node, isFirst ? 0 : 1), shape[0] ?? 0, shape.length);
  const { scale, shift } = affine(constant, isFirst);
  if (!scale.every(Number.isFinite)) unsupported(node, "divides by zero");
  builder.result(node, pushAffine(builder, node, x, scale, shift));
}

/** A value less a constant, or a constant less a value. */
export function readSub(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  readWithConstant(builder, node, (constant, isFirst) => ({
    scale: constant.map(() => (isFirst ? -1 : 1)),
    shift: constant.map((item) => (isFirst ? item : -item)),
  }));
}

/** A value times a constant. */
export function readMul(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  readWithConstant(builder, node, (constant) => ({ scale: constant, shift: constant.map(() => 0) }));
}

/** A value divided by a constant. */
export function readDiv(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  if (builder.isConstant(node, 0)) unsupported(node, "divides by a value: only constants may divide");
  readWithConstant(builder, node, (constant) => ({ scale: constant.map((item) => 1 / item), shift: constant.map(() => 0) }));
}
