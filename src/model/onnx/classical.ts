/** Linear models and tree ensembles of the domain ai.onnx.ml, as scikit-learn exporters write them. */
import type { FloatTree } from "../float/float-model.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { NodeProto } from "./messages.ts";
import { Attributes, nodePlace, unsupported } from "./tensor.ts";
import { buildTrees, type TreeLists } from "./tree-lists.ts";

function row(builder: GraphBuilder, node: NodeProto): { x: number; n: number } {
  const x = builder.value(node, 0);
  const shape = builder.shape(x);
  if (shape.length !== 1) unsupported(node, "takes rows of features");
  return { x, n: shape[0] ?? 0 };
}

/** The transformations of scores that keep their order, so that the scores before them can be returned. */
function monotone(node: NodeProto, transform: string, columns: number): boolean {
  if (transform === "NONE") return false;
  if (transform === "LOGISTIC" || (transform === "SOFTMAX" && columns > 1)) return true;
  return unsupported(node, "this `post_transform` is not supported: export with NONE, LOGISTIC or SOFTMAX");
}

/** Names label and scores of a classifier. The label is the largest score's, and is not computed. */
function classified(builder: GraphBuilder, node: NodeProto, value: number, isMonotone: boolean, offset: number): void {
  const [label = "", scores = ""] = node.outputs;
  builder.hold(label, { kind: "derived", from: `the label of ${nodePlace(node)}` }, node);
  builder.hold(scores, { kind: "value", value, final: isMonotone ? nodePlace(node) : null, offset }, node);
  builder.notes.push(`${nodePlace(node)}: ${isMonotone ? "logits" : "scores"} are returned; the label is that of the largest`);
}

function labelCount(attributes: Attributes): number {
  const whole = attributes.ints("classlabels_ints") ?? attributes.ints("classlabels_int64s") ?? [];
  return Math.max(whole.length, attributes.texts("classlabels_strings").length);
}

/** `LinearClassifier` and `LinearRegressor`. */
export function readLinear(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const { x, n } = row(builder, node);
  const coefficients = attributes.floats("coefficients");
  const rows = coefficients.length / n;
  const intercepts = attributes.floats("intercepts");
  const labels = labelCount(attributes);
  const transform = attributes.text("post_transform", "NONE");
  attributes.ignore("multi_class", "targets");
  attributes.end();
  if (!Number.isInteger(rows) || rows < 1 || (intercepts.length !== 0 && intercepts.length !== rows)) {
    unsupported(node, `coefficients or intercepts do not fit ${n} features`);
  }
  const bias = intercepts.length === 0 ? new Float64Array(rows) : Float64Array.from(intercepts);
  const value = builder.push(node, { op: "linear", x, rows, weights: Float64Array.from(coefficients), bias });
  if (node.opType === "LinearClassifier") {
    if (labels !== rows && !(rows === 1 && labels === 2)) unsupported(node, "has another number of labels than of scores");
    classified(builder, node, value, monotone(node, transform, rows), 0);
    return;
  }
  if (transform !== "NONE") unsupported(node, "this `post_transform` is not supported");
  builder.result(node, value);
}

function treeLists(attributes: Attributes, kind: "class" | "target"): TreeLists {
  const whole = (name: string) => attributes.ints(name) ?? [];
  attributes.ignore("nodes_hitrates", "nodes_missing_value_tracks_true");
  return {
    treeIds: whole("nodes_treeids"),
    nodeIds: whole("nodes_nodeids"),
    features: whole("nodes_featureids"),
    modes: attributes.texts("nodes_modes"),
    values: attributes.floats("nodes_values"),
    yes: whole("nodes_truenodeids"),
    no: whole("nodes_falsenodeids"),
    leafTreeIds: whole(`${kind}_treeids`),
    leafNodeIds: whole(`${kind}_nodeids`),
    leafColumns: whole(`${kind}_ids`),
    leafWeights: attributes.floats(`${kind}_weights`),
  };
}

function pushTrees(builder: GraphBuilder, node: NodeProto, base: readonly number[], trees: readonly FloatTree[]): number {
  const { x } = row(builder, node);
  if (x !== 0) unsupported(node, "must read the model's input itself: fold what stands before it into the thresholds");
  return builder.push(node, { op: "trees", x, base, trees });
}

/** `TreeEnsembleClassifier`. With two classes and one score per leaf, one column is returned that decides at 0. */
export function readTreeClassifier(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const lists = treeLists(attributes, "class");
  const labels = labelCount(attributes);
  const transform = attributes.text("post_transform", "NONE");
  const given = attributes.floats("base_values");
  attributes.end();
  const isBinary = labels === 2 && new Set(lists.leafColumns).size === 1;
  const columns = isBinary ? 1 : labels;
  const trees = buildTrees(
    node,
    isBinary ? { ...lists, leafColumns: lists.leafColumns.map(() => 0) } : lists,
    columns,
    row(builder, node).n,
  );
  const base = baseValues(node, given, columns);
  const isMonotone = monotone(node, transform, columns);
  // Scores that are shares decide at one half, others at zero (ONNX ai.onnx.ml, binary case).
  const half = isBinary && !isMonotone && lists.leafWeights.every((weight) => weight >= 0) ? 0.5 : 0;
  const value = pushTrees(
    builder,
    node,
    base.map((item) => item - half),
    trees,
  );
  if (isBinary) builder.notes.push(`${nodePlace(node)}: one column is returned for two classes; 0 or more means the second`);
  classified(builder, node, value, isMonotone, half);
}

function baseValues(node: NodeProto, given: readonly number[], columns: number): readonly number[] {
  if (given.length === 0) return Array.from({ length: columns }, () => 0);
  return given.length === columns ? given : unsupported(node, `\`base_values\` needs ${columns} numbers`);
}

/** `TreeEnsembleRegressor`. */
export function readTreeRegressor(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const lists = treeLists(attributes, "target");
  const columns = attributes.int("n_targets", 1);
  const aggregate = attributes.text("aggregate_function", "SUM");
  const transform = attributes.text("post_transform", "NONE");
  const base = baseValues(node, attributes.floats("base_values"), columns);
  attributes.end();
  if (transform !== "NONE") unsupported(node, "this `post_transform` is not supported");
  if (aggregate !== "SUM" && aggregate !== "AVERAGE") unsupported(node, "`aggregate_function` must be SUM or AVERAGE");
  const trees = buildTrees(node, lists, columns, row(builder, node).n);
  const share = aggregate === "AVERAGE" ? trees.length : 1;
  const shared = trees.map((tree) => ({ ...tree, leaves: tree.leaves.map((leaf) => leaf / share) }));
  builder.result(node, pushTrees(builder, node, base, shared));
}
