/**
 * An integer model as an ONNX graph that onnxruntime computes exactly. No quantised operator is used, so that none can
 * saturate: every value is an integer held in floating point, FP32 where the bounds show that no sum in any order leaves
 * 2^24, double precision elsewhere. Powers of two scale exactly.
 */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type {
  AddOp,
  CheckedModel,
  ConvOp,
  IntegerOp,
  LinearOp,
  RequantOp,
  SumPoolOp,
  TreesOp,
  ValueBounds,
  Window,
} from "../integer/integer-model.ts";
import { splitConv } from "./conv-split.ts";
import { type AttributeValue, ELEMENT, type ElementName, modelMessage, type NodeForm, tensorMessage } from "./message-writer.ts";
import { treeAttributes } from "./tree-attributes.ts";

/** Integers up to here, and their sums, are exact in FP32. */
export const EXACT_IN_FP32 = 2 ** 24;

type Real = "float" | "double";

/** A value of the graph: integers in floating point. */
interface Emitted {
  readonly name: string;
  readonly type: Real;
}

function unsupported(reason: string): never {
  throw new TrisealError("MODEL_UNSUPPORTED", `onnxruntime graph: ${reason}`);
}

class Emitter {
  readonly nodes: NodeForm[] = [];
  readonly constants: Uint8Array[] = [];
  private readonly checked: CheckedModel;
  private readonly emitted: Emitted[] = [];
  private next = 0;

  constructor(checked: CheckedModel) {
    this.checked = checked;
  }

  run(): void {
    const { model, values } = this.checked;
    this.emitted.push(this.cast({ name: model.input.name, type: "int32" }, "float"));
    model.ops.forEach((op, at) => {
      this.emitted.push(this.emit(op, values[at + 1] ?? unsupported("no bounds")));
    });
    const last = this.of(model.ops.length);
    this.node("Cast", [last.name], { to: ELEMENT.int32 }, { output: model.output.name });
  }

  private of(value: number): Emitted {
    return this.emitted[value] ?? unsupported("a value is read before it is made");
  }

  private bounds(value: number): ValueBounds {
    return this.checked.values[value] ?? unsupported("no bounds");
  }

  /** Names of its own hold a space, which no tensor of a model has. */
  private name(): string {
    this.next++;
    return `v ${this.next}`;
  }

  private node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    { output = this.name(), domain = "" } = {},
  ): string {
    this.nodes.push({ op, inputs, output, attributes, domain });
    return output;
  }

  private constant(type: ElementName, shape: readonly number[], data: ArrayLike<number>): string {
    const name = this.name();
    this.constants.push(tensorMessage(name, type, shape, data));
    return name;
  }

  private cast(x: { readonly name: string; readonly type: Real | "int32" }, type: Real): Emitted {
    return x.type === type ? { name: x.name, type } : { name: this.node("Cast", [x.name], { to: ELEMENT[type] }), type };
  }

  private emit(op: IntegerOp, bounds: ValueBounds): Emitted {
    const type: Real = bounds.magnitude <= EXACT_IN_FP32 ? "float" : "double";
    switch (op.op) {
      case "linear":
        return this.linear(op, type);
      case "conv":
        return this.conv(op);
      case "add":
        return this.add(op, type);
      case "requant":
        return this.requant(op, type);
      case "sum-pool":
        return this.sumPool(op, type);
      case "max-pool":
        return { ...this.of(op.x), name: this.node("MaxPool", [this.of(op.x).name], windowAttributes(op)) };
      case "concat": {
        const parts = op.x.map((value) => this.cast(this.of(value), type));
        return {
          name: this.node(
            "Concat",
            parts.map((part) => part.name),
            { axis: op.axis + 1 },
          ),
          type,
        };
      }
      case "reshape": {
        const x = this.of(op.x);
        const shape = this.constant("int64", [op.shape.length + 1], [-1, ...op.shape]);
        return { ...x, name: this.node("Reshape", [x.name, shape]) };
      }
      case "arg-max": {
        const index = this.node("ArgMax", [this.flat(op.x, null).name], { axis: 1, keepdims: 1 });
        return { name: this.node("Cast", [index], { to: ELEMENT.float }), type: "float" };
      }
      case "trees":
        return this.trees(op, type);
    }
  }

  /** A value as rows, of `type` if one is named. */
  private flat(value: number, type: Real | null): Emitted {
    const x = type === null ? this.of(value) : this.cast(this.of(value), type);
    return this.bounds(value).shape.length === 1 ? x : { ...x, name: this.node("Flatten", [x.name], { axis: 1 }) };
  }

  private linear(op: LinearOp, type: Real): Emitted {
    const n = op.weights.length / op.rows;
    const transposed = Float64Array.from(op.weights, (_, at) => op.weights[(at % op.rows) * n + Math.floor(at / op.rows)] ?? 0);
    const weights = this.constant(type, [n, op.rows], transposed);
    const product = this.node("MatMul", [this.flat(op.x, type).name, weights]);
    return { name: this.node("Add", [product, this.constant(type, [op.rows], op.bias)]), type };
  }

  /** Sums over windows exist in FP32 only: a layer whose sums are larger is computed in parts, which are added in double precision. */
  private conv(op: ConvOp): Emitted {
    const x = this.cast(this.of(op.x), "float");
    const [channels = 0] = this.bounds(op.x).shape;
    const pads = op.pad.some((pad) => pad > 0);
    const padded = op.fill === 0 || !pads ? x.name : this.padded(x.name, op);
    const attributes = {
      ...windowAttributes(op),
      pads: op.fill === 0 ? [...op.pad] : [0, 0, 0, 0],
      dilations: [...op.dilation],
      group: op.groups,
    };
    const shape = (inputs: number) => [op.channels, inputs, ...op.kernel];
    const parts = splitConv(op, this.bounds(op.x), EXACT_IN_FP32);
    if (parts.length === 1) {
      const weights = this.constant("float", shape(channels / op.groups), op.weights);
      const bias = this.constant("float", [op.channels], op.bias);
      return { name: this.node("Conv", [padded, weights, bias], attributes), type: "float" };
    }
    const sums = parts.map(({ from, to, weights }) => {
      const [start, end, axis] = [from, to, 1].map((item) => this.constant("int64", [1], [item]));
      const slice = this.node("Slice", [padded, start ?? "", end ?? "", axis ?? ""]);
      const part = this.node("Conv", [slice, this.constant("float", shape(to - from), weights)], attributes);
      return this.node("Cast", [part], { to: ELEMENT.double });
    });
    const bias = this.constant("double", [op.channels, 1, 1], op.bias);
    return { name: sums.reduce((sum, part) => this.node("Add", [sum, part]), bias), type: "double" };
  }

  private padded(x: string, op: ConvOp): string {
    const [top, left, bottom, right] = op.pad;
    const pads = this.constant("int64", [8], [0, 0, top, left, 0, 0, bottom, right]);
    return this.node("Pad", [x, pads, this.constant("float", [], [op.fill])]);
  }

  private add(op: AddOp, type: Real): Emitted {
    const terms = op.x.map((value, k) => {
      const { name } = this.cast(this.of(value), type);
      const multiplier = op.multipliers[k] ?? 1;
      return multiplier === 1 ? name : this.node("Mul", [name, this.constant(type, [], [multiplier])]);
    });
    return { name: terms.reduce((sum, term) => this.node("Add", [sum, term])), type };
  }

  private requant(op: RequantOp, type: Real): Emitted {
    const x = this.cast(this.of(op.x), type);
    const moved = op.offset === 0 ? x.name : this.node("Add", [x.name, this.constant(type, [], [op.offset])]);
    const scaled = op.shift === 0 ? moved : this.node("Mul", [moved, this.constant(type, [], [2 ** -op.shift])]);
    const floor = op.shift === 0 ? scaled : this.node("Floor", [scaled]);
    const ends = [0, op.max].map((end) => this.constant(type, [], [end]));
    return this.cast({ name: this.node("Clip", [floor, ...ends]), type }, "float");
  }

  private sumPool(op: SumPoolOp, type: Real): Emitted {
    const x = this.cast(this.of(op.x), type);
    const [channels = 0, height, width] = this.bounds(op.x).shape;
    const isWhole = op.kernel[0] === height && op.kernel[1] === width && op.pad.every((pad) => pad === 0);
    if (isWhole) return { name: this.node("ReduceSum", [x.name, this.constant("int64", [2], [2, 3])], { keepdims: 1 }), type };
    if (type === "double") unsupported("sums over windows beyond 2^24 are not supported: requantise before pooling");
    const size = op.kernel[0] * op.kernel[1];
    const ones = this.constant("float", [channels, 1, ...op.kernel], new Float64Array(channels * size).fill(1));
    return { name: this.node("Conv", [x.name, ones], { ...windowAttributes(op), group: channels }), type };
  }

  private trees(op: TreesOp, type: Real): Emitted {
    if (type === "double") unsupported("leaves that add up beyond 2^24 are not supported");
    const x = this.flat(op.x, "float");
    return { name: this.node("TreeEnsembleRegressor", [x.name], treeAttributes(op), { domain: "ai.onnx.ml" }), type };
  }
}

function windowAttributes(op: Window): Readonly<Record<string, readonly number[]>> {
  return { kernel_shape: [...op.kernel], strides: [...op.stride], pads: [...op.pad] };
}

/**
 * The bytes of the ONNX graph: one int32 input (the encoded input) and one int32 output, each with a free batch axis first.
 * Deterministic. Where the graph runs it is to be tried with known answers: an execution provider may sum in another type.
 * @throws TrisealError `MODEL_UNSUPPORTED` where no exact graph exists.
 */
export function emitOnnx(checked: CheckedModel): Uint8Array {
  const emitter = new Emitter(checked);
  emitter.run();
  const { model, values } = checked;
  const shape = values.at(-1)?.shape ?? [];
  if (elementCount(shape) < 1) unsupported("no output");
  return modelMessage({
    nodes: emitter.nodes,
    constants: emitter.constants,
    input: { name: model.input.name, shape: model.input.shape },
    output: { name: model.output.name, shape },
  });
}
