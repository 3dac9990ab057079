/** Runs a float model in double precision, for calibration and for comparing accuracies. Not an executor of any path. */
import { concatenate } from "../integer/bounds.ts";
import { operandsOf, type Shape } from "../integer/integer-model.ts";
import { gatherWindow, groupSize, planWindows } from "../integer/window.ts";
import type { FloatConv, FloatModel, FloatOp, FloatPool, FloatTree, FloatTrees } from "./float-model.ts";

function dot(weights: Float64Array, start: number, x: Float64Array, bias: number): number {
  let sum = bias;
  for (let j = 0; j < x.length; j++) sum += (weights[start + j] as number) * (x[j] as number);
  return sum;
}

function conv(op: FloatConv, x: Float64Array, shape: Shape): Float64Array {
  const plan = planWindows(shape, op, op.dilation);
  const group = groupSize(op, plan);
  const patch = new Float64Array(group.inputs * plan.size);
  const y = new Float64Array(op.channels * plan.positions);
  for (let g = 0; g < op.groups; g++) {
    for (let p = 0; p < plan.positions; p++) {
      gatherWindow(plan, p, g * group.inputs, x, 0, patch);
      for (let channel = g * group.outputs; channel < (g + 1) * group.outputs; channel++) {
        y[channel * plan.positions + p] = dot(op.weights, channel * patch.length, patch, op.bias[channel] ?? 0);
      }
    }
  }
  return y;
}

function pool(op: FloatPool, x: Float64Array, shape: Shape): Float64Array {
  const plan = planWindows(shape, op);
  const patch = new Float64Array(plan.size);
  const isMax = op.op === "max-pool";
  return new Float64Array(plan.channels * plan.positions).map((_, at) => {
    const channel = Math.floor(at / plan.positions);
    gatherWindow(plan, at % plan.positions, channel, x, isMax ? Number.NEGATIVE_INFINITY : 0, patch);
    return isMax
      ? patch.reduce((best, item) => Math.max(best, item), Number.NEGATIVE_INFINITY)
      : patch.reduce((sum, item) => sum + item, 0) / plan.size;
  });
}

function leafOf(tree: FloatTree, x: Float64Array): number {
  let at = tree.feature.length === 0 ? -1 : 0;
  while (at >= 0) {
    const isYes = (x[tree.feature[at] ?? 0] ?? 0) <= (tree.threshold[at] ?? 0);
    at = (isYes ? tree.yes[at] : tree.no[at]) ?? -1;
  }
  return -1 - at;
}

function trees(op: FloatTrees, x: Float64Array): Float64Array {
  const y = Float64Array.from(op.base);
  for (const tree of op.trees) {
    const leaf = leafOf(tree, x) * y.length;
    for (let c = 0; c < y.length; c++) y[c] = (y[c] as number) + (tree.leaves[leaf + c] ?? 0);
  }
  return y;
}

/** Position of the largest, the first of equals. */
export function largestAt(x: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < x.length; i++) if ((x[i] ?? 0) > (x[best] ?? 0)) best = i;
  return best;
}

function execute(op: FloatOp, operands: readonly Float64Array[], shapes: readonly Shape[]): Float64Array {
  const [x = new Float64Array()] = operands;
  const [shape = []] = shapes;
  switch (op.op) {
    case "linear":
      return new Float64Array(op.rows).map((_, row) => dot(op.weights, row * x.length, x, op.bias[row] ?? 0));
    case "conv":
      return conv(op, x, shape);
    case "clip":
      return x.map((item) => Math.min(op.max, Math.max(op.min, item)));
    case "average-pool":
    case "max-pool":
      return pool(op, x, shape);
    case "add":
      return x.map((_, at) => operands.reduce((sum, operand) => sum + (operand[at] ?? 0), 0));
    case "concat":
      return Float64Array.from(concatenate(operands, shapes, op.axis));
    case "reshape":
      return x;
    case "arg-max":
      return Float64Array.of(largestAt(x));
    case "trees":
      return trees(op, x);
  }
}

/** Every value for one sample of the input's length, rounded to FP32 first; the last is the output. */
export function traceFloat(model: FloatModel, sample: ArrayLike<number>): readonly Float64Array[] {
  const values: Float64Array[] = [Float64Array.from(sample, Math.fround)];
  for (const op of model.ops) {
    const operands = operandsOf(op);
    values.push(
      execute(
        op,
        operands.map((at) => values[at] ?? new Float64Array()),
        operands.map((at) => model.shapes[at] ?? []),
      ),
    );
  }
  return values;
}
