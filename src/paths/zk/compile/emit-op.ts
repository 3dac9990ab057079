/** The constraints of one operation of an integer model. What each operation means: src/model/SPEC.md section 4. */
import { concatenate } from "../../../model/integer/bounds.ts";
import type {
  ConvOp,
  IntegerOp,
  LinearOp,
  MaxPoolOp,
  RequantOp,
  SumPoolOp,
  Tree,
  TreesOp,
  ValueBounds,
} from "../../../model/integer/integer-model.ts";
import { gatherWindow, groupSize, planWindows } from "../../../model/integer/window.ts";
import { impliesLowestBit, planRequant } from "./element-plan.ts";
import { combine, type Gadgets, type Sum, wireSum, ZERO } from "./gadgets.ts";

/** A value: one sum per element, and the bounds of each. */
export interface EmittedValue {
  readonly sums: readonly Sum[];
  readonly bounds: ValueBounds;
}

/** `bias + sum weights[start + j] * x[j]`, where each x has at most a few terms. */
function dot(gadgets: Gadgets, weights: Int8Array, start: number, x: readonly Sum[], bias: number): Sum {
  const wires: number[] = bias === 0 ? [] : [gadgets.one];
  const coefficients: number[] = bias === 0 ? [] : [bias];
  x.forEach((sum, j) => {
    const weight = weights[start + j] ?? 0;
    if (weight === 0) return;
    sum.wires.forEach((wire, at) => {
      wires.push(wire);
      coefficients.push(weight * (sum.coefficients[at] ?? 0));
    });
  });
  return { wires, coefficients };
}

function linear(gadgets: Gadgets, op: LinearOp, x: EmittedValue): Sum[] {
  const n = x.sums.length;
  return Array.from({ length: op.rows }, (_, row) => dot(gadgets, op.weights, row * n, x.sums, op.bias[row] ?? 0));
}

/** Which element of x each tap of a window reads; -1 in the padding. */
function windowIndices(shape: readonly number[], op: ConvOp | SumPoolOp | MaxPoolOp) {
  const plan = planWindows(shape, op, op.op === "conv" ? op.dilation : [1, 1]);
  const indices = Int32Array.from({ length: plan.channels * plan.plane }, (_, at) => at);
  const gather = (position: number, first: number, channels: number): Int32Array => {
    const patch = new Int32Array(channels * plan.size);
    gatherWindow(plan, position, first, indices, -1, patch);
    return patch;
  };
  return { plan, gather };
}

function conv(gadgets: Gadgets, op: ConvOp, x: EmittedValue): Sum[] {
  const { plan, gather } = windowIndices(x.bounds.shape, op);
  const group = groupSize(op, plan);
  const fill = gadgets.constant(op.fill);
  return Array.from({ length: op.channels * plan.positions }, (_, index) => {
    const channel = Math.floor(index / plan.positions);
    const first = Math.floor(channel / group.outputs) * group.inputs;
    const patch = gather(index % plan.positions, first, group.inputs);
    const taps = Array.from(patch, (at) => (at < 0 ? fill : (x.sums[at] ?? ZERO)));
    return dot(gadgets, op.weights, channel * patch.length, taps, op.bias[channel] ?? 0);
  });
}

/** The elements that each window of a pool reads. */
function poolWindows(op: SumPoolOp | MaxPoolOp, x: EmittedValue): number[][] {
  const { plan, gather } = windowIndices(x.bounds.shape, op);
  return Array.from({ length: plan.channels * plan.positions }, (_, index) =>
    Array.from(gather(index % plan.positions, Math.floor(index / plan.positions), 1)).filter((at) => at >= 0),
  );
}

interface Bounded {
  readonly sum: Sum;
  readonly lo: number;
  readonly hi: number;
}

const boundedAt = ({ sums, bounds }: EmittedValue, at: number): Bounded => ({
  sum: sums[at] ?? ZERO,
  lo: bounds.lo[at] ?? 0,
  hi: bounds.hi[at] ?? 0,
});

/** 1 where `next` is larger than `best`. */
function isLarger(gadgets: Gadgets, next: Bounded, best: Bounded): Sum {
  const difference = combine([next.sum, 1], [best.sum, -1], [gadgets.constant(1), -1]);
  return gadgets.isNotNegative(difference, next.lo - best.hi - 1, next.hi - best.lo - 1);
}

function largerOf(gadgets: Gadgets, flag: Sum, next: Bounded, best: Bounded): Bounded {
  const [lo, hi] = [Math.max(next.lo, best.lo), Math.max(next.hi, best.hi)];
  return { sum: gadgets.choose(flag, next.sum, best.sum), lo, hi };
}

function maxPool(gadgets: Gadgets, op: MaxPoolOp, x: EmittedValue): Sum[] {
  return poolWindows(op, x).map((window) => {
    const [first, ...others] = window.map((at) => boundedAt(x, at));
    if (first === undefined) return ZERO;
    return others.reduce((best, next) => largerOf(gadgets, isLarger(gadgets, next, best), next, best), first).sum;
  });
}

function argMax(gadgets: Gadgets, x: EmittedValue): Sum[] {
  let best = boundedAt(x, 0);
  let index = ZERO;
  for (let at = 1; at < x.sums.length; at++) {
    const next = boundedAt(x, at);
    const flag = isLarger(gadgets, next, best);
    best = largerOf(gadgets, flag, next, best);
    index = gadgets.choose(flag, gadgets.constant(at), index);
  }
  return [index];
}

function tree(gadgets: Gadgets, tree: Tree, outputs: number, answer: (node: number) => Sum): Sum[] {
  const totals = Array.from({ length: outputs }, (): [Sum, number][] => []);
  const reached = new Map<number, Sum>([[tree.feature.length === 0 ? -1 : 0, wireSum(gadgets.one)]]);
  tree.feature.forEach((_, node) => {
    const here = reached.get(node) ?? ZERO;
    const yes = node === 0 ? answer(node) : gadgets.multiply(here, answer(node));
    reached.set(tree.yes[node] ?? 0, yes);
    reached.set(tree.no[node] ?? 0, combine([here, 1], [yes, -1]));
  });
  for (const [target, sum] of reached) {
    if (target < 0) totals.forEach((total, c) => total.push([sum, tree.leaves[(-1 - target) * outputs + c] ?? 0]));
  }
  return totals.map((total) => combine(...total));
}

function trees(gadgets: Gadgets, op: TreesOp, x: EmittedValue): Sum[] {
  const asked = new Map<string, Sum>();
  const answerOf = (feature: number, threshold: number): Sum => {
    const key = `${feature}:${threshold}`;
    const { sum, lo, hi } = boundedAt(x, feature);
    const left = combine([gadgets.constant(1), threshold], [sum, -1]);
    const answer = asked.get(key) ?? gadgets.isNotNegative(left, threshold - hi, threshold - lo);
    asked.set(key, answer);
    return answer;
  };
  const parts = op.trees.map((one) =>
    tree(gadgets, one, op.base.length, (node) => answerOf(one.feature[node] ?? 0, one.threshold[node] ?? 0)),
  );
  return op.base.map((base, c) => combine([gadgets.constant(base), 1], ...parts.map((part) => [part[c] ?? ZERO, 1] as const)));
}

function requant(gadgets: Gadgets, op: RequantOp, x: EmittedValue, isShort: boolean): Sum[] {
  const { lo, hi } = x.bounds;
  return x.sums.map((sum, at) => gadgets.requantise(sum, planRequant(lo[at] ?? 0, hi[at] ?? 0, op), op, isShort));
}

function concat(axis: number, operands: readonly EmittedValue[]): Sum[] {
  const all = operands.flatMap(({ sums }) => sums);
  let next = 0;
  const numbered = operands.map(({ sums }) => sums.map(() => next++));
  const order = concatenate(
    numbered,
    operands.map(({ bounds }) => bounds.shape),
    axis,
  );
  return order.map((at) => all[at] ?? ZERO);
}

/** Emits `op`, one of `ops`, and returns its elements. */
export function emitOp(
  gadgets: Gadgets,
  ops: readonly IntegerOp[],
  op: IntegerOp,
  operands: readonly EmittedValue[],
): readonly Sum[] {
  const [x] = operands;
  if (x === undefined) return [];
  switch (op.op) {
    case "linear":
      return linear(gadgets, op, x);
    case "conv":
      return conv(gadgets, op, x);
    case "add":
      return x.sums.map((_, at) =>
        combine(...operands.map(({ sums }, k) => [sums[at] ?? ZERO, op.multipliers[k] ?? 0] as const)),
      );
    case "requant":
      return requant(gadgets, op, x, impliesLowestBit(ops, op));
    case "sum-pool":
      return poolWindows(op, x).map((window) => combine(...window.map((at) => [x.sums[at] ?? ZERO, 1] as const)));
    case "max-pool":
      return maxPool(gadgets, op, x);
    case "concat":
      return concat(op.axis, operands);
    case "reshape":
      return x.sums;
    case "arg-max":
      return argMax(gadgets, x);
    case "trees":
      return trees(gadgets, op, x);
  }
}
