/** The OIP body of a call, and which of its tensors travel as binary. */

import { TrisealError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { encodeInferenceRequest } from "../core/oip.ts";
import type { OutgoingTensor } from "../core/oip-body.ts";
import { DATATYPES, type Datatype, elementCount, parseTensor, type Tensor, type TensorData } from "../core/tensor.ts";
import { ELEMENT_ARRAYS } from "../core/tensor-bytes.ts";

/** Bytes from which on a typed array travels as binary by itself: below, JSON costs next to nothing and anyone can read it. */
const BINARY_FROM_BYTES = 4096;

/**
 * One input tensor. `data` is the typed array of its datatype (`Float32Array` for FP32, `BigInt64Array` for INT64,
 * `Uint8Array` for BOOL, `Uint16Array` of raw bits for FP16), or JSON elements, flat or nested row-major.
 */
export interface CallTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: TensorData | JsonValue;
}

/** What a body is made of. */
export interface CallBody {
  readonly id: string;
  readonly inputs: readonly CallTensor[];
  readonly parameters?: JsonObject | undefined;
  readonly outputs?: readonly string[] | undefined;
  readonly binary?: boolean | undefined;
}

function invalid(name: string, reason: string): never {
  throw new TrisealError("REQUEST_TENSOR_INVALID", `tensor \`${name}\`: ${reason}`);
}

function isTyped(data: CallTensor["data"]): data is Exclude<TensorData, readonly string[]> {
  return ArrayBuffer.isView(data);
}

/** A tensor whose elements are those of its datatype and as many as its shape says. */
function checked({ name, datatype, shape, data }: CallTensor): Tensor {
  const known = DATATYPES.find((candidate) => candidate === datatype);
  if (known === undefined) invalid(name, `no datatype \`${datatype.slice(0, 16)}\``);
  if (!isTyped(data))
    return parseTensor({ name, datatype: known, shape }, { datatype, shape, content: { json: data as JsonValue } });
  const count = elementCount(shape);
  if (data.length !== count) invalid(name, `shape [${shape.join(",")}] needs ${count} elements, got ${data.length}`);
  if (!isArrayOf(known, data)) invalid(name, `the typed array is not that of ${known}`);
  return { name, datatype: known, shape, data };
}

function isArrayOf(datatype: Datatype, data: TensorData): boolean {
  return datatype !== "BYTES" && ArrayBuffer.isView(data) && data[Symbol.toStringTag] === ELEMENT_ARRAYS[datatype].name;
}

/**
 * The body of a call. Typed arrays of 4 KiB and more travel as binary, everything else as JSON; `binary` decides
 * otherwise for all tensors. Where one travels as binary, outputs are asked for as binary too.
 * @throws TrisealError `REQUEST_TENSOR_INVALID` for a typed array that is not of its datatype or shape;
 *   `REQUEST_NOT_FINITE` for NaN and infinities that would travel as JSON.
 */
export function encodeCall(call: CallBody): Uint8Array {
  const inputs = call.inputs.map((input) => outgoing(input, call.binary));
  const asked = call.binary === true || inputs.some((input) => "tensor" in input && input.binary);
  const parameters = asked ? { binary_data_output: true, ...call.parameters } : call.parameters;
  return encodeInferenceRequest({ id: call.id, parameters, inputs, outputs: call.outputs });
}

function outgoing(input: CallTensor, choice: boolean | undefined): OutgoingTensor {
  const { data } = input;
  const binary = choice ?? (isTyped(data) && data.byteLength >= BINARY_FROM_BYTES);
  if (binary || isTyped(data)) return { tensor: checked(input), binary };
  // JSON elements are sent as they are: the service judges them against the model, and its refusal has a receipt.
  return { json: input as unknown as JsonObject };
}
