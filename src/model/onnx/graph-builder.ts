/** Builds a float model while the nodes of an ONNX graph are read in order. */
import type { FloatOp } from "../float/float-model.ts";
import type { Shape } from "../integer/integer-model.ts";
import { operandsOf } from "../integer/integer-model.ts";
import { shapeOf } from "../integer/shape.ts";
import type { NodeProto } from "./messages.ts";
import { type Constant, nodePlace, shown, unsupported } from "./tensor.ts";

/** What a name of the graph stands for. */
export type Held =
  | { readonly kind: "constant"; readonly constant: Constant }
  | {
      readonly kind: "value";
      readonly value: number;
      /** The monotone operation that the graph applies and the model leaves out; it may only stand at the output. */
      readonly final: string | null;
      /** What is to be added to the value to give the source's number. */
      readonly offset: number;
    }
  /** An output that another one makes superfluous, such as a classifier's label beside its scores. */
  | { readonly kind: "derived"; readonly from: string };

/** Reads one node into the builder. */
export type NodeReader = (builder: GraphBuilder, node: NodeProto, opset: number) => void;

/** The float model so far. */
export class GraphBuilder {
  readonly ops: FloatOp[] = [];
  readonly shapes: Shape[] = [];
  readonly notes: string[] = [];
  private readonly names = new Map<string, Held>();

  constructor(inputName: string, shape: Shape) {
    this.shapes.push(shape);
    this.hold(inputName, { kind: "value", value: 0, final: null, offset: 0 });
  }

  /** Gives `name` its meaning. A name is given once. */
  hold(name: string, held: Held, node?: NodeProto): void {
    if (name === "") return;
    if (this.names.has(name)) {
      if (node !== undefined) unsupported(node, `makes ${shown(name)} a second time`);
      return;
    }
    this.names.set(name, held);
  }

  /** What `name` stands for, or undefined. */
  held(name: string): Held | undefined {
    return this.names.get(name);
  }

  /** Adds an operation and returns the number of its value. @throws TrisealError `MODEL_INVALID`: shapes do not fit. */
  push(node: NodeProto, op: FloatOp): number {
    const shapes = operandsOf(op).map((at) => this.shapes[at] ?? []);
    this.shapes.push(shapeOf(nodePlace(node), op, shapes));
    this.ops.push(op);
    return this.ops.length;
  }

  /** Names the first output of `node`. */
  result(node: NodeProto, value: number, final: string | null = null, offset = 0): void {
    this.hold(node.outputs[0] ?? "", { kind: "value", value, final, offset }, node);
  }

  /** The operation that made `value`, or undefined for the input. */
  producer(value: number): FloatOp | undefined {
    return this.ops[value - 1];
  }

  /** Shape of one sample of `value`. */
  shape(value: number): Shape {
    return this.shapes[value] ?? [];
  }

  /** Whether input `index` of `node` is given and constant. */
  isConstant(node: NodeProto, index: number): boolean {
    return this.held(node.inputs[index] ?? "")?.kind === "constant";
  }

  /** Input `index` of `node`, which must depend on the model's input and be no final answer. */
  value(node: NodeProto, index: number): number {
    const held = this.input(node, index);
    if (held.kind === "constant") unsupported(node, `input ${index} is constant where a value is expected`);
    if (held.kind === "derived") unsupported(node, `reads ${held.from}: end the model with the scores`);
    if (held.final !== null) {
      unsupported(node, `stands behind ${held.final}, which is only supported at the output: end the model before it`);
    }
    return held.value;
  }

  /** Input `index` of `node`, which must be constant. */
  constant(node: NodeProto, index: number): Constant {
    const held = this.input(node, index);
    return held.kind === "constant"
      ? held.constant
      : unsupported(node, `input ${index} depends on the model's input where a constant is expected`);
  }

  /** The constant at input `index`, or null where the node leaves it out. */
  optionalConstant(node: NodeProto, index: number): Constant | null {
    return (node.inputs[index] ?? "") === "" ? null : this.constant(node, index);
  }

  /** Input `index` of `node`. @throws TrisealError `MODEL_UNSUPPORTED` where nothing before it made the name. */
  input(node: NodeProto, index: number): Held {
    const name = node.inputs[index] ?? "";
    return this.held(name) ?? unsupported(node, `input ${index}, ${shown(name)}, is made by nothing before it`);
  }
}
