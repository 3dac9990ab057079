/**
 * Constraints for integers of known bounds. Every comparison is a decomposition into a fixed number of bits, far fewer than the
 * field has, so that each integer has exactly one. Constants stand on a private wire that is one: see circuit.ts.
 */
import type { ConstraintBuilder } from "../wire/constraint-system.ts";
import { type ClipPlan, planSign, type RequantForm, type RequantPlan } from "./element-plan.ts";

/** A sum of wires with integer coefficients. A wire may stand in it more than once. */
export interface Sum {
  readonly wires: readonly number[];
  readonly coefficients: readonly number[];
}

/** The sum without terms: zero. */
export const ZERO: Sum = { wires: [], coefficients: [] };

/** One wire. */
export function wireSum(wire: number, coefficient = 1): Sum {
  return { wires: [wire], coefficients: [coefficient] };
}

/** The sum of multiples of sums. */
export function combine(...parts: readonly (readonly [Sum, number])[]): Sum {
  const total = new Map<number, number>();
  for (const [sum, factor] of parts) {
    sum.wires.forEach((wire, at) => {
      total.set(wire, (total.get(wire) ?? 0) + factor * (sum.coefficients[at] ?? 0));
    });
  }
  const kept = [...total].filter(([, coefficient]) => coefficient !== 0);
  return { wires: kept.map(([wire]) => wire), coefficients: kept.map(([, coefficient]) => coefficient) };
}

type Side = "a" | "b" | "c";

/** Emits constraints on sums. */
export class Gadgets {
  readonly builder: ConstraintBuilder;
  /** The private wire that is one. */
  readonly one: number;

  constructor(builder: ConstraintBuilder, one: number) {
    this.builder = builder;
    this.one = one;
  }

  /** A constant. */
  constant(value: number): Sum {
    return value === 0 ? ZERO : wireSum(this.one, value);
  }

  /** The row `a * b = c`. */
  product(a: Sum, b: Sum, c: Sum): void {
    this.terms("a", a);
    this.terms("b", b);
    this.terms("c", c);
    this.builder.endRow();
  }

  /** A new wire that equals `a * b`. */
  multiply(a: Sum, b: Sum): Sum {
    const result = wireSum(this.builder.addWire());
    this.product(a, b, result);
    return result;
  }

  /** A new wire that equals `sum`. */
  wireOf(sum: Sum): Sum {
    return this.multiply(sum, wireSum(this.one));
  }

  /** `count` new wires, each 0 or 1, that spell `sum` in binary, lowest first: proves that it is from 0 to 2^count - 1. */
  bits(sum: Sum, count: number): readonly Sum[] {
    const bits = this.freeBits(count);
    this.product(this.binary(bits), wireSum(this.one), sum);
    return bits;
  }

  /** `count` new wires, each 0 or 1. */
  freeBits(count: number): readonly Sum[] {
    return Array.from({ length: count }, () => {
      const bit = wireSum(this.builder.addWire());
      this.product(bit, combine([bit, 1], [wireSum(this.one), -1]), ZERO);
      return bit;
    });
  }

  /**
   * Proves that `sum` is from 0 to 2^bits - 1. Its top bit has no wire of its own: what the others leave of it must be 0 or the top
   * bit's value.
   */
  boundByBits(sum: Sum, bits: number): void {
    const parts: [Sum, number][] = [[sum, 1]];
    for (let at = 0; at < bits - 1; at++) {
      const bit = wireSum(this.builder.addWire());
      this.product(bit, combine([bit, 1], [wireSum(this.one), -1]), ZERO);
      parts.push([bit, -(2 ** at)]);
    }
    const top = combine(...parts);
    this.product(top, combine([top, 1], [wireSum(this.one), -(2 ** (bits - 1))]), ZERO);
  }

  /** The number that `bits` spell. */
  binary(bits: readonly Sum[]): Sum {
    return combine(...bits.map((bit, at) => [bit, 2 ** at] as const));
  }

  /** 1 where `sum` is 0 or more, else 0, of a sum from `lo` to `hi`. */
  isNotNegative(sum: Sum, lo: number, hi: number): Sum {
    const plan = planSign(lo, hi);
    if (plan.kind === "known") return this.constant(plan.value ? 1 : 0);
    return this.bits(combine([sum, 1], [this.constant(1), 2 ** plan.bits]), plan.bits + 1)[plan.bits] ?? ZERO;
  }

  /** `whenSet` where the bit `flag` is 1, else `otherwise`; a new wire. */
  choose(flag: Sum, whenSet: Sum, otherwise: Sum): Sum {
    const chosen = wireSum(this.builder.addWire());
    this.product(flag, combine([whenSet, 1], [otherwise, -1]), combine([chosen, 1], [otherwise, -1]));
    return chosen;
  }

  /**
   * As `bits`, but the lowest has no wire of its own: what the others leave of `sum` must be 0 or 1. A row and a wire fewer, and
   * the sum's terms stand in two factors.
   */
  bitsOfShort(sum: Sum, count: number): readonly Sum[] {
    const higher = this.freeBits(count - 1);
    const lowest = combine([sum, 1], ...higher.map((bit, at) => [bit, -(2 ** (at + 1))] as const));
    this.product(lowest, combine([lowest, 1], [wireSum(this.one), -1]), ZERO);
    return [lowest, ...higher];
  }

  /**
   * `clamp(floor((x + offset) / 2^shift), 0, max)`, as its plan says.
   * @param isShort whether x has few terms, so that its lowest bit, which is shifted out, needs no wire.
   */
  requantise(x: Sum, plan: RequantPlan, op: RequantForm, isShort: boolean): Sum {
    if (plan.kind === "constant") return this.constant(plan.value);
    const { magnitude, signed, clip } = plan;
    const shifted = combine([x, 1], [this.constant(1), op.offset + (signed ? 2 ** magnitude : 0)]);
    const count = magnitude + (signed ? 1 : 0);
    const bits = isShort ? this.bitsOfShort(shifted, count) : this.bits(shifted, count);
    const clipped = this.clip(bits.slice(op.shift, magnitude), clip, op.max);
    return signed ? this.multiply(bits[magnitude] ?? ZERO, clipped) : this.wireOf(clipped);
  }

  /** `min(q, max)` of a q that `bits` spell, lowest first, as its plan says; a sum, not a wire. */
  clip(bits: readonly Sum[], plan: ClipPlan, max: number): Sum {
    const whole = this.binary(bits);
    if (plan.kind === "none") return whole;
    if (plan.kind === "compare") {
      const shifted = combine([whole, 1], [this.constant(1), 2 ** plan.bits - max]);
      const above = this.bits(shifted, plan.bits + 1)[plan.bits] ?? ZERO;
      return combine([whole, 1], [this.multiply(above, combine([this.constant(max), 1], [whole, -1])), 1]);
    }
    const low = this.binary(bits.slice(0, plan.low));
    const above = this.anyOf(bits.slice(plan.low));
    return combine([low, 1], [this.multiply(above, combine([this.constant(max), 1], [low, -1])), 1]);
  }

  /** 1 where any of the bits is 1. No inverse is asked for: every wire has one value. */
  private anyOf(bits: readonly Sum[]): Sum {
    const [first = ZERO, ...others] = bits;
    // a or b = a + b - a * b
    return others.reduce((any, bit) => {
      const either = wireSum(this.builder.addWire());
      this.product(any, bit, combine([any, 1], [bit, 1], [either, -1]));
      return either;
    }, first);
  }

  private terms(side: Side, { wires, coefficients }: Sum): void {
    for (let at = 0; at < wires.length; at++) this.builder[side](wires[at] ?? 0, coefficients[at] ?? 0);
  }
}
