/** The reference executor: what the specification says, in int32 arithmetic that the bounds have shown to be enough. */
import { TrisealError } from "../../core/errors.ts";
import { concatenate } from "./bounds.ts";
import {
  type AddOp,
  type CheckedModel,
  type ConvOp,
  type IntegerOp,
  type LinearOp,
  operandsOf,
  type RequantOp,
  type Shape,
  type Tree,
  type TreesOp,
  type Window,
} from "./integer-model.ts";
import { gatherWindow, groupSize, planWindows } from "./window.ts";

function linear(op: LinearOp, x: Int32Array): Int32Array {
  const n = x.length;
  const y = new Int32Array(op.rows);
  for (let row = 0, at = 0; row < op.rows; row++) {
    let sum = op.bias[row] ?? 0;
    for (let j = 0; j < n; j++, at++) sum += (op.weights[at] as number) * (x[j] as number);
    y[row] = sum;
  }
  return y;
}

function dot(weights: Int8Array, start: number, patch: Int32Array, bias: number): number {
  let sum = bias;
  for (let at = 0; at < patch.length; at++) sum += (weights[start + at] as number) * (patch[at] as number);
  return sum;
}

function conv(op: ConvOp, x: Int32Array, shape: Shape): Int32Array {
  const plan = planWindows(shape, op, op.dilation);
  const group = groupSize(op, plan);
  const patch = new Int32Array(group.inputs * plan.size);
  const y = new Int32Array(op.channels * plan.positions);
  for (let g = 0; g < op.groups; g++) {
    for (let p = 0; p < plan.positions; p++) {
      gatherWindow(plan, p, g * group.inputs, x, op.fill, patch);
      for (let channel = g * group.outputs; channel < (g + 1) * group.outputs; channel++) {
        y[channel * plan.positions + p] = dot(op.weights, channel * patch.length, patch, op.bias[channel] ?? 0);
      }
    }
  }
  return y;
}

function pool(op: Window, x: Int32Array, shape: Shape, reduce: (patch: Int32Array) => number, fill: number): Int32Array {
  const plan = planWindows(shape, op);
  const patch = new Int32Array(plan.size);
  return new Int32Array(plan.channels * plan.positions).map((_, at) => {
    gatherWindow(plan, at % plan.positions, Math.floor(at / plan.positions), x, fill, patch);
    return reduce(patch);
  });
}

const sum = (patch: Int32Array): number => patch.reduce((total, item) => total + item, 0);
const largest = (patch: Int32Array): number => patch.reduce((best, item) => Math.max(best, item), -(2 ** 31));

function add(op: AddOp, operands: readonly Int32Array[]): Int32Array {
  const y = new Int32Array(operands[0]?.length ?? 0);
  operands.forEach((x, k) => {
    const multiplier = op.multipliers[k] ?? 0;
    for (let i = 0; i < y.length; i++) y[i] = (y[i] as number) + multiplier * (x[i] as number);
  });
  return y;
}

function requant(op: RequantOp, x: Int32Array): Int32Array {
  return x.map((item) => Math.min(op.max, Math.max(0, (item + op.offset) >> op.shift)));
}

/** Number of the leaf that `x` reaches. */
export function reachedLeaf(tree: Tree, x: Int32Array): number {
  let at = tree.feature.length === 0 ? -1 : 0;
  while (at >= 0) {
    const isYes = (x[tree.feature[at] ?? 0] ?? 0) <= (tree.threshold[at] ?? 0);
    at = (isYes ? tree.yes[at] : tree.no[at]) ?? -1;
  }
  return -1 - at;
}

function trees(op: TreesOp, x: Int32Array): Int32Array {
  const y = Int32Array.from(op.base);
  for (const tree of op.trees) {
    const leaf = reachedLeaf(tree, x) * y.length;
    for (let c = 0; c < y.length; c++) y[c] = (y[c] as number) + (tree.leaves[leaf + c] ?? 0);
  }
  return y;
}

function argMax(x: Int32Array): Int32Array {
  let best = 0;
  for (let i = 1; i < x.length; i++) if ((x[i] as number) > (x[best] as number)) best = i;
  return Int32Array.of(best);
}

function execute(op: IntegerOp, operands: readonly Int32Array[], shapes: readonly Shape[]): Int32Array {
  const [x = new Int32Array()] = operands;
  const [shape = []] = shapes;
  switch (op.op) {
    case "linear":
      return linear(op, x);
    case "conv":
      return conv(op, x, shape);
    case "add":
      return add(op, operands);
    case "requant":
      return requant(op, x);
    case "sum-pool":
      return pool(op, x, shape, sum, 0);
    case "max-pool":
      return pool(op, x, shape, largest, -(2 ** 31));
    case "concat":
      return Int32Array.from(concatenate(operands, shapes, op.axis));
    case "reshape":
      return x;
    case "arg-max":
      return argMax(x);
    case "trees":
      return trees(op, x);
  }
}

/**
 * Every value of one run, value 0 (the encoded input) first; the last is the output.
 * @param input one sample, as `encodeInput` makes it.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` where an element is not in the range of value 0: the bounds hold only inside.
 */
export function traceInteger(checked: CheckedModel, input: Int32Array): readonly Int32Array[] {
  const range = checked.values[0];
  const fits = range !== undefined && input.length === range.lo.length;
  if (!fits || input.some((item, j) => item < (range.lo[j] ?? 0) || item > (range.hi[j] ?? 0))) {
    throw new TrisealError("INPUT_OUT_OF_RANGE", "the encoded input is not in the model's range");
  }
  const values = [input];
  for (const op of checked.model.ops) {
    const operands = operandsOf(op);
    values.push(
      execute(
        op,
        operands.map((at) => values[at] ?? input),
        operands.map((at) => checked.values[at]?.shape ?? []),
      ),
    );
  }
  return values;
}

/** The output of one run. @throws TrisealError `INPUT_OUT_OF_RANGE` as `traceInteger` does. */
export function runInteger(checked: CheckedModel, input: Int32Array): Int32Array {
  return traceInteger(checked, input).at(-1) ?? input;
}
