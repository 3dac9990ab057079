/** Shapes of the values of an integer model, and what each operation demands of its operands. SPEC section 4. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { Shape, Window } from "./integer-model.ts";
import { windowOutput } from "./window.ts";

/** Most elements of one value. */
export const MAX_VALUE_ELEMENTS = 2 ** 22;

interface Sized {
  readonly length: number;
}

interface ShapedConv extends Window {
  readonly op: "conv";
  readonly channels: number;
  readonly groups: number;
  readonly dilation: readonly [number, number];
  readonly weights: Sized;
  readonly bias: Sized;
}

interface ShapedConcat {
  readonly op: "concat";
  readonly axis: number;
}

interface ShapedTrees {
  readonly op: "trees";
  readonly base: Sized;
  readonly trees: readonly { readonly feature: Sized; readonly leaves: Sized }[];
}

/** What of an operation, over integers or over reals, its shape depends on. */
export type ShapedOp =
  | { readonly op: "linear"; readonly rows: number; readonly weights: Sized; readonly bias: Sized }
  | ShapedConv
  | { readonly op: "add"; readonly x: Sized; readonly multipliers: Sized }
  | (Window & { readonly op: "sum-pool" | "average-pool" | "max-pool" })
  | ShapedConcat
  | { readonly op: "reshape"; readonly shape: Shape }
  | { readonly op: "requant" | "clip" | "arg-max" }
  | ShapedTrees;

function invalid(place: string, reason: string): never {
  throw new TrisealError("MODEL_INVALID", `model: ${place}: ${reason}`);
}

function image(place: string, shape: Shape): void {
  if (shape.length !== 3) invalid(place, `needs a value of [channels, height, width], got ${shape.length} axes`);
}

function pooled(shape: Shape, window: Window): Shape {
  return [shape[0] ?? 0, ...windowOutput(shape, window, [1, 1])];
}

function convShape(place: string, op: ShapedConv, shape: Shape): Shape {
  image(place, shape);
  const channels = shape[0] ?? 0;
  if (channels % op.groups !== 0 || op.channels % op.groups !== 0) invalid(place, "groups do not divide the channels");
  const taps = (channels / op.groups) * op.kernel[0] * op.kernel[1];
  if (op.weights.length !== op.channels * taps) invalid(place, `needs ${op.channels * taps} weights`);
  if (op.bias.length !== op.channels) invalid(place, `needs ${op.channels} biases`);
  return [op.channels, ...windowOutput(shape, op, op.dilation)];
}

function concatShape(place: string, op: ShapedConcat, shapes: readonly Shape[]): Shape {
  const [first = []] = shapes;
  if (op.axis >= first.length) invalid(place, "no such axis");
  const fits = shapes.every(
    (shape) => shape.length === first.length && shape.every((length, axis) => axis === op.axis || length === first[axis]),
  );
  if (!fits) invalid(place, "operands differ on another axis than the given one");
  return first.map((length, axis) => (axis === op.axis ? shapes.reduce((sum, shape) => sum + (shape[axis] ?? 0), 0) : length));
}

function treesShape(place: string, op: ShapedTrees): Shape {
  if (op.trees.some((tree) => tree.leaves.length !== (tree.feature.length + 1) * op.base.length)) {
    invalid(place, "a tree has another number of leaf values than its nodes need");
  }
  return [op.base.length];
}

/**
 * The shape of the value that `op` makes of operands with `shapes`.
 * @throws TrisealError `MODEL_INVALID` where they do not fit, or the value is larger than `MAX_VALUE_ELEMENTS`.
 */
export function shapeOf(place: string, op: ShapedOp, shapes: readonly Shape[]): Shape {
  const shape = resultShape(place, op, shapes);
  if (elementCount(shape) > MAX_VALUE_ELEMENTS) invalid(place, `more than ${MAX_VALUE_ELEMENTS} elements`);
  return shape;
}

function resultShape(place: string, op: ShapedOp, shapes: readonly Shape[]): Shape {
  const [first = []] = shapes;
  switch (op.op) {
    case "linear":
      if (op.weights.length !== op.rows * elementCount(first)) invalid(place, `needs ${op.rows * elementCount(first)} weights`);
      if (op.bias.length !== op.rows) invalid(place, `needs ${op.rows} biases`);
      return [op.rows];
    case "conv":
      return convShape(place, op, first);
    case "add":
      if (op.multipliers.length !== op.x.length) invalid(place, "needs one multiplier per operand");
      if (shapes.some((shape) => shape.join() !== first.join())) invalid(place, "operands have different shapes");
      return first;
    case "sum-pool":
    case "average-pool":
    case "max-pool":
      image(place, first);
      return pooled(first, op);
    case "concat":
      return concatShape(place, op, shapes);
    case "reshape":
      if (elementCount(op.shape) !== elementCount(first)) invalid(place, "changes the number of elements");
      return op.shape;
    case "arg-max":
      return [1];
    case "trees":
      return treesShape(place, op);
    default:
      return first;
  }
}
