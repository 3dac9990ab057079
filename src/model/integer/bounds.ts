/** Exact interval analysis: what every value can be, and that no sum leaves int32. SPEC section 5. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type {
  AddOp,
  ConvOp,
  IntegerModel,
  IntegerOp,
  LinearOp,
  RequantOp,
  TreesOp,
  ValueBounds,
  Window,
} from "./integer-model.ts";
import { MAX_MAGNITUDE, operandsOf } from "./integer-model.ts";
import { shapeOf } from "./shape.ts";
import { gatherWindow, groupSize, planWindows, type WindowPlan } from "./window.ts";

/** Most multiplications of one run. */
const MAX_MULTIPLICATIONS = 2 ** 31;

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `integer model: ${reason}`);
}

/** Collects one element's interval and magnitude, term by term. */
class Sum {
  lo = 0;
  hi = 0;
  magnitude = 0;

  start(constant: number): void {
    this.lo = constant;
    this.hi = constant;
    this.magnitude = Math.abs(constant);
  }

  add(weight: number, lo: number, hi: number): void {
    this.lo += weight * (weight >= 0 ? lo : hi);
    this.hi += weight * (weight >= 0 ? hi : lo);
    this.magnitude += Math.abs(weight) * Math.max(Math.abs(lo), Math.abs(hi));
  }
}

type Interval = Pick<ValueBounds, "lo" | "hi" | "magnitude">;

function collect(count: number, element: (index: number, sum: Sum) => void): Interval {
  const lo = new Float64Array(count);
  const hi = new Float64Array(count);
  const sum = new Sum();
  let magnitude = 0;
  for (let index = 0; index < count; index++) {
    element(index, sum);
    lo[index] = sum.lo;
    hi[index] = sum.hi;
    magnitude = Math.max(magnitude, sum.magnitude);
  }
  return { lo, hi, magnitude };
}

function linear(op: LinearOp, x: ValueBounds): Interval {
  const n = x.lo.length;
  return collect(op.rows, (row, sum) => {
    sum.start(op.bias[row] ?? 0);
    for (let j = 0; j < n; j++) sum.add(op.weights[row * n + j] ?? 0, x.lo[j] ?? 0, x.hi[j] ?? 0);
  });
}

/** Both ends of what a window reads. */
class Patch {
  readonly lo: Float64Array;
  readonly hi: Float64Array;
  private readonly plan: WindowPlan;

  constructor(plan: WindowPlan, channels: number) {
    this.plan = plan;
    this.lo = new Float64Array(channels * plan.size);
    this.hi = new Float64Array(channels * plan.size);
  }

  gather(x: ValueBounds, position: number, first: number, fill: number): this {
    gatherWindow(this.plan, position, first, x.lo, fill, this.lo);
    gatherWindow(this.plan, position, first, x.hi, fill, this.hi);
    return this;
  }
}

function conv(op: ConvOp, x: ValueBounds): Interval {
  const plan = planWindows(x.shape, op, op.dilation);
  const group = groupSize(op, plan);
  const patch = new Patch(plan, group.inputs);
  const taps = patch.lo.length;
  return collect(op.channels * plan.positions, (index, sum) => {
    const channel = Math.floor(index / plan.positions);
    patch.gather(x, index % plan.positions, Math.floor(channel / group.outputs) * group.inputs, op.fill);
    sum.start(op.bias[channel] ?? 0);
    for (let t = 0; t < taps; t++) sum.add(op.weights[channel * taps + t] ?? 0, patch.lo[t] ?? 0, patch.hi[t] ?? 0);
  });
}

function sumPool(op: Window, x: ValueBounds): Interval {
  const plan = planWindows(x.shape, op);
  const patch = new Patch(plan, 1);
  return collect(plan.channels * plan.positions, (index, sum) => {
    patch.gather(x, index % plan.positions, Math.floor(index / plan.positions), 0);
    sum.start(0);
    for (let t = 0; t < plan.size; t++) sum.add(1, patch.lo[t] ?? 0, patch.hi[t] ?? 0);
  });
}

function maxPool(op: Window, x: ValueBounds): Interval {
  const plan = planWindows(x.shape, op);
  const patch = new Patch(plan, 1);
  return collect(plan.channels * plan.positions, (index, sum) => {
    patch.gather(x, index % plan.positions, Math.floor(index / plan.positions), Number.NEGATIVE_INFINITY);
    sum.lo = patch.lo.reduce((best, item) => Math.max(best, item), Number.NEGATIVE_INFINITY);
    sum.hi = patch.hi.reduce((best, item) => Math.max(best, item), Number.NEGATIVE_INFINITY);
    sum.magnitude = Math.max(Math.abs(sum.lo), Math.abs(sum.hi));
  });
}

function add(op: AddOp, operands: readonly ValueBounds[]): Interval {
  return collect(operands[0]?.lo.length ?? 0, (index, sum) => {
    sum.start(0);
    operands.forEach((x, k) => {
      sum.add(op.multipliers[k] ?? 0, x.lo[index] ?? 0, x.hi[index] ?? 0);
    });
  });
}

function requant(op: RequantOp, x: ValueBounds): Interval {
  const clamp = (value: number) => Math.min(op.max, Math.max(0, Math.floor((value + op.offset) / 2 ** op.shift)));
  return collect(x.lo.length, (index, sum) => {
    const [lo, hi] = [x.lo[index] ?? 0, x.hi[index] ?? 0];
    sum.lo = clamp(lo);
    sum.hi = clamp(hi);
    sum.magnitude = Math.max(Math.abs(lo), Math.abs(hi)) + Math.abs(op.offset);
  });
}

/** Both answers of every node are possible: a question that is none would be a wire without a constraint. */
function checkQuestions(op: TreesOp, x: ValueBounds): void {
  for (const tree of op.trees) {
    tree.feature.forEach((feature, node) => {
      const threshold = tree.threshold[node] ?? 0;
      const asks = threshold >= (x.lo[feature] ?? Number.POSITIVE_INFINITY) && threshold < (x.hi[feature] ?? 0);
      if (!asks) invalid("a tree asks about no element, or what it knows already");
    });
  }
}

function trees(op: TreesOp, x: ValueBounds): Interval {
  checkQuestions(op, x);
  const outputs = op.base.length;
  return collect(outputs, (column, sum) => {
    sum.start(op.base[column] ?? 0);
    for (const tree of op.trees) {
      let [lo, hi] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (let at = column; at < tree.leaves.length; at += outputs) {
        lo = Math.min(lo, tree.leaves[at] ?? 0);
        hi = Math.max(hi, tree.leaves[at] ?? 0);
      }
      sum.add(1, lo, hi);
    }
  });
}

function join(op: { readonly axis: number }, operands: readonly ValueBounds[], side: "lo" | "hi"): Float64Array {
  return Float64Array.from(
    concatenate(
      operands.map((x) => x[side]),
      operands.map((x) => x.shape),
      op.axis,
    ),
  );
}

/** Elements of `parts` joined along `axis`; each part has its own shape. */
export function concatenate(
  parts: readonly ArrayLike<number>[],
  shapes: readonly (readonly number[])[],
  axis: number,
): readonly number[] {
  const outer = elementCount((shapes[0] ?? []).slice(0, axis));
  const runs = shapes.map((shape) => elementCount(shape.slice(axis)));
  const joined: number[] = [];
  for (let o = 0; o < outer; o++) {
    parts.forEach((part, k) => {
      const run = runs[k] ?? 0;
      for (let i = 0; i < run; i++) joined.push(part[o * run + i] ?? 0);
    });
  }
  return joined;
}

function peak(lo: Float64Array, hi: Float64Array): number {
  let largest = 0;
  for (let index = 0; index < lo.length; index++) {
    largest = Math.max(largest, Math.abs(lo[index] ?? 0), Math.abs(hi[index] ?? 0));
  }
  return largest;
}

function intervalOf(op: IntegerOp, operands: readonly ValueBounds[]): Interval {
  const [x] = operands;
  if (x === undefined) return invalid("an operation has no operand");
  switch (op.op) {
    case "linear":
      return linear(op, x);
    case "conv":
      return conv(op, x);
    case "add":
      return add(op, operands);
    case "requant":
      return requant(op, x);
    case "sum-pool":
      return sumPool(op, x);
    case "max-pool":
      return maxPool(op, x);
    case "concat": {
      const [lo, hi] = [join(op, operands, "lo"), join(op, operands, "hi")];
      return { lo, hi, magnitude: peak(lo, hi) };
    }
    case "reshape":
      return { lo: x.lo, hi: x.hi, magnitude: peak(x.lo, x.hi) };
    case "arg-max":
      return { lo: Float64Array.of(0), hi: Float64Array.of(x.lo.length - 1), magnitude: peak(x.lo, x.hi) };
    case "trees":
      return trees(op, x);
  }
}

/** Multiplications of one run of `op`. */
function multiplications(op: IntegerOp, outputs: number): number {
  if (op.op === "linear") return op.weights.length;
  if (op.op === "conv") return (op.weights.length / op.channels) * outputs;
  return op.op === "sum-pool" || op.op === "max-pool" ? op.kernel[0] * op.kernel[1] * outputs : outputs;
}

/** Bounds of value 0: what the encoding can make. */
export function inputBounds(input: IntegerModel["input"]): ValueBounds {
  const count = elementCount(input.shape);
  const { encoding } = input;
  const hi =
    encoding.kind === "affine"
      ? new Float64Array(count).fill(encoding.max)
      : Float64Array.from(encoding.edges, (edges) => edges.length);
  const lo = new Float64Array(count);
  return { shape: input.shape, lo, hi, magnitude: peak(lo, hi) };
}

/** Bounds of the value that `op`, the operation number `index`, makes. @throws TrisealError `MODEL_INVALID`. */
export function boundsOf(op: IntegerOp, index: number, values: readonly ValueBounds[]): ValueBounds {
  const operands = operandsOf(op).map((at) => values[at] ?? invalid(`operation ${index} reads a later value`));
  const shape = shapeOf(
    `operation ${index}`,
    op,
    operands.map((x) => x.shape),
  );
  if (multiplications(op, elementCount(shape)) > MAX_MULTIPLICATIONS) invalid(`operation ${index} is too large`);
  const bounds = { shape, ...intervalOf(op, operands) };
  if (!(bounds.magnitude <= MAX_MAGNITUDE)) invalid(`operation ${index} can leave the range of 32-bit integers`);
  return bounds;
}

/**
 * Bounds of every value, value 0 first.
 * @throws TrisealError `MODEL_INVALID` where shapes do not fit, a run would be too long, or a sum could leave int32.
 */
export function analyseModel(model: Omit<IntegerModel, "output">): readonly ValueBounds[] {
  const values = [inputBounds(model.input)];
  let work = 0;
  model.ops.forEach((op, index) => {
    const bounds = boundsOf(op, index, values);
    work += multiplications(op, bounds.lo.length);
    if (work > MAX_MULTIPLICATIONS) invalid("a run needs too many multiplications");
    values.push(bounds);
  });
  return values;
}
