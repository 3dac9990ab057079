/**
 * The architecture of a model whose weights are private: shapes and bit widths, and what follows from them for every weight that
 * these widths hold. Circuit, key and setup are made from it alone. Normative text: SPEC.md beside this file.
 */
import { encodeHex, equalBytes } from "../../../core/bytes.ts";
import { array, type Decoded, type Decoder, integer, jsonObject, object, oneOf } from "../../../core/decode.ts";
import { digestBytes, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";
import { elementCount } from "../../../core/tensor.ts";
import { type CheckedModel, type IntegerOp, MAX_MAGNITUDE, type ValueBounds } from "../../../model/integer/integer-model.ts";
import { bitLength } from "./element-plan.ts";

/** Name of a package's file that holds the architecture. */
export const ARCHITECTURE_FILE = "architecture.json";

/** Largest document, in bytes. */
export const MAX_ARCHITECTURE_BYTES = 64 * 1024;

/** Most weights of a model: what its circuit and key grow with. */
export const MAX_COMMITTED_WEIGHTS = 2 ** 14;

/** Most rows that an architecture may be compiled to, about: bounds the time that a foreign document takes. */
const MAX_COMMITTED_ROWS = 2 ** 18;

const KIND = "triseal.zk.architecture.v1";
const MAX_OPS = 256;
const MAX_ELEMENTS = 2 ** 14;
/** Bits of a number that double precision holds, so that witnesses need no other arithmetic. */
const EXACT_BITS = 52;
const MAX_SHIFT = 30;

const index = integer(0, MAX_OPS);
const size = integer(1, MAX_ELEMENTS);

const decodeShape: Decoder<readonly number[]> = (value, place) => {
  const shape = array(size, 8)(value, place);
  if (shape.length === 0 || elementCount(shape) > MAX_ELEMENTS) refuse(`${place}: expected at most ${MAX_ELEMENTS} elements`);
  return shape;
};

const decodeOps = {
  /** Weights from -2^(bits - 1) on in `bits` bits each; biases from -2^biasBits on in one bit more. */
  linear: object({ op: oneOf("linear"), x: index, rows: size, bits: integer(2, 8), biasBits: integer(1, 31) }),
  /** The offset, from -2^offsetBits on, has one bit more; the shift is any from 0 to `mostShift`. */
  requant: object({
    op: oneOf("requant"),
    x: index,
    max: integer(1, 65_535),
    offsetBits: integer(1, 31),
    mostShift: integer(1, MAX_SHIFT),
  }),
  reshape: object({ op: oneOf("reshape"), x: index, shape: decodeShape }),
  "arg-max": object({ op: oneOf("arg-max"), x: index }),
} as const;

/** One operation: that of the integer model without what was trained. Operation `i` makes value `i + 1`. */
export type ArchitectureOp = Decoded<(typeof decodeOps)[keyof typeof decodeOps]>;

const decodeOpName = oneOf(...(Object.keys(decodeOps) as (keyof typeof decodeOps)[]));
const decodeOp: Decoder<ArchitectureOp> = (value, place) =>
  decodeOps[decodeOpName(jsonObject(value, place)["op"], `${place}.op`)](value, place);

const decodeArchitecture = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  /** Shape of one sample and the largest integer that an input is encoded to. */
  input: object({ shape: decodeShape, max: integer(1, 65_535) }),
  ops: array(decodeOp, MAX_OPS),
});

/** The document. */
export type ArchitectureDocument = Decoded<typeof decodeArchitecture>;

/** A document with what follows from it. */
export interface Architecture {
  readonly document: ArchitectureDocument;
  /** SHA-256 of the canonical bytes. */
  readonly digest: Sha256Digest;
  /** Bounds and shape of every value, value 0 first, for every input and every weight. */
  readonly values: readonly ValueBounds[];
  readonly weights: number;
}

function refuse(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", `architecture: ${reason}`);
}

function unsupported(reason: string): never {
  throw new TrisealError("MODEL_UNSUPPORTED", `private weights: ${reason}`);
}

function uniform(shape: readonly number[], lo: number, hi: number, magnitude: number): ValueBounds {
  const count = elementCount(shape);
  return { shape, lo: new Float64Array(count).fill(lo), hi: new Float64Array(count).fill(hi), magnitude };
}

const largest = ({ lo, hi }: ValueBounds): number => Math.max(Math.abs(lo[0] ?? 0), Math.abs(hi[0] ?? 0));

/** Largest sum of products of a row, whatever the weights. */
function mostProducts(bits: number, x: ValueBounds): number {
  return x.lo.length * 2 ** (bits - 1) * largest(x);
}

/** How a requantisation's numbers are spelled. */
export interface RequantWidths {
  /** `x + offset` is from -2^magnitude to 2^magnitude - 1. */
  readonly magnitude: number;
  readonly offsetBits: number;
  readonly mostShift: number;
}

/** The widths of a requantisation of `x`. */
export function requantWidths(x: ValueBounds): RequantWidths {
  const offsetBits = bitLength(largest(x));
  const magnitude = bitLength(largest(x) + 2 ** offsetBits - 1);
  return { magnitude, offsetBits, mostShift: Math.min(MAX_SHIFT, magnitude, EXACT_BITS - magnitude) };
}

/** The value of `op`. @throws TrisealError `MODEL_UNSUPPORTED` where some weights would take a sum out of int32. */
function boundsOf(op: ArchitectureOp, x: ValueBounds): ValueBounds {
  switch (op.op) {
    case "linear": {
      const most = mostProducts(op.bits, x) + 2 ** op.biasBits;
      if (most > MAX_MAGNITUDE) unsupported("some weights of these widths would take a sum out of 32-bit integers");
      return uniform([op.rows], -most, most, most);
    }
    case "requant":
      return uniform(x.shape, 0, op.max, largest(x) + 2 ** op.offsetBits);
    case "reshape":
      return { ...x, shape: op.shape };
    case "arg-max":
      return uniform([1], 0, x.lo.length - 1, x.magnitude);
  }
}

/** About how many rows `op` takes, hash apart: no fewer than there are, and at most a third more. */
function rowsOf(op: ArchitectureOp, x: ValueBounds): number {
  const n = x.lo.length;
  switch (op.op) {
    case "linear":
      return op.rows * (n * (op.bits + 1) + op.biasBits + 1);
    case "requant": {
      const { magnitude, mostShift } = requantWidths(x);
      return n * (2 * magnitude + mostShift + 6) + op.offsetBits + mostShift + 4;
    }
    case "reshape":
      return 0;
    case "arg-max":
      return n * (bitLength(2 * largest(x) + 1) + 4);
  }
}

/** @throws TrisealError `FORMAT_INVALID` for widths or a shape that do not follow from what stands before. */
function checkOp(op: ArchitectureOp, x: ValueBounds): void {
  if (op.op === "linear" && op.biasBits !== bitLength(mostProducts(op.bits, x))) refuse("biases have another width");
  if (op.op === "reshape" && elementCount(op.shape) !== x.lo.length) refuse("a reshape changes the number of elements");
  if (op.op !== "requant") return;
  const { offsetBits, mostShift } = requantWidths(x);
  if (op.offsetBits !== offsetBits || op.mostShift !== mostShift) refuse("a requantisation has other widths");
}

function checked(document: ArchitectureDocument, bytes: Uint8Array): Architecture {
  const { input, ops } = document;
  const values = [uniform(input.shape, 0, input.max, input.max)];
  let weights = 0;
  let rows = 0;
  if (ops.length === 0) refuse("no operation");
  ops.forEach((op, at) => {
    const x = values[op.x];
    if (x === undefined || op.x > at) return refuse(`operation ${at} reads a later value`);
    checkOp(op, x);
    const value = boundsOf(op, x);
    if (value.lo.length > MAX_ELEMENTS) unsupported(`a value has more than ${MAX_ELEMENTS} elements`);
    values.push(value);
    if (op.op === "linear") weights += op.rows * x.lo.length;
    rows += rowsOf(op, x);
  });
  if (weights > MAX_COMMITTED_WEIGHTS) {
    unsupported(`${weights} weights are too many for a circuit (at most ${MAX_COMMITTED_WEIGHTS}): take \`baked\``);
  }
  if (rows > MAX_COMMITTED_ROWS)
    unsupported(`about ${rows} constraints are too many (at most ${MAX_COMMITTED_ROWS}): take \`baked\``);
  if (weights === 0) unsupported("the model has no weights of its own");
  return { document, digest: digestOf(bytes), values, weights };
}

/** The canonical bytes: JCS. */
export function encodeArchitecture(document: ArchitectureDocument): Uint8Array {
  return encodeJcs(document);
}

/**
 * Reads `architecture.json`.
 * @throws TrisealError `FORMAT_INVALID`: too large, another form, not canonical, or widths that do not follow from the shapes;
 *   `MODEL_UNSUPPORTED`: too large for a circuit, or not within int32 for all weights.
 */
export function parseArchitecture(bytes: Uint8Array): Architecture {
  if (bytes.length > MAX_ARCHITECTURE_BYTES) refuse(`more than ${MAX_ARCHITECTURE_BYTES} bytes`);
  const document = decodeArchitecture(parseJson(bytes), "architecture");
  if (!equalBytes(encodeArchitecture(document), bytes)) refuse("the bytes are not canonical");
  return checked(document, bytes);
}

function untrained(op: IntegerOp, x: ValueBounds): ArchitectureOp {
  switch (op.op) {
    case "linear":
      return { op: "linear", x: op.x, rows: op.rows, bits: op.bits, biasBits: bitLength(mostProducts(op.bits, x)) };
    case "requant": {
      const { offsetBits, mostShift } = requantWidths(x);
      return { op: "requant", x: op.x, max: op.max, offsetBits, mostShift };
    }
    case "reshape":
      return { op: "reshape", x: op.x, shape: op.shape };
    case "arg-max":
      return { op: "arg-max", x: op.x };
    case "trees":
      return unsupported("a tree ensemble is not supported: its thresholds and leaves are its structure");
    case "conv":
      return unsupported("a convolution is not supported: each weight would cost a constraint at every position");
    default:
      return unsupported(`\`${op.op}\` is not supported: take \`baked\``);
  }
}

/**
 * The architecture of a model: one for all models of its shapes and bit widths.
 * @throws TrisealError `MODEL_UNSUPPORTED` for a model that has none, with the reason. Whether the model's own biases, offsets and
 *   shifts are within the widths is for `weightsOf`.
 */
export function architectureOf({ model }: CheckedModel): Architecture {
  const { encoding, shape } = model.input;
  if (encoding.kind !== "affine") unsupported("a tree ensemble is not supported: its thresholds and leaves are its structure");
  const values = [uniform(shape, 0, encoding.max, encoding.max)];
  const ops = model.ops.map((op) => {
    const x = typeof op.x === "number" ? values[op.x] : undefined;
    if (x === undefined) return unsupported(`\`${op.op}\` is not supported: take \`baked\``);
    const own = untrained(op, x);
    values.push(boundsOf(own, x));
    return own;
  });
  try {
    return parseArchitecture(encodeArchitecture({ v: 1, kind: KIND, input: { shape, max: encoding.max }, ops }));
  } catch (cause) {
    if (!isTrisealError(cause, "FORMAT_INVALID")) throw cause;
    return unsupported(cause.message);
  }
}

/** The architecture as a field element, which every commitment to its weights begins with: 253 bits of its digest. */
export function architectureElement({ digest }: Architecture): bigint {
  return BigInt(`0x${encodeHex(digestBytes(digest))}`) >> 3n;
}
