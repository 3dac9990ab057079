/** Tensors of the Open Inference Protocol v2 and their validation against what a model declares. */
import { DATATYPES, type Datatype, type TensorData } from "./datatype.ts";
import { array, type Decoded, integer, matching, object, oneOf } from "./decode.ts";
import { TrisealError } from "./errors.ts";
import type { JsonValue } from "./json.ts";
import { ELEMENT_ARRAYS, parseElements } from "./tensor-bytes.ts";

export { DATATYPES, type Datatype, type TensorData };

/** Reads a tensor name: 1 to 128 printable characters. */
export const decodeTensorName = matching(/[\x21-\x7e]{1,128}/, "a tensor name of 1 to 128 visible ASCII characters");

/** Decodes the declaration of a tensor: a shape entry of -1 takes any length of at least 1. */
export const decodeTensorSpec = object({
  name: decodeTensorName,
  datatype: oneOf(...DATATYPES),
  shape: array(integer(-1, 2 ** 31 - 1), 8),
});

/** What a model declares about one of its tensors. */
export type TensorSpec = Decoded<typeof decodeTensorSpec>;

/** A named tensor with its elements in row-major order. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Most elements that one tensor may have, unless a caller of `parseTensor` sets less. */
export const MAX_TENSOR_ELEMENTS = 16 * 1024 * 1024;

const INTEGER_RANGES: Partial<Record<Datatype, readonly [least: number, most: number]>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
  // JSON numbers are doubles here: a 64-bit integer beyond 2^53 would arrive as another one, and is refused.
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
};

/** Number of elements of `shape`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function invalid(name: string, reason: string): never {
  throw new TrisealError("REQUEST_TENSOR_INVALID", `tensor \`${name}\`: ${reason}`);
}

function flatten(data: JsonValue, into: JsonValue[], limit: number): void {
  if (!Array.isArray(data)) {
    into.push(data);
    return;
  }
  for (const item of data as readonly JsonValue[]) {
    if (into.length > limit) return;
    flatten(item, into, limit);
  }
}

function checkShape(shape: readonly number[], spec: TensorSpec): void {
  const wanted = `[${spec.shape.join(",")}]`;
  const fits =
    shape.length === spec.shape.length &&
    spec.shape.every((length, axis) => (length === -1 ? (shape[axis] ?? 0) >= 1 : shape[axis] === length));
  if (!fits) invalid(spec.name, `shape [${shape.join(",")}] does not fit ${wanted}`);
}

/** JSON elements in the array that holds them in memory. */
function convert(name: string, datatype: Datatype, items: readonly JsonValue[]): TensorData {
  const typed = (kind: "string" | "boolean" | "number") => {
    if (!items.every((item) => typeof item === kind)) invalid(name, `${datatype} data must be of JSON type ${kind}`);
  };
  if (datatype === "FP16") invalid(name, "FP16 has no JSON form: send it as binary");
  if (datatype === "BYTES") {
    typed("string");
    return items as readonly string[];
  }
  if (datatype === "BOOL") {
    typed("boolean");
    return Uint8Array.from(items as readonly boolean[], Number);
  }
  typed("number");
  const numbers = items as readonly number[];
  const range = INTEGER_RANGES[datatype];
  if (range !== undefined && !numbers.every((item) => Number.isInteger(item) && item >= range[0] && item <= range[1])) {
    invalid(name, `an element is no integer in the range of ${datatype}`);
  }
  if (datatype === "FP32" && !numbers.every((item) => Number.isFinite(Math.fround(item)))) {
    throw new TrisealError("REQUEST_NOT_FINITE", `tensor \`${name}\`: an element is beyond the range of FP32`);
  }
  if (datatype === "INT64") return BigInt64Array.from(numbers, BigInt);
  if (datatype === "UINT64") return BigUint64Array.from(numbers, BigInt);
  return ELEMENT_ARRAYS[datatype].from(numbers);
}

/** The elements of a tensor as they came: JSON of the `data` member, or bytes of the binary part. */
export type TensorContent = { readonly json: JsonValue } | { readonly binary: Uint8Array };

function jsonElements(name: string, datatype: Datatype, count: number, json: JsonValue): TensorData {
  if (!Array.isArray(json)) invalid(name, "`data` must be an array");
  const items: JsonValue[] = [];
  flatten(json, items, count);
  if (items.length !== count) {
    const got = items.length > count ? `more than ${count}` : String(items.length);
    invalid(name, `the shape needs ${count} elements, got ${got}`);
  }
  return convert(name, datatype, items);
}

/**
 * One tensor, checked against its declaration: datatype, shape, element count, element type and range.
 * What is allocated is bounded by the bytes that came, not by the lengths that the request states.
 * @throws TrisealError `REQUEST_TENSOR_INVALID`, or `REQUEST_NOT_FINITE` for a JSON number that overflows FP32. Binary
 *   floats may be NaN or infinite: `assertFinite` refuses them in requests.
 */
export function parseTensor(
  spec: TensorSpec,
  request: { readonly datatype: string; readonly shape: readonly number[]; readonly content: TensorContent },
  maxElements = MAX_TENSOR_ELEMENTS,
): Tensor {
  const { name, datatype } = spec;
  const { shape, content } = request;
  if (request.datatype !== datatype) invalid(name, `datatype must be ${datatype}`);
  checkShape(shape, spec);
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count) || count > maxElements) invalid(name, `more than ${maxElements} elements`);
  const data =
    "binary" in content
      ? parseElements(name, datatype, count, content.binary)
      : jsonElements(name, datatype, count, content.json);
  return { name, datatype, shape, data };
}

/** A loop, which is compiled as one: with a function for each element a large tensor takes twenty times as long. */
function areFinite(data: Float32Array | Float64Array): boolean {
  for (let index = 0; index < data.length; index++) if (!Number.isFinite(data[index])) return false;
  return true;
}

/** @throws TrisealError `REQUEST_NOT_FINITE` where a float of `tensor` is NaN or infinite, which JSON could not have said either. */
export function assertFinite({ name, datatype, data }: Tensor): void {
  const finite =
    datatype === "FP32" || datatype === "FP64"
      ? areFinite(data as Float32Array | Float64Array)
      : // The five exponent bits of an FP16 are all ones in infinities and NaN alone.
        datatype !== "FP16" || (data as Uint16Array).every((bits) => (bits & 0x7c00) !== 0x7c00);
  if (!finite) throw new TrisealError("REQUEST_NOT_FINITE", `tensor \`${name}\`: an element is NaN or infinite`);
}
