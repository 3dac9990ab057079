/** ONNX (opsets 11 to 21) as a float model: one input, one output, and the operations that the paths with integers can take. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { FloatModel, FloatOp } from "../float/float-model.ts";
import { operandsOf, type Shape } from "../integer/integer-model.ts";
import { MAX_VALUE_ELEMENTS } from "../integer/shape.ts";
import { readAdd, readBatchNormalization, readDiv, readGemm, readMatMul, readMul, readSub } from "./affine.ts";
import { readLinear, readTreeClassifier, readTreeRegressor } from "./classical.ts";
import { readArgMax, readConstant, readSame, readScoreForm, readSigmoid, readSoftmax } from "./finals.ts";
import { GraphBuilder, type NodeReader } from "./graph-builder.ts";
import {
  readClip,
  readConcat,
  readConv,
  readFlatten,
  readGlobalAveragePool,
  readPool,
  readRelu,
  readReshape,
  readTranspose,
} from "./layers.ts";
import type { GraphProto, ModelProto, NodeProto, ValueProto } from "./messages.ts";
import { parseConstant, shown, unsupported } from "./tensor.ts";
import { parseModelProto } from "./wire.ts";

/** Largest ONNX file that is imported, in bytes. */
export const MAX_ONNX_BYTES = 256 * 1024 * 1024;

/** Opsets of the default domain that are read, and of ai.onnx.ml. */
const OPSETS = { least: 11, most: 21 } as const;
const ML_OPSETS = { least: 1, most: 4 } as const;

const READERS: Readonly<Record<string, NodeReader>> = {
  Add: readAdd,
  ArgMax: readArgMax,
  AveragePool: readPool,
  BatchNormalization: readBatchNormalization,
  Cast: readSame,
  Clip: readClip,
  Concat: readConcat,
  Constant: readConstant,
  Conv: readConv,
  Div: readDiv,
  Dropout: readSame,
  Flatten: readFlatten,
  Gemm: readGemm,
  GlobalAveragePool: readGlobalAveragePool,
  Identity: readSame,
  MatMul: readMatMul,
  MaxPool: readPool,
  Mul: readMul,
  Relu: readRelu,
  Reshape: readReshape,
  Sigmoid: readSigmoid,
  Softmax: readSoftmax,
  Sub: readSub,
  Transpose: readTranspose,
};

const ML_READERS: Readonly<Record<string, NodeReader>> = {
  LinearClassifier: readLinear,
  LinearRegressor: readLinear,
  Normalizer: readScoreForm,
  TreeEnsembleClassifier: readTreeClassifier,
  TreeEnsembleRegressor: readTreeRegressor,
  ZipMap: readScoreForm,
};

/** Operations of the default domain and of ai.onnx.ml that an integer model can be made of, sorted. */
export const SUPPORTED_OPS: readonly string[] = [...Object.keys(READERS), ...Object.keys(ML_READERS)].sort();

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `ONNX: ${reason}`);
}

function readerOf(node: NodeProto): NodeReader {
  const isMl = node.domain === "ai.onnx.ml";
  const readers = isMl ? ML_READERS : READERS;
  const isKnown = isMl || node.domain === "" || node.domain === "ai.onnx";
  const reader = isKnown && Object.hasOwn(readers, node.opType) ? readers[node.opType] : undefined;
  return (
    reader ??
    unsupported(node, "is no operation of integer models: serve the model on the tee path, or export it without this one")
  );
}

/** Opsets that are read of `domain`; null for a domain that only matters if a node uses it, which `readerOf` refuses. */
function opsetRange(domain: string): { readonly least: number; readonly most: number } | null {
  if (domain === "ai.onnx.ml") return ML_OPSETS;
  return domain === "" || domain === "ai.onnx" ? OPSETS : null;
}

function opsetOf(model: ModelProto): number {
  for (const { domain, version } of model.opsets) {
    const range = opsetRange(domain);
    if (range === null || (version >= range.least && version <= range.most)) continue;
    throw new TrisealError(
      "MODEL_UNSUPPORTED",
      `ONNX: opset ${version} of ${domain === "" ? "ai.onnx" : domain}; opsets ${range.least} to ${range.most} are read: export with one of them`,
    );
  }
  const main = model.opsets.find(({ domain }) => opsetRange(domain) === OPSETS);
  return main?.version ?? (model.opsets.some(({ domain }) => domain === "ai.onnx.ml") ? OPSETS.most : invalid("states no opset"));
}

/** Shape of one sample of the graph's input. The first axis is the batch: free or 1. */
function sampleShape(input: ValueProto): Shape {
  const place = `input ${shown(input.name)}`;
  if (input.elementType !== 1)
    throw new TrisealError("MODEL_UNSUPPORTED", `ONNX: ${place} is no FP32 tensor: export with float inputs`);
  const [batch, ...rest] = input.dims ?? [];
  if (batch === undefined || rest.length === 0) invalid(`${place} needs a batch axis and at least one more`);
  if (batch !== null && batch !== 1) {
    throw new TrisealError("MODEL_UNSUPPORTED", `ONNX: ${place} fixes a batch of ${batch}: export with a free batch axis`);
  }
  const shape = rest.map((length) => length ?? 0);
  if (shape.some((length) => length < 1)) invalid(`${place} leaves another axis than the batch free, or empty`);
  if (shape.length > 3 || elementCount(shape) > MAX_VALUE_ELEMENTS) invalid(`${place} has too many axes or elements`);
  return shape;
}

function inputOf(graph: GraphProto): ValueProto {
  const constants = new Set(graph.initializers.map((tensor) => tensor.name));
  const inputs = graph.inputs.filter((input) => !constants.has(input.name));
  const [input] = inputs;
  if (input === undefined) return invalid("no input");
  if (inputs.length > 1) throw new TrisealError("MODEL_UNSUPPORTED", `ONNX: ${inputs.length} inputs; integer models have one`);
  return input;
}

interface FinalValue {
  readonly source: ValueProto;
  readonly value: number;
  readonly final: string | null;
  readonly offset: number;
}

/** What the file itself says of its output. */
function declaredOutput({ elementType, dims }: ValueProto): FloatModel["output"]["declared"] {
  const lengths = (dims ?? []).slice(1);
  const isStated = lengths.length > 0 && lengths.every((length) => length !== null && length >= 1);
  return { elementType, shape: isStated ? lengths.map(Number) : null };
}

/** The one output that counts: labels beside scores follow from them. */
function outputOf(builder: GraphBuilder, graph: GraphProto): FinalValue {
  const finals: FinalValue[] = [];
  for (const source of graph.outputs) {
    const { name } = source;
    const held = builder.held(name) ?? invalid(`output ${shown(name)} is made by no node`);
    if (held.kind === "value") finals.push({ source, ...held });
    else if (held.kind === "constant") invalid(`output ${shown(name)} is constant`);
  }
  const [first] = finals;
  if (first === undefined) {
    throw new TrisealError("MODEL_UNSUPPORTED", "ONNX: only a label is returned: export the scores as well");
  }
  if (finals.some((other) => other.value !== first.value)) {
    throw new TrisealError("MODEL_UNSUPPORTED", "ONNX: several outputs; integer models have one");
  }
  return first;
}

/** Drops what the output does not need and numbers the rest anew. */
function needed(builder: GraphBuilder, output: number): Pick<FloatModel, "ops" | "shapes"> {
  const used = new Set([output]);
  for (let value = output; value > 0; value--) {
    const op = used.has(value) ? builder.producer(value) : undefined;
    if (op !== undefined) for (const at of operandsOf(op)) used.add(at);
  }
  if (!used.has(0)) invalid("the output does not depend on the input");
  const kept = [...used].sort((left, right) => left - right);
  const renumbered = new Map(kept.map((value, at) => [value, at]));
  const ops = kept.slice(1).map((value): FloatOp => {
    const op = builder.producer(value) ?? invalid("a value is made by no node");
    const moved = operandsOf(op).map((at) => renumbered.get(at) ?? 0);
    return { ...op, x: typeof op.x === "number" ? (moved[0] ?? 0) : moved } as FloatOp;
  });
  return { ops, shapes: kept.map((value) => builder.shape(value)) };
}

/**
 * The float model in an ONNX file.
 * @throws TrisealError `MODEL_INVALID` for a file that is malformed, too large, keeps data elsewhere or holds NaN or infinity;
 *   `MODEL_UNSUPPORTED`, with operation, node name and what to do, for what integer models cannot express.
 */
export function importOnnx(bytes: Uint8Array): FloatModel {
  if (bytes.length > MAX_ONNX_BYTES) invalid(`more than ${MAX_ONNX_BYTES} bytes`);
  const proto = parseModelProto(bytes);
  const { graph } = proto;
  if (graph === null) return invalid("no graph");
  if (graph.sparse) throw new TrisealError("MODEL_UNSUPPORTED", "ONNX: sparse initialisers are not supported: export dense ones");
  if (proto.functions) throw new TrisealError("MODEL_UNSUPPORTED", "ONNX: model functions are not supported: inline them");
  const opset = opsetOf(proto);
  const input = inputOf(graph);
  const builder = new GraphBuilder(input.name, sampleShape(input));
  const names = new Set([input.name]);
  for (const tensor of graph.initializers) {
    if (names.has(tensor.name) || tensor.name === "") invalid(`tensor ${shown(tensor.name)} stands twice or has no name`);
    names.add(tensor.name);
    builder.hold(tensor.name, { kind: "constant", constant: parseConstant(tensor) });
  }
  for (const node of graph.nodes) readerOf(node)(builder, node, opset);
  const { source, value, final, offset } = outputOf(builder, graph);
  const { ops, shapes } = needed(builder, value);
  if (ops.length === 0) invalid("the output is the input");
  const isClass = ops.at(-1)?.op === "arg-max";
  const meaning = isClass ? "class" : final === null ? "scores" : "logits";
  return {
    input: { name: input.name, shape: shapes[0] ?? [] },
    ops,
    shapes,
    output: { name: source.name, meaning, offset, declared: declaredOutput(source) },
    notes: builder.notes,
  };
}
