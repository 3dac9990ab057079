/** Parts of witnesses that circuits of both modes have. */
import type { ValueBounds } from "../../../model/integer/integer-model.ts";
import { bitLength, type ClipPlan, planSign } from "./element-plan.ts";
import type { WireWriter } from "./wire-writer.ts";

/** A number from 0 to `hi`, as `CircuitFrame.bounded` makes it. */
export function writeBounded(wires: WireWriter, value: number, hi: number): void {
  if (hi === 0) return;
  const bits = bitLength(hi);
  wires.small(value);
  wires.bits(value, bits - 1);
  if (hi !== 2 ** bits - 1) wires.bits(hi - value, bits - 1);
}

/** Writes what `Gadgets.clip` makes of `q`. Returns `min(q, max)`. */
export function writeClip(wires: WireWriter, q: number, plan: ClipPlan, max: number): number {
  if (plan.kind === "none") return q;
  if (plan.kind === "compare") {
    wires.bits(q - max + 2 ** plan.bits, plan.bits + 1);
    const product = q >= max ? max - q : 0;
    wires.small(product);
    return q + product;
  }
  const low = q % 2 ** plan.low;
  const high = Math.floor(q / 2 ** plan.low);
  let any = high & 1;
  for (let at = 1; at < plan.high; at++) {
    any |= (high >>> at) & 1;
    wires.small(any);
  }
  const product = any === 1 ? max - low : 0;
  wires.small(product);
  return low + product;
}

/** Writes the bits that say whether `x`, from `lo` to `hi`, is 0 or more. */
export function writeSign(wires: WireWriter, x: number, lo: number, hi: number): void {
  const plan = planSign(lo, hi);
  if (plan.kind === "bits") wires.bits(x + 2 ** plan.bits, plan.bits + 1);
}

/** A number with its bounds. */
export interface Bounded {
  readonly value: number;
  readonly lo: number;
  readonly hi: number;
}

/** Writes the comparison of two numbers and the larger one, which it returns. */
export function writeLarger(wires: WireWriter, next: Bounded, best: Bounded): Bounded {
  writeSign(wires, next.value - best.value - 1, next.lo - best.hi - 1, next.hi - best.lo - 1);
  const larger = Math.max(next.value, best.value);
  wires.small(larger);
  return { value: larger, lo: Math.max(next.lo, best.lo), hi: Math.max(next.hi, best.hi) };
}

/** An element of a value. */
export function boundedAt(x: Int32Array, { lo, hi }: ValueBounds, at: number): Bounded {
  return { value: x[at] ?? 0, lo: lo[at] ?? 0, hi: hi[at] ?? 0 };
}

/** Writes an `arg-max`. */
export function writeArgMax(wires: WireWriter, x: Int32Array, bounds: ValueBounds): void {
  let best = boundedAt(x, bounds, 0);
  let index = 0;
  for (let at = 1; at < x.length; at++) {
    const next = boundedAt(x, bounds, at);
    if (next.value > best.value) index = at;
    best = writeLarger(wires, next, best);
    wires.small(index);
  }
}
