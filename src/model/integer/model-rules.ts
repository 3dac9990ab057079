/** Rules of an integer model that are about single members, not about shapes and ranges. SPEC sections 2 to 4 and 6. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import { type IntegerInput, type IntegerModel, type IntegerOp, operandsOf, type Tree } from "./integer-model.ts";

/** Deepest decision tree. */
const MAX_TREE_DEPTH = 64;

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `integer model: ${reason}`);
}

function checkInput({ shape, encoding }: IntegerInput): void {
  if (encoding.kind === "affine") {
    const { multiplier, zero, max } = encoding;
    const isSingle = Math.fround(multiplier) === multiplier;
    if (!isSingle || multiplier < 2 ** -60 || multiplier > 2 ** 60) invalid("the input's multiplier is no FP32 number in range");
    if (zero > max) invalid("the input's zero is above its max");
    return;
  }
  if (encoding.edges.length !== elementCount(shape)) invalid("the input needs one list of edges per element");
  for (const edges of encoding.edges) {
    const ascends = edges.every((edge, k) => Math.fround(edge) === edge && (k === 0 || edge > (edges[k - 1] ?? edge)));
    if (!ascends) invalid("the input's edges are not strictly ascending FP32 numbers");
  }
}

function checkWeights(place: string, bits: number, weights: Int8Array): void {
  const most = 2 ** (bits - 1) - 1;
  if (weights.length === 0) invalid(`${place}: no weights`);
  if (weights.some((weight) => weight > most || weight < -most)) invalid(`${place}: a weight has more than ${bits} bits`);
}

/** Every node but the root, and every leaf, is the target of one edge; edges go to higher nodes. */
function checkTree(place: string, { feature, threshold, yes, no }: Tree): void {
  const size = feature.length;
  if ([threshold, yes, no].some((list) => list.length !== size)) invalid(`${place}: a tree's lists differ in length`);
  const targets = [yes, no].flatMap((list) => list.map((target, from) => ({ target, from })));
  const exists = ({ target, from }: { target: number; from: number }) =>
    target >= 0 ? target > from && target < size : -1 - target <= size;
  if (!targets.every(exists)) invalid(`${place}: a tree has an edge to nowhere`);
  if (new Set(targets.map(({ target }) => target)).size !== targets.length)
    invalid(`${place}: a tree has two edges to one place`);
  const depth = Array.from({ length: size }, () => 0);
  // A node stands after the one that leads to it, so that depths are known in this order.
  for (const { target, from } of targets.toSorted((left, right) => left.from - right.from)) {
    if (target >= 0) depth[target] = (depth[from] ?? 0) + 1;
  }
  if (depth.some((levels) => levels >= MAX_TREE_DEPTH)) invalid(`${place}: a tree is deeper than ${MAX_TREE_DEPTH}`);
}

function checkOp(place: string, op: IntegerOp): void {
  switch (op.op) {
    case "linear":
    case "conv":
      return checkWeights(place, op.bits, op.weights);
    case "add":
      if (op.x.length === 0 || op.multipliers.includes(0)) invalid(`${place}: no operand, or a multiplier of 0`);
      return;
    case "concat":
      if (op.x.length < 2) invalid(`${place}: fewer than two operands`);
      return;
    case "trees":
      if (op.base.length === 0 || op.trees.length === 0) invalid(`${place}: no output or no tree`);
      for (const tree of op.trees) checkTree(place, tree);
      return;
    default:
      return;
  }
}

function checkOutput({ meaning, scale, offset }: IntegerModel["output"]): void {
  if (!(scale > 0)) invalid("the output's scale is not above 0");
  if (meaning === "class" && (scale !== 1 || offset !== 0)) invalid("a class has scale 1 and offset 0");
}

/** @throws TrisealError `MODEL_INVALID` for the first rule that `model` breaks. */
export function checkModelRules(model: IntegerModel): void {
  checkInput(model.input);
  checkOutput(model.output);
  if (model.input.name === model.output.name) invalid("input and output have one name");
  model.ops.forEach((op, index) => {
    const place = `operation ${index}`;
    if (operandsOf(op).some((at) => at > index)) invalid(`${place}: reads a value that is not made yet`);
    checkOp(place, op);
  });
  if ((model.output.meaning === "class") !== (model.ops.at(-1)?.op === "arg-max")) {
    invalid("a `class` output is that of an `arg-max`, and no other is");
  }
}
