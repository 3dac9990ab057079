/** The integer model: a straight-line program over integers that every executor runs alike. Normative text: src/model/SPEC.md. */
import type { Sha256Digest } from "../../core/digest.ts";

/** Shape of one sample: no batch axis. Row-major. */
export type Shape = readonly number[];

/** Real inputs on an even grid: `q = roundHalfEven(x * multiplier) + zero`, refused outside 0 to `max`. SPEC section 3.1. */
export interface AffineEncoding {
  readonly kind: "affine";
  /** A positive FP32 number, so that the product with an FP32 input is exact in double precision. */
  readonly multiplier: number;
  readonly zero: number;
  readonly max: number;
}

/** Real inputs by rank among the thresholds of a tree ensemble: `q[j]` is how many of `edges[j]` are below `x[j]`. SPEC section 3.2. */
export interface BinEncoding {
  readonly kind: "bins";
  /** Per input element, strictly ascending FP32 numbers. */
  readonly edges: readonly (readonly number[])[];
}

/** How a real input becomes value 0. */
export interface IntegerInput {
  readonly name: string;
  readonly shape: Shape;
  readonly encoding: AffineEncoding | BinEncoding;
}

/** What the last value means. `real = scale * integer + offset` approximates the source model's number; exact for `class`. */
export interface IntegerOutput {
  readonly name: string;
  /** `logits`: before the source model's sigmoid or softmax; `scores`: its own output; `class`: index of the largest. */
  readonly meaning: "logits" | "scores" | "class";
  readonly scale: number;
  readonly offset: number;
}

/** Sliding window over `[channels, height, width]`. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pad: readonly [number, number, number, number];
}

/** `y[i] = bias[i] + sum over j of weights[i * n + j] * x[j]`; x is read flat. Shape `[rows]`. */
export interface LinearOp {
  readonly op: "linear";
  readonly x: number;
  readonly rows: number;
  readonly bits: number;
  readonly weights: Int8Array;
  readonly bias: readonly number[];
}

/** Convolution (ONNX `Conv`, so cross-correlation) of `[C, H, W]`; padding reads `fill`. Weights `[channels, C / groups, kh, kw]`. */
export interface ConvOp extends Window {
  readonly op: "conv";
  readonly x: number;
  readonly channels: number;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly fill: number;
  readonly bits: number;
  readonly weights: Int8Array;
  readonly bias: readonly number[];
}

/** `y = sum over k of multipliers[k] * x[k]`, element by element. */
export interface AddOp {
  readonly op: "add";
  readonly x: readonly number[];
  readonly multipliers: readonly number[];
}

/** `y = clamp(floor((x + offset) / 2^shift), 0, max)`: rounding, ReLU, clipping and requantisation in one. */
export interface RequantOp {
  readonly op: "requant";
  readonly x: number;
  readonly offset: number;
  readonly shift: number;
  readonly max: number;
}

/** Sum over each window, padding counts 0. */
export interface SumPoolOp extends Window {
  readonly op: "sum-pool";
  readonly x: number;
}

/** Largest in each window, padding is not read. */
export interface MaxPoolOp extends Window {
  readonly op: "max-pool";
  readonly x: number;
}

/** Concatenation along `axis`. */
export interface ConcatOp {
  readonly op: "concat";
  readonly x: readonly number[];
  readonly axis: number;
}

/** The same elements in another shape. */
export interface ReshapeOp {
  readonly op: "reshape";
  readonly x: number;
  readonly shape: Shape;
}

/** Index of the largest element, the first of equals. Shape `[1]`. */
export interface ArgMaxOp {
  readonly op: "arg-max";
  readonly x: number;
}

/**
 * A decision tree. Node `i` asks whether `x[feature[i]] <= threshold[i]` and goes on to `yes[i]` or `no[i]`: a node of a
 * higher index, or leaf `-1 - k`. The root is node 0; a tree without nodes is leaf 0.
 */
export interface Tree {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly yes: readonly number[];
  readonly no: readonly number[];
  /** Leaf `k` adds `leaves[k * outputs + c]` to output `c`. */
  readonly leaves: readonly number[];
}

/** `y[c] = base[c] + sum over trees of the reached leaf's value for c`. Shape `[base.length]`. */
export interface TreesOp {
  readonly op: "trees";
  readonly x: number;
  readonly base: readonly number[];
  readonly trees: readonly Tree[];
}

/** One operation. Operation `i` makes value `i + 1` from values of lower numbers; value 0 is the encoded input. */
export type IntegerOp = LinearOp | ConvOp | AddOp | RequantOp | SumPoolOp | MaxPoolOp | ConcatOp | ReshapeOp | ArgMaxOp | TreesOp;

/** An integer model. The last operation's value is the output. */
export interface IntegerModel {
  readonly v: 1;
  readonly input: IntegerInput;
  readonly ops: readonly IntegerOp[];
  readonly output: IntegerOutput;
}

/** An integer model with what follows from it. */
export interface CheckedModel {
  readonly model: IntegerModel;
  /** SHA-256 of the canonical bytes: the `modelDigest` of an integer run. */
  readonly digest: Sha256Digest;
  /** Bounds and shape of every value, value 0 first. */
  readonly values: readonly ValueBounds[];
}

/** What is proven of a value, for every input that the encoding can make. */
export interface ValueBounds {
  readonly shape: Shape;
  /** Least and largest of each element. Integers. */
  readonly lo: Float64Array;
  readonly hi: Float64Array;
  /** No partial sum, in any order of summation, is larger in magnitude, whatever the element. At most `MAX_MAGNITUDE`. */
  readonly magnitude: number;
}

/** Largest magnitude of any intermediate number: int32. */
export const MAX_MAGNITUDE = 2 ** 31 - 1;

/** Values that `op` reads, in its order. */
export function operandsOf(op: { readonly x: number | readonly number[] }): readonly number[] {
  return typeof op.x === "number" ? [op.x] : op.x;
}
