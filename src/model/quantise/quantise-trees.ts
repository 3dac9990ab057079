/** Tree ensembles as integers. Questions lose nothing: an input becomes its rank among the thresholds. Only leaves are rounded. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { FloatModel, FloatTree } from "../float/float-model.ts";
import { roundHalfEven } from "../integer/encode-input.ts";
import type { CheckedModel, IntegerOp, Tree } from "../integer/integer-model.ts";
import { checkIntegerModel } from "../integer/parse-model.ts";

/** The largest sum of leaves: fine enough for any ensemble, and exact in FP32. */
const MOST = 2 ** 16;

function largest(values: readonly number[]): number {
  return values.reduce((most, item) => Math.max(most, Math.abs(item)), 0);
}

/** Thresholds of each feature, ascending, each once. */
function edgesOf(trees: readonly FloatTree[], features: number): readonly (readonly number[])[] {
  const edges = Array.from({ length: features }, () => new Set<number>());
  for (const tree of trees) {
    tree.feature.forEach((feature, node) => {
      edges[feature]?.add(tree.threshold[node] ?? 0);
    });
  }
  // A set keeps -0 as 0, which compares alike.
  return edges.map((set) => [...set].sort((left, right) => left - right));
}

function integerTree(tree: FloatTree, ranks: readonly ReadonlyMap<number, number>[], scale: number): Tree {
  const threshold = tree.feature.map((feature, node) => ranks[feature]?.get(tree.threshold[node] ?? 0) ?? 0);
  const { feature, yes, no } = tree;
  return { feature, threshold, yes, no, leaves: tree.leaves.map((leaf) => roundHalfEven(leaf / scale) + 0) };
}

/** The integer model of an ensemble, alone or with an arg-max behind it. @throws TrisealError `MODEL_UNSUPPORTED`. */
export function quantiseTrees(model: FloatModel): CheckedModel {
  const [ensemble, last, ...further] = model.ops;
  if (ensemble?.op !== "trees" || (last !== undefined && last.op !== "arg-max") || further.length > 0) {
    throw new TrisealError(
      "MODEL_UNSUPPORTED",
      "a tree ensemble beside other layers is not supported: build it as a model of its own",
    );
  }
  const edges = edgesOf(ensemble.trees, elementCount(model.input.shape));
  const ranks = edges.map((list) => new Map(list.map((edge, rank) => [edge, rank])));
  const most = largest(ensemble.base) + ensemble.trees.reduce((sum, tree) => sum + largest(tree.leaves), 0);
  const scale = (most || 1) / MOST;
  const trees: IntegerOp = {
    op: "trees",
    x: 0,
    base: ensemble.base.map((item) => roundHalfEven(item / scale) + 0),
    trees: ensemble.trees.map((tree) => integerTree(tree, ranks, scale)),
  };
  const { name, meaning, offset } = model.output;
  const isClass = meaning === "class";
  return checkIntegerModel({
    v: 1,
    input: { name: model.input.name, shape: model.input.shape, encoding: { kind: "bins", edges } },
    ops: isClass ? [trees, { op: "arg-max", x: 1 }] : [trees],
    output: { name, meaning, scale: isClass ? 1 : scale, offset: isClass ? 0 : offset },
  });
}
