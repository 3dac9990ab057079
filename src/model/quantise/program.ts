/** Integer operations under construction: each value with its bounds and the real number that one step stands for. */
import { TrisealError } from "../../core/errors.ts";
import { boundsOf, inputBounds } from "../integer/bounds.ts";
import { roundHalfEven } from "../integer/encode-input.ts";
import type { IntegerInput, IntegerOp, ValueBounds } from "../integer/integer-model.ts";

/** An integer value that stands for `scale * (integer - zero)`. */
export interface Quantised {
  readonly value: number;
  readonly scale: number;
  readonly zero: number;
}

/** Integers that a value is to be squeezed into: unsigned, `real = scale * (u - zero)`, and their largest. */
export interface Target {
  readonly scale: number;
  readonly zero: number;
  readonly max: number;
}

/** Values wider than this are brought down before they are multiplied or compared: three pooled bytes fit. */
const WIDE = 4095;

/** The largest shift of a requantisation. */
const MAX_SHIFT = 30;

/** The integer program so far. */
export class Program {
  readonly ops: IntegerOp[] = [];
  private readonly values: ValueBounds[];

  constructor(input: IntegerInput) {
    this.values = [inputBounds(input)];
  }

  /** Adds an operation and returns the number of its value. @throws TrisealError `MODEL_UNSUPPORTED`: its sums could leave int32. */
  push(op: IntegerOp): number {
    try {
      this.values.push(boundsOf(op, this.ops.length, this.values));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "no bounds";
      throw new TrisealError("MODEL_UNSUPPORTED", `this model does not fit 32-bit integers at these bit widths: ${why}`, {
        cause,
      });
    }
    this.ops.push(op);
    return this.ops.length;
  }

  /** Bounds of `value`. */
  bounds(value: number): ValueBounds {
    const bounds = this.values[value];
    if (bounds === undefined) throw new TrisealError("INTERNAL", "no such value");
    return bounds;
  }

  /** Least and largest of all elements of `value`. */
  span(value: number): { readonly lo: number; readonly hi: number } {
    const { lo, hi } = this.bounds(value);
    return {
      lo: lo.reduce((least, item) => Math.min(least, item), Number.POSITIVE_INFINITY),
      hi: hi.reduce((most, item) => Math.max(most, item), Number.NEGATIVE_INFINITY),
    };
  }

  /** Whether `value` is to be brought down before it is multiplied or compared. */
  isWide(value: number): boolean {
    const { lo, hi } = this.span(value);
    return hi - lo > WIDE || lo < -WIDE || hi > WIDE;
  }

  /** Rounds `x` into unsigned integers near `target`: the scale becomes the next one that a shift reaches. */
  requant(x: Quantised, target: Target): Quantised {
    const exact = Math.log2(target.scale / x.scale);
    const near = Math.round(exact);
    const shift = Math.min(MAX_SHIFT, Math.max(0, Math.abs(exact - near) < 1e-6 ? near : Math.ceil(exact)));
    const scale = x.scale * 2 ** shift;
    const zero = roundHalfEven((target.zero * target.scale) / scale);
    const max = Math.min(target.max, Math.max(1, roundHalfEven((target.max * target.scale) / scale)));
    const half = shift === 0 ? 0 : 2 ** (shift - 1);
    const value = this.push({ op: "requant", x: x.value, offset: half + zero * 2 ** shift - x.zero, shift, max });
    return { value, scale, zero };
  }
}
