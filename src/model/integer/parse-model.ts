/** The file of an integer model: strict reader and canonical writer. SPEC sections 1 to 4. */
import { encodeBase64, equalBytes } from "../../core/bytes.ts";
import { array, base64Bytes, type Decoder, finite, integer, jsonObject, object, oneOf } from "../../core/decode.ts";
import { digestOf } from "../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { encodeJcs } from "../../core/jcs.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import { decodeTensorName, elementCount } from "../../core/tensor.ts";
import { analyseModel } from "./bounds.ts";
import { type CheckedModel, type IntegerModel, type IntegerOp, MAX_MAGNITUDE, operandsOf, type Shape } from "./integer-model.ts";
import { checkModelRules } from "./model-rules.ts";
import { MAX_VALUE_ELEMENTS } from "./shape.ts";

/** Largest file, in bytes. */
export const MAX_INTEGER_MODEL_BYTES = 64 * 1024 * 1024;

/** Most operations. */
export const MAX_OPS = 4096;

const MAX_WEIGHTS = 2 ** 24;
const MAX_TREES = 4096;
const MAX_NODES = 2 ** 20;
const MAX_EDGES = 65_535;

const index = integer(0, MAX_OPS);
const int32 = integer(-MAX_MAGNITUDE, MAX_MAGNITUDE);
const int32s = array(int32, MAX_VALUE_ELEMENTS);
const natural = (most: number): Decoder<number> => integer(0, most);
const count = (most: number): Decoder<number> => integer(1, most);

function tuple<const N extends 2 | 4>(
  item: Decoder<number>,
  length: N,
): Decoder<N extends 2 ? [number, number] : [number, number, number, number]> {
  const items = array(item, length);
  return (value, place) => {
    const list = items(value, place);
    if (list.length !== length) throw new TrisealError("FORMAT_INVALID", `${place}: expected ${length} items`);
    return list as N extends 2 ? [number, number] : [number, number, number, number];
  };
}

const decodeShape: Decoder<Shape> = (value, place) => {
  const shape = array(count(MAX_VALUE_ELEMENTS), 8)(value, place);
  if (shape.length === 0 || elementCount(shape) > MAX_VALUE_ELEMENTS) {
    throw new TrisealError("FORMAT_INVALID", `${place}: expected 1 to 8 axes and at most ${MAX_VALUE_ELEMENTS} elements`);
  }
  return shape;
};

const weights: Decoder<Int8Array> = (value, place) => {
  const bytes = base64Bytes(MAX_WEIGHTS)(value, place);
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
};

const window = { kernel: tuple(count(4096), 2), stride: tuple(count(4096), 2), pad: tuple(natural(4096), 4) };
const weighted = { bits: integer(2, 8), weights, bias: int32s };
const nodes = array(integer(-MAX_NODES - 1, MAX_NODES), MAX_NODES);
const tree = object({
  feature: array(natural(MAX_VALUE_ELEMENTS), MAX_NODES),
  threshold: array(natural(MAX_EDGES), MAX_NODES),
  yes: nodes,
  no: nodes,
  leaves: int32s,
});

const decodeOps = {
  linear: object({ op: oneOf("linear"), x: index, rows: count(MAX_VALUE_ELEMENTS), ...weighted }),
  conv: object({
    op: oneOf("conv"),
    x: index,
    channels: count(65_536),
    ...window,
    dilation: tuple(count(4096), 2),
    groups: count(65_536),
    fill: int32,
    ...weighted,
  }),
  add: object({ op: oneOf("add"), x: array(index, 16), multipliers: array(int32, 16) }),
  requant: object({ op: oneOf("requant"), x: index, offset: int32, shift: natural(30), max: count(65_535) }),
  "sum-pool": object({ op: oneOf("sum-pool"), x: index, ...window }),
  "max-pool": object({ op: oneOf("max-pool"), x: index, ...window }),
  concat: object({ op: oneOf("concat"), x: array(index, 64), axis: natural(7) }),
  reshape: object({ op: oneOf("reshape"), x: index, shape: decodeShape }),
  "arg-max": object({ op: oneOf("arg-max"), x: index }),
  trees: object({ op: oneOf("trees"), x: index, base: int32s, trees: array(tree, MAX_TREES) }),
} as const satisfies { readonly [Name in IntegerOp["op"]]: Decoder<Extract<IntegerOp, { op: Name }>> };

const decodeOpName = oneOf(...(Object.keys(decodeOps) as IntegerOp["op"][]));

const decodeOp: Decoder<IntegerOp> = (value, place) =>
  decodeOps[decodeOpName(jsonObject(value, place)["op"], `${place}.op`)](value, place);

const affine = object({ kind: oneOf("affine"), multiplier: finite, zero: natural(65_535), max: count(65_535) });
const bins = object({ kind: oneOf("bins"), edges: array(array(finite, MAX_EDGES), MAX_VALUE_ELEMENTS) });
const decodeEncoding: Decoder<IntegerModel["input"]["encoding"]> = (value, place) =>
  jsonObject(value, place)["kind"] === "bins" ? bins(value, place) : affine(value, place);

/** Decodes how a real input becomes value 0. Whether the encoding fits the shape is not checked. */
export const decodeIntegerInput: Decoder<IntegerModel["input"]> = object({
  name: decodeTensorName,
  shape: decodeShape,
  encoding: decodeEncoding,
});

/** Decodes what the last value means. */
export const decodeIntegerOutput: Decoder<IntegerModel["output"]> = object({
  name: decodeTensorName,
  meaning: oneOf("logits", "scores", "class"),
  scale: finite,
  offset: finite,
});

const decodeModel: Decoder<IntegerModel> = object({
  v: oneOf(1),
  input: decodeIntegerInput,
  ops: array(decodeOp, MAX_OPS),
  output: decodeIntegerOutput,
});

/** The canonical bytes of an integer model (SPEC section 1). Checks nothing. */
export function encodeIntegerModel(model: IntegerModel): Uint8Array {
  return encodeJcs({ v: model.v, input: asJson(model.input), ops: model.ops.map(opAsJson), output: asJson(model.output) });
}

function asJson(value: object): JsonObject {
  return value as JsonObject;
}

function opAsJson(op: IntegerOp): JsonValue {
  if (op.op !== "linear" && op.op !== "conv") return asJson(op);
  const { buffer, byteOffset, length } = op.weights;
  return { ...asJson(op), weights: encodeBase64(new Uint8Array(buffer, byteOffset, length)) };
}

/** Which values are never read. */
function unread(model: IntegerModel): readonly number[] {
  const read = new Set(model.ops.flatMap(operandsOf));
  return model.ops.map((_, at) => at).filter((value) => !read.has(value));
}

/**
 * A model with its digest and its bounds, once it was shown to follow every rule of the specification.
 * @throws TrisealError `MODEL_INVALID`.
 */
export function checkIntegerModel(model: IntegerModel): CheckedModel {
  return checked(model, encodeIntegerModel(model));
}

function checked(model: IntegerModel, bytes: Uint8Array): CheckedModel {
  if (model.ops.length === 0) invalid("no operation");
  const [idle] = unread(model);
  if (idle !== undefined) invalid(`value ${idle} is read by no operation`);
  checkModelRules(model);
  return { model, digest: digestOf(bytes), values: analyseModel(model) };
}

/**
 * Reads the file of an integer model.
 * @throws TrisealError `MODEL_INVALID`: too large, no strict JSON, another form, not canonical, a rule broken, or a sum that
 *   could leave int32.
 */
export function parseIntegerModel(bytes: Uint8Array): CheckedModel {
  if (bytes.length > MAX_INTEGER_MODEL_BYTES) invalid(`more than ${MAX_INTEGER_MODEL_BYTES} bytes`);
  let model: IntegerModel;
  try {
    model = decodeModel(parseJson(bytes), "integer model");
  } catch (cause) {
    if (isTrisealError(cause, "FORMAT_INVALID")) throw new TrisealError("MODEL_INVALID", cause.message, { cause });
    throw cause;
  }
  if (!equalBytes(encodeIntegerModel(model), bytes)) invalid("the bytes are not canonical");
  return checked(model, bytes);
}

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `integer model: ${reason}`);
}
