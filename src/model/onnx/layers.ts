/** Convolution, pooling, activations and changes of shape. */
import { elementCount } from "../../core/tensor.ts";
import type { Shape } from "../integer/integer-model.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { NodeProto } from "./messages.ts";
import { Attributes, unsupported } from "./tensor.ts";

type Pair = readonly [number, number];
type Quad = readonly [number, number, number, number];

function pair(node: NodeProto, list: readonly number[] | null, absent: number, least: number): Pair {
  const [height = absent, width = absent] = list ?? [];
  if (list !== null && list.length !== 2) unsupported(node, "only two dimensions (images) are supported");
  if (Math.min(height, width) < least || Math.max(height, width) > 4096) unsupported(node, "a window's length is out of range");
  return [height, width];
}

function quad(node: NodeProto, list: readonly number[] | null): Quad {
  const [top = 0, left = 0, bottom = 0, right = 0] = list ?? [];
  if (list !== null && list.length !== 4) unsupported(node, "`pads` needs four numbers");
  if ([top, left, bottom, right].some((pad) => pad < 0 || pad > 4096)) unsupported(node, "a pad is negative or too long");
  return [top, left, bottom, right];
}

/** Pads of `auto_pad = SAME_UPPER | SAME_LOWER` for one axis. */
function samePads(length: number, stride: number, extent: number, upper: boolean): Pair {
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + extent - length);
  const less = Math.floor(total / 2);
  return upper ? [less, total - less] : [total - less, less];
}

function window(builder: GraphBuilder, node: NodeProto, attributes: Attributes, x: number, kernel: Pair, dilation: Pair) {
  const shape = builder.shape(x);
  if (shape.length !== 3) unsupported(node, "needs images of [channels, height, width] per sample");
  const stride = pair(node, attributes.ints("strides"), 1, 1);
  const auto = attributes.text("auto_pad", "NOTSET");
  const pads = quad(node, attributes.ints("pads"));
  if (auto === "NOTSET" || auto === "VALID") return { kernel, stride, pad: auto === "VALID" ? quad(node, null) : pads };
  if (auto !== "SAME_UPPER" && auto !== "SAME_LOWER") unsupported(node, "this `auto_pad` is not supported");
  const [top, bottom] = samePads(shape[1] ?? 0, stride[0], dilation[0] * (kernel[0] - 1) + 1, auto === "SAME_UPPER");
  const [left, right] = samePads(shape[2] ?? 0, stride[1], dilation[1] * (kernel[1] - 1) + 1, auto === "SAME_UPPER");
  return { kernel, stride, pad: [top, left, bottom, right] as const };
}

/** `Conv` in two dimensions. */
export function readConv(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const x = builder.value(node, 0);
  const w = builder.constant(node, 1);
  const [channels = 0, , kh = 0, kw = 0] = w.shape;
  if (w.shape.length !== 4) unsupported(node, "only two dimensions (images) are supported");
  const dilation = pair(node, attributes.ints("dilations"), 1, 1);
  const kernel = pair(node, attributes.ints("kernel_shape") ?? [kh, kw], 0, 1);
  if (kernel[0] !== kh || kernel[1] !== kw) unsupported(node, "`kernel_shape` is not that of the weights");
  const groups = attributes.int("group", 1);
  if (groups < 1 || groups > 65_536) unsupported(node, "`group` is out of range");
  const bias = builder.optionalConstant(node, 2)?.data ?? new Float64Array(channels);
  const form = window(builder, node, attributes, x, kernel, dilation);
  attributes.end();
  builder.result(node, builder.push(node, { op: "conv", x, channels, groups, dilation, ...form, weights: w.data, bias }));
}

/** `AveragePool` and `MaxPool`. */
export function readPool(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const x = builder.value(node, 0);
  const kernel = pair(node, attributes.ints("kernel_shape"), 0, 1);
  const form = window(builder, node, attributes, x, kernel, [1, 1]);
  if (attributes.int("ceil_mode", 0) !== 0) unsupported(node, "`ceil_mode = 1`: use whole windows");
  const [dh, dw] = pair(node, attributes.ints("dilations"), 1, 1);
  if (dh !== 1 || dw !== 1) unsupported(node, "dilated pooling is not supported");
  attributes.ignore("storage_order");
  const op = node.opType === "MaxPool" ? "max-pool" : "average-pool";
  const counts = attributes.int("count_include_pad", 0) !== 0;
  if (op === "average-pool" && !counts && form.pad.some((pad) => pad > 0)) {
    unsupported(node, "padding that is not counted: set `count_include_pad = 1` or pool without padding");
  }
  if (node.outputs.filter((name) => name !== "").length > 1) unsupported(node, "the output of indices is not supported");
  attributes.end();
  builder.result(node, builder.push(node, { op, x, ...form }));
}

/** `GlobalAveragePool`. */
export function readGlobalAveragePool(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  const x = builder.value(node, 0);
  const [, height = 0, width = 0] = builder.shape(x);
  if (builder.shape(x).length !== 3) unsupported(node, "needs images of [channels, height, width] per sample");
  const form = { kernel: [height, width], stride: [1, 1], pad: [0, 0, 0, 0] } as const;
  builder.result(node, builder.push(node, { op: "average-pool", x, ...form }));
}

/** `Relu`. */
export function readRelu(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  builder.result(node, builder.push(node, { op: "clip", x: builder.value(node, 0), min: 0, max: Number.POSITIVE_INFINITY }));
}

/** `Clip` with constant ends. */
export function readClip(builder: GraphBuilder, node: NodeProto): void {
  new Attributes(node).end();
  const end = (index: number, absent: number) => {
    const constant = builder.optionalConstant(node, index);
    if (constant !== null && constant.data.length !== 1) unsupported(node, "an end is not one number");
    return constant?.data[0] ?? absent;
  };
  const [min, max] = [end(1, Number.NEGATIVE_INFINITY), end(2, Number.POSITIVE_INFINITY)];
  if (!(min < max)) unsupported(node, "the lower end is not below the upper");
  builder.result(node, builder.push(node, { op: "clip", x: builder.value(node, 0), min, max }));
}

/** `Flatten` of everything but the batch. */
export function readFlatten(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const axis = attributes.int("axis", 1);
  attributes.end();
  const x = builder.value(node, 0);
  const shape = builder.shape(x);
  if (axis !== 1 && axis !== -shape.length) unsupported(node, "only `axis = 1` keeps the samples of a batch apart");
  builder.result(node, reshaped(builder, node, x, [elementCount(shape)]));
}

function reshaped(builder: GraphBuilder, node: NodeProto, x: number, shape: Shape): number {
  return builder.shape(x).join() === shape.join() ? x : builder.push(node, { op: "reshape", x, shape });
}

/** The lengths behind the batch axis that `Reshape` asks for. */
function targetShape(node: NodeProto, wanted: readonly number[], from: Shape): Shape {
  const [batch, ...rest] = wanted;
  if (batch === undefined || ![-1, 0, 1].includes(batch)) unsupported(node, "the first axis must keep the batch (0, -1 or 1)");
  const lengths = rest.map((length, axis) => (length === 0 ? (from[axis] ?? 0) : length));
  const free = lengths.filter((length) => length === -1).length;
  if (free > 1 || (free === 1 && batch === -1)) unsupported(node, "two axes are left free");
  const known = lengths.reduce((product, length) => (length === -1 ? product : product * length), 1);
  const shape = lengths.map((length) => (length === -1 ? elementCount(from) / known : length));
  const fits = shape.length > 0 && shape.every((length) => Number.isInteger(length) && length >= 1);
  if (!fits || elementCount(shape) !== elementCount(from)) unsupported(node, "the shape does not keep each sample whole");
  return shape;
}

/** `Reshape` of a value or of a constant. */
export function readReshape(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  if (attributes.int("allowzero", 0) !== 0) unsupported(node, "`allowzero = 1` is not supported");
  attributes.end();
  const wanted = [...builder.constant(node, 1).data];
  const held = builder.input(node, 0);
  if (held.kind === "constant") {
    const { shape, data } = held.constant;
    const known = wanted.map((length, axis) => (length === 0 ? (shape[axis] ?? 0) : length));
    const rest = known.reduce((product, length) => (length === -1 ? product : product * length), 1);
    const lengths = known.map((length) => (length === -1 ? data.length / rest : length));
    if (elementCount(lengths) !== data.length) unsupported(node, "the shape does not fit the constant");
    builder.hold(node.outputs[0] ?? "", { kind: "constant", constant: { shape: lengths, data } }, node);
    return;
  }
  const x = builder.value(node, 0);
  builder.result(node, reshaped(builder, node, x, targetShape(node, wanted, builder.shape(x))));
}

/** `Transpose` of a constant. */
export function readTranspose(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const given = attributes.ints("perm");
  attributes.end();
  if (!builder.isConstant(node, 0)) unsupported(node, "only constants can be transposed: reorder the weights instead");
  const { shape, data } = builder.constant(node, 0);
  const axes = given ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (axes.length !== shape.length || new Set(axes).size !== axes.length || axes.some((axis) => shape[axis] === undefined)) {
    unsupported(node, "`perm` is no order of the axes");
  }
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const lengths = axes.map((axis) => shape[axis] ?? 0);
  const moved = data.map((_, at) => {
    let [rest, from] = [at, 0];
    for (let axis = lengths.length - 1; axis >= 0; axis--) {
      const length = lengths[axis] ?? 1;
      from += (rest % length) * (strides[axes[axis] ?? 0] ?? 0);
      rest = Math.floor(rest / length);
    }
    return data[from] ?? 0;
  });
  builder.hold(node.outputs[0] ?? "", { kind: "constant", constant: { shape: lengths, data: moved } }, node);
}

/** `Concat` along any axis but the batch. */
export function readConcat(builder: GraphBuilder, node: NodeProto): void {
  const attributes = new Attributes(node);
  const given = attributes.int("axis", 0);
  attributes.end();
  const x = node.inputs.map((_, index) => builder.value(node, index));
  const rank = builder.shape(x[0] ?? 0).length + 1;
  const axis = (given < 0 ? given + rank : given) - 1;
  if (axis < 0 || axis >= rank) unsupported(node, "`axis` is that of the batch, or none");
  const [only] = x;
  builder.result(node, x.length === 1 && only !== undefined ? only : builder.push(node, { op: "concat", x, axis }));
}
