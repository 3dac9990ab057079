/**
 * How one element is proven, as it follows from its bounds alone. The emitter and the witness generator both read these plans,
 * so that they make the same wires in the same order.
 */

import type { IntegerOp, RequantOp } from "../../../model/integer/integer-model.ts";

/** Bits of a non-negative integer below 2^53; 0 for 0. Exact, unlike a logarithm. */
export function bitLength(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(value);
}

/** Least `m` for which every integer from `lo` to `hi` is from -2^m to 2^m - 1. */
export function signedBits(lo: number, hi: number): number {
  return Math.max(bitLength(hi), lo < 0 ? bitLength(-lo - 1) : 0);
}

/** How a value above `max` is recognised: by its high bits where `max` is 2^k - 1, else by comparison. */
export type ClipPlan =
  | { readonly kind: "none" }
  | { readonly kind: "high-bits" /** Bits of the part that `max` holds. */; readonly low: number; readonly high: number }
  /** `q - max + 2^bits` is decomposed into `bits + 1` bits; the top one says that q is at least `max`. */
  | { readonly kind: "compare"; readonly bits: number };

/** What a requantisation is asked for. */
export interface RequantForm {
  readonly offset: number;
  readonly shift: number;
  readonly max: number;
}

/** Most weights of an element whose sum may stand in two factors of a row: what a row costs a prover is far more. */
const SHORT = 32;

/** Whether a requantisation's lowest bit is implied: it is shifted out, and the sums that it is of have few terms. */
export function impliesLowestBit(ops: readonly IntegerOp[], { x, shift }: RequantOp): boolean {
  const source = ops[x - 1];
  if (shift === 0 || source === undefined || (source.op !== "linear" && source.op !== "conv")) return false;
  return source.weights.length / source.bias.length <= SHORT;
}

/** Requantisation of one element. */
export type RequantPlan =
  /** The bounds alone give the result: it is `value` whatever the input. */
  | { readonly kind: "constant"; readonly value: number }
  | {
      readonly kind: "bits";
      /** `x + offset`, plus 2^magnitude where `signed`, is decomposed into this many bits and that of the sign. */
      readonly magnitude: number;
      readonly signed: boolean;
      readonly clip: ClipPlan;
    };

/** The plan for `clamp(floor((x + offset) / 2^shift), 0, max)` of an x from `lo` to `hi`. */
export function planRequant(lo: number, hi: number, { offset, shift, max }: RequantForm): RequantPlan {
  const [least, most] = [Math.floor((lo + offset) / 2 ** shift), Math.floor((hi + offset) / 2 ** shift)];
  if (most <= 0) return { kind: "constant", value: 0 };
  if (least >= max) return { kind: "constant", value: max };
  const magnitude = Math.max(shift, signedBits(lo + offset, hi + offset));
  return { kind: "bits", magnitude, signed: lo + offset < 0, clip: planClip(magnitude - shift, most, max) };
}

/** Clipping of a `q` of `bits` bits that is at most `most`. */
export function planClip(bits: number, most: number, max: number): ClipPlan {
  if (most <= max) return { kind: "none" };
  const low = bitLength(max);
  if (max === 2 ** low - 1) return { kind: "high-bits", low, high: bits - low };
  return { kind: "compare", bits: signedBits(-max, 2 ** bits - 1 - max) };
}

/** Whether `x >= 0` for an x from `lo` to `hi`: known, or the top bit of `x + 2^bits`. */
export type SignPlan = { readonly kind: "known"; readonly value: boolean } | { readonly kind: "bits"; readonly bits: number };

/** The plan for the sign of an x from `lo` to `hi`. */
export function planSign(lo: number, hi: number): SignPlan {
  if (lo >= 0 || hi < 0) return { kind: "known", value: lo >= 0 };
  return { kind: "bits", bits: signedBits(lo, hi) };
}

/** Whether an operation multiplies its operand's elements, so that sums in them are given a wire of their own first. */
export function needsWires(op: string): boolean {
  return op === "linear" || op === "conv" || op === "max-pool" || op === "arg-max" || op === "trees";
}

/** Whether an operation's value has elements of at most a few terms. */
export function makesWires(op: string, operandsAre: boolean): boolean {
  if (op === "reshape" || op === "concat") return operandsAre;
  return op === "requant" || op === "max-pool" || op === "arg-max";
}
