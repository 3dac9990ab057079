/** Real inputs as integers. SPEC section 3. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { AffineEncoding, IntegerInput } from "./integer-model.ts";

/** `value` rounded to the nearest integer, halves to the even one. Exact below 2^52. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  if (part !== 0.5) return part < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function affine(encoding: AffineEncoding, x: number): number {
  // Both factors are FP32: the product has at most 48 significant bits and is exact.
  return roundHalfEven(x * encoding.multiplier) + encoding.zero;
}

/** How many of the ascending `edges` are below `x`. */
function rank(edges: readonly number[], x: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * One sample as value 0. Each number is first rounded to FP32, as a tensor of that type holds it.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` for another number of elements, NaN, an infinity, or a number that the encoding
 *   cannot hold: nothing is clamped. The message names the element, not its content.
 */
export function encodeInput(input: IntegerInput, sample: ArrayLike<number>): Int32Array {
  const count = elementCount(input.shape);
  if (sample.length !== count) refuse(`the model takes ${count} values, got ${sample.length}`);
  const { encoding } = input;
  return Int32Array.from({ length: count }, (_, j) => {
    const x = Math.fround(sample[j] ?? Number.NaN);
    if (!Number.isFinite(x)) refuse(`value ${j} is not finite`);
    const q = encoding.kind === "affine" ? affine(encoding, x) : rank(encoding.edges[j] ?? [], x);
    if (encoding.kind === "affine" && !(q >= 0 && q <= encoding.max)) refuse(`value ${j} is outside the range of the model`);
    return q;
  });
}

function refuse(reason: string): never {
  throw new TrisealError("INPUT_OUT_OF_RANGE", reason);
}
