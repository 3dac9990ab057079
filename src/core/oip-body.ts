/**
 * The body of an OIP message with the binary tensor data extension: one JSON object, then the bytes of the tensors that
 * say `parameters.binary_data_size`, in their order, and nothing else.
 *
 * Where the JSON ends follows from the bytes alone. A strict JSON object that ends with its closing brace is never a
 * proper prefix of another one: the braces outside strings balance for the first time at that brace, and what comes
 * after it would be text after the document. So of all lengths at most one splits a body into a JSON object and a rest,
 * a body has at most one meaning, and its SHA-256 binds the length too. The header `Inference-Header-Content-Length`
 * repeats that length and is compared with it; it never chooses.
 */
import { concatBytes, parseUtf8, utf8 } from "./bytes.ts";
import { anyJson, array, integer, jsonObject, object, text } from "./decode.ts";
import { TrisealError } from "./errors.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { assertFinite, decodeTensorName, type Tensor, type TensorContent } from "./tensor.ts";
import { tensorBytes } from "./tensor-bytes.ts";

/** Media type of a body without a binary part. */
export const JSON_TYPE = "application/json";

/** Media type of a body with a binary part, as servers of this protocol state it. */
export const BINARY_TYPE = "application/octet-stream";

/** The HTTP header that states how many bytes of the body are JSON. */
export const JSON_LENGTH_HEADER = "inference-header-content-length";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Offset after the string that starts at `offset`. Bytes of other characters than ASCII never equal a quote or a backslash. */
function endOfString(body: Uint8Array, offset: number): number {
  for (let index = offset + 1; index < body.length; index++) {
    if (body[index] === QUOTE) return index + 1;
    if (body[index] === BACKSLASH) index++;
  }
  return body.length;
}

/**
 * Length in bytes of the JSON object at the start of `body`, white space before it included; the length of `body` where
 * none begins or ends there, so that a strict parser then says what is wrong. Allocates nothing. Does not check that it
 * is JSON: if a strict parser accepts any part of the body from its start to a closing brace, it is this one.
 */
export function jsonLength(body: Uint8Array): number {
  let index = 0;
  while (SPACES.has(body[index] ?? 0)) index++;
  if (body[index] !== OPEN) return body.length;
  for (let depth = 0; index < body.length; ) {
    const byte = body[index];
    index = byte === QUOTE ? endOfString(body, index) : index + 1;
    if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return index;
  }
  return body.length;
}

/** The media type of a whole message: by whether anything follows its JSON. */
export function messageType(body: Uint8Array): string {
  return jsonLength(body) === body.length ? JSON_TYPE : BINARY_TYPE;
}

/**
 * What an answer of these bytes says in headers beside its type: with a binary part, the length of the JSON before it.
 */
export function messageHeaders(body: Uint8Array, mediaType: string): Readonly<Record<string, string>> {
  return mediaType === BINARY_TYPE ? { [JSON_LENGTH_HEADER]: String(jsonLength(body)) } : {};
}

/** A body in its two parts. */
export interface BodyParts {
  /** The text of the JSON object. */
  readonly json: string;
  readonly binary: Uint8Array;
}

/** Splits a body. @throws TrisealError `FORMAT_INVALID` where its JSON part is not UTF-8. */
export function splitBody(body: Uint8Array): BodyParts {
  const length = jsonLength(body);
  return { json: parseUtf8(body.subarray(0, length)), binary: body.subarray(length) };
}

/** Decodes a tensor's JSON: exactly one of `data` and `parameters.binary_data_size` must stand, which `takeBinary` checks. */
export const decodeTensorForm = object(
  { name: decodeTensorName, shape: array(integer(0, 2 ** 31 - 1), 8), datatype: text(16) },
  { data: anyJson, parameters: jsonObject },
);

/** A tensor of a message, not yet checked against a model. */
export interface MessageTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly content: TensorContent;
}

const decodeSize = integer();

function refuse(name: string, reason: string): never {
  throw new TrisealError("FORMAT_INVALID", `tensor \`${name}\`: ${reason}`);
}

/**
 * The tensors with their content: those with a `binary_data_size` take that many bytes of `binary`, in their order.
 * White space may follow a message without binary tensors, as it may follow any JSON document.
 * @throws TrisealError `FORMAT_INVALID`: a tensor with both or neither of `data` and `binary_data_size`, a size that is no
 *   integer, sizes whose sum is not the length of the binary part.
 */
export function takeBinary(
  tensors: readonly ReturnType<typeof decodeTensorForm>[],
  binary: Uint8Array,
): readonly MessageTensor[] {
  let offset = 0;
  const taken = tensors.map(({ name, shape, datatype, data, parameters }) => {
    const stated = parameters === undefined ? undefined : ownMember(parameters, "binary_data_size");
    if (stated === undefined) {
      if (data === undefined) refuse(name, "neither `data` nor `binary_data_size`");
      return { name, shape, datatype, content: { json: data } };
    }
    if (data !== undefined) refuse(name, "both `data` and `binary_data_size`");
    const size = decodeSize(stated, `tensor \`${name}\`: binary_data_size`);
    if (size > binary.length - offset) refuse(name, "`binary_data_size` is beyond the end of the body");
    offset += size;
    return { name, shape, datatype, content: { binary: binary.subarray(offset - size, offset) } };
  });
  const ended = offset === binary.length || (!taken.some(({ content }) => "binary" in content) && isBlank(binary));
  if (!ended) throw new TrisealError("FORMAT_INVALID", "the body goes on after its last tensor");
  return taken;
}

function ownMember(value: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => SPACES.has(byte));
}

/** A tensor to be written: checked, as JSON or as binary; or JSON that is written as it is. */
export type OutgoingTensor = { readonly tensor: Tensor; readonly binary: boolean } | { readonly json: JsonObject };

function jsonElements(tensor: Tensor): string {
  const { name, datatype, data } = tensor;
  if (!ArrayBuffer.isView(data)) return JSON.stringify(data);
  if (datatype === "BOOL") return JSON.stringify(Array.from(data as Uint8Array, (item) => item !== 0));
  if (datatype === "FP16")
    throw new TrisealError("REQUEST_TENSOR_INVALID", `tensor \`${name}\`: FP16 has no JSON form: ask for binary data`);
  assertFinite(tensor);
  // The shortest digits of a double; those of an FP32 element give the same FP32 back. 64-bit integers are written in full.
  return `[${data.join(",")}]`;
}

interface WrittenTensor {
  readonly json: string;
  readonly binary: Uint8Array | null;
}

function writeTensor(outgoing: OutgoingTensor): WrittenTensor {
  if ("json" in outgoing) return { json: JSON.stringify(outgoing.json), binary: null };
  const { tensor } = outgoing;
  const head = membersOf({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape });
  if (!outgoing.binary) return { json: `{${head},"data":${jsonElements(tensor)}}`, binary: null };
  const binary = tensorBytes(tensor);
  return { json: `{${head},"parameters":{"binary_data_size":${binary.length}}}`, binary };
}

/**
 * The body of a message: `member` is the name of its tensor list, `head` and `tail` are its other members.
 * @throws TrisealError `REQUEST_NOT_FINITE`, `REQUEST_TENSOR_INVALID` where a tensor to be written in JSON has no JSON form.
 */
export function encodeBody(
  head: JsonObject,
  member: "inputs" | "outputs",
  tensors: readonly OutgoingTensor[],
  tail: JsonObject = {},
): Uint8Array {
  const written = tensors.map(writeTensor);
  const list = `"${member}":[${written.map(({ json }) => json).join(",")}]`;
  const members = [membersOf(head), list, membersOf(tail)].filter((part) => part !== "");
  return concatBytes(utf8(`{${members.join(",")}}`), ...written.flatMap(({ binary }) => binary ?? []));
}

/** The members of an object without the braces around them. */
function membersOf(object: JsonObject): string {
  return JSON.stringify(object).slice(1, -1);
}
