/** What stands at the output: monotone functions that need not be computed, labels, and operations that change nothing. */
import type { GraphBuilder } from "./graph-builder.ts";
import type { NodeProto } from "./messages.ts";
import { Attributes, nodePlace, unsupported } from "./tensor.ts";

function leaveOut(builder: GraphBuilder, node: NodeProto, returned: string): void {
  builder.result(node, builder.value(node, 0), nodePlace(node));
  builder.notes.push(`${nodePlace(node)} is monotone and is not computed: ${returned} are returned`);
}

/** `Sigmoid` at the output. */
export function readSigmoid(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  leaveOut(builder, node, "logits (0 or more means the second label)");
}

/** `Softmax` over the classes, at the output. */
export function readSoftmax(builder: GraphBuilder, node: NodeProto, opset: number): void {
  const attributes = new Attributes(node);
  const axis = attributes.int("axis", opset < 13 ? 1 : -1);
  attributes.end();
  const { length } = builder.shape(builder.value(node, 0));
  if (length !== 1 || (axis !== 1 && axis !== -1)) unsupported(node, "only a softmax over one row of classes is supported");
  leaveOut(builder, node, "logits");
}

/** `ArgMax` over the classes; behind a softmax it is that of the logits. */
export function readArgMax(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const axis = attributes.int("axis", 0);
  if (attributes.int("select_last_index", 0) !== 0) unsupported(node, "`select_last_index = 1` is not supported");
  attributes.ignore("keepdims");
  attributes.end();
  const held = builder.input(node, 0);
  const isSoftmax = held.kind === "value" && (held.final?.startsWith("`Softmax`") ?? false);
  const x = isSoftmax && held.kind === "value" ? held.value : builder.value(node, 0);
  if (builder.shape(x).length !== 1 || (axis !== 1 && axis !== -1)) unsupported(node, "only `axis = 1` of one row is supported");
  builder.result(node, builder.push(node, { op: "arg-max", x }));
}

/** `Identity`, `Dropout` at inference, and casts between number types: the same numbers. */
export function readSame(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const to = attributes.int("to", 1);
  attributes.ignore("ratio", "seed", "saturate");
  attributes.end();
  const held = builder.input(node, 0);
  const isWhole = held.kind === "derived" || (held.kind === "value" && builder.producer(held.value)?.op === "arg-max");
  if (to !== 1 && to !== 11 && !(isWhole && (to === 6 || to === 7))) unsupported(node, "casts to a type that can lose something");
  builder.hold(node.outputs[0] ?? "", held, node);
}

/** `Constant`. */
export function readConstant(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const tensor = attributes.tensor("value");
  attributes.end();
  if (tensor === null) unsupported(node, "only a tensor in `value` is supported");
  else builder.hold(node.outputs[0] ?? "", { kind: "constant", constant: tensor }, node);
}

/** `Normalizer` (scores divided by their sum) and `ZipMap` (scores as a dictionary) of a classifier, at the output. */
export function readScoreForm(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const norm = attributes.text("norm", "MAX");
  attributes.ignore("classlabels_int64s", "classlabels_strings");
  attributes.end();
  if (node.opType === "Normalizer" && norm !== "L1") unsupported(node, "only `norm = L1` keeps the order of scores");
  const held = builder.input(node, 0);
  const from = held.kind === "value" ? builder.producer(held.value)?.op : undefined;
  if (held.kind !== "value" || (from !== "linear" && from !== "trees")) {
    return unsupported(node, "is only supported on the scores of a classifier");
  }
  // A dictionary has the same numbers; a share of the sum has the same order only.
  const final = node.opType === "ZipMap" ? held.final : (held.final ?? nodePlace(node));
  builder.result(node, held.value, final, held.offset);
  builder.notes.push(`${nodePlace(node)} only changes the form of the scores and is not computed`);
}
