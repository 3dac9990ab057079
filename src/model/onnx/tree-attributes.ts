/** Trees of an integer model as the attributes of `TreeEnsembleRegressor`. */
import type { Tree, TreesOp } from "../integer/integer-model.ts";
import type { AttributeValue } from "./message-writer.ts";

/** Node ids of one tree: its questions, then its leaves. */
function idOf(tree: Tree, target: number): number {
  return target >= 0 ? target : tree.feature.length - 1 - target;
}

/** The attributes; ranks and leaves are whole numbers that FP32 holds exactly. */
export function treeAttributes(op: TreesOp): Readonly<Record<string, AttributeValue>> {
  const outputs = op.base.length;
  const nodes = op.trees.flatMap((tree, number) => {
    const questions = tree.feature.map((feature, at) => ({
      tree: number,
      id: at,
      feature,
      value: tree.threshold[at] ?? 0,
      mode: "BRANCH_LEQ",
      yes: idOf(tree, tree.yes[at] ?? 0),
      no: idOf(tree, tree.no[at] ?? 0),
    }));
    const leaves = Array.from({ length: tree.leaves.length / outputs }, (_, leaf) => ({
      tree: number,
      id: tree.feature.length + leaf,
      feature: 0,
      value: 0,
      mode: "LEAF",
      yes: 0,
      no: 0,
    }));
    return [...questions, ...leaves];
  });
  const weights = op.trees.flatMap((tree, number) =>
    tree.leaves.map((value, at) => ({
      tree: number,
      id: tree.feature.length + Math.floor(at / outputs),
      column: at % outputs,
      value,
    })),
  );
  return {
    n_targets: outputs,
    aggregate_function: "SUM",
    post_transform: "NONE",
    base_values: { floats: op.base },
    nodes_treeids: nodes.map((node) => node.tree),
    nodes_nodeids: nodes.map((node) => node.id),
    nodes_featureids: nodes.map((node) => node.feature),
    nodes_values: { floats: nodes.map((node) => node.value) },
    nodes_modes: nodes.map((node) => node.mode),
    nodes_truenodeids: nodes.map((node) => node.yes),
    nodes_falsenodeids: nodes.map((node) => node.no),
    target_treeids: weights.map((weight) => weight.tree),
    target_nodeids: weights.map((weight) => weight.id),
    target_ids: weights.map((weight) => weight.column),
    target_weights: { floats: weights.map((weight) => weight.value) },
  };
}
