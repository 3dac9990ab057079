/** Looks ahead in a float model: into which integers a layer's sums will be squeezed, so that its weights can be scaled to fit. */
import type { FloatClip, FloatModel, FloatOp } from "../float/float-model.ts";
import { operandsOf } from "../integer/integer-model.ts";
import type { Calibration, Range } from "./calibrate.ts";
import type { Target } from "./program.ts";

const UNIT: Range = { lo: 0, hi: 1 };

/** What reads each value. */
export type Readers = readonly (readonly number[])[];

/** For every value, the numbers of the operations that read it. */
export function readersOf(model: FloatModel): Readers {
  const readers = model.shapes.map((): number[] => []);
  model.ops.forEach((op, at) => {
    for (const value of operandsOf(op)) readers[value]?.push(at);
  });
  return readers;
}

/** Unsigned integers of `bits` over `range`, which is widened to hold 0. */
export function targetOver(range: Range, bits: number): Target {
  const [lo, hi] = [Math.min(0, range.lo), Math.max(0, range.hi)];
  const max = 2 ** bits - 1;
  // A value that is always 0 needs no range, only one that is not empty.
  const scale = (hi - lo || 1) / max;
  return { scale, zero: Math.round(-lo / scale), max };
}

/** Unsigned integers for the result of a clip: where it cuts, the integers end. */
export function targetOfClip(clip: FloatClip, range: Range, bits: number): Target {
  const cut = { lo: Math.max(clip.min, range.lo), hi: Math.min(clip.max, range.hi) };
  return targetOver(clip.min >= 0 ? { lo: 0, hi: cut.hi } : cut, bits);
}

/** What a layer's sums become, and by how much pooling divides them before. */
export interface Ahead {
  readonly target: Target;
  readonly divisor: number;
  /** The clip that ends the chain, or null. */
  readonly clip: number | null;
}

/** The only operation that reads `value`, with its number, or null. */
function onlyReader(model: FloatModel, readers: Readers, value: number): { readonly op: FloatOp; readonly at: number } | null {
  const [at, ...others] = readers[value] ?? [];
  const op = at === undefined ? undefined : model.ops[at];
  return at === undefined || op === undefined || others.length > 0 ? null : { op, at };
}

/** Follows the only reader of value `from` through pools and reshapes. Null where the sums are read as they are, or by several. */
export function lookAhead(
  model: FloatModel,
  readers: Readers,
  calibration: Calibration,
  from: number,
  bits: number,
): Ahead | null {
  let [value, divisor] = [from, 1];
  for (;;) {
    const reader = onlyReader(model, readers, value);
    if (reader === null) return null;
    const { op, at } = reader;
    switch (op.op) {
      case "clip":
        return { target: targetOfClip(op, calibration.ranges[at + 1] ?? UNIT, bits), divisor, clip: at };
      case "linear":
      case "conv":
        return { target: targetOver(calibration.ranges[value] ?? UNIT, bits), divisor, clip: null };
      case "average-pool":
        divisor *= op.kernel[0] * op.kernel[1];
        break;
      case "max-pool":
      case "reshape":
        break;
      default:
        return null;
    }
    value = at + 1;
  }
}
