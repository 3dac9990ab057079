/** A plain OIP request as a call of the SDK, and the verified answer in the form that the request asked for. */
import type { InferenceCall, VerifiedAnswer } from "../../client/index.ts";
import { array, type Decoded, object, text } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { encodeInferenceResponse, parseInferenceRequest, requestedOutputs } from "../../core/oip.ts";
import type { MessageTensor } from "../../core/oip-body.ts";
import { DATATYPES, decodeTensorName, decodeTensorSpec, elementCount } from "../../core/tensor.ts";
import { parseElements } from "../../core/tensor-bytes.ts";
import { assertJsonLength, assertMessageType } from "../../gateway/message-headers.ts";
import { essence } from "../../gateway/parse-call.ts";

const decodeMetadata = object({
  name: decodeTensorName,
  versions: array(text(256), 16),
  platform: text(256),
  inputs: array(decodeTensorSpec, 64),
  outputs: array(decodeTensorSpec, 64),
});

/** What the gateway says of a model. Nothing proves it: it decides only which outputs go back as binary. */
export type ModelMetadata = Decoded<typeof decodeMetadata>;

const decodeModels = object({ models: array(decodeTensorName, 4096) });

/** Parses OIP metadata of the model `name`. @throws TrisealError `FORMAT_INVALID`, `VERIFICATION_FAILED` for another model's. */
export function parseMetadata(bytes: Uint8Array, name: string): ModelMetadata {
  const metadata = decodeMetadata(parseJson(bytes), "metadata");
  if (metadata.name !== name) throw new TrisealError("VERIFICATION_FAILED", "the service describes another model");
  return metadata;
}

/** Parses the names of the models of a service. @throws TrisealError `FORMAT_INVALID`. */
export function parseModels(bytes: Uint8Array): readonly string[] {
  return decodeModels(parseJson(bytes), "models").models;
}

/** One inference request as it came in. */
export interface PlainRequest {
  readonly body: Uint8Array;
  /** `Content-Type`; empty where there is none. */
  readonly mediaType: string;
  /** `Inference-Header-Content-Length`, or null. */
  readonly jsonLength: string | null;
  /** `Idempotency-Key`, or null. */
  readonly idempotencyKey: string | null;
  /** The version that the address names, one of the model's; or null. */
  readonly version: string | null;
}

/** A request that can be sealed, and what its answer is to look like. */
export interface PlainCall {
  readonly call: InferenceCall;
  /** The OIP body of an answer to exactly this request. @throws TrisealError as `encodeInferenceResponse`; `VERIFICATION_FAILED`. */
  readonly encodeAnswer: (answer: Pick<VerifiedAnswer, "response">) => Uint8Array;
}

function callTensor({ name, shape, datatype, content }: MessageTensor): InferenceCall["inputs"][number] {
  if ("json" in content) return { name, shape, datatype, data: content.json };
  const known = DATATYPES.find((candidate) => candidate === datatype);
  if (known === undefined) throw new TrisealError("REQUEST_TENSOR_INVALID", `tensor \`${name}\`: no such datatype`);
  return { name, shape, datatype, data: parseElements(name, known, elementCount(shape), content.binary) };
}

/**
 * Reads a plain request. Elements in JSON go on as they came, and are judged by the worker; those of binary tensors are bytes
 * of the same tensors, and are asked for again as binary. The caller's `id` stays here: the one that is sent is random.
 * @throws TrisealError `REQUEST_MALFORMED`, `REQUEST_MEDIA_TYPE`, `REQUEST_NOT_FINITE`, `REQUEST_TENSOR_INVALID`.
 */
export function readPlainCall(plain: PlainRequest, model: ModelMetadata): PlainCall {
  const { body, version } = plain;
  assertMessageType(essence(plain.mediaType), plain.jsonLength);
  const request = parseInferenceRequest(body);
  assertJsonLength(plain.jsonLength, body, request);
  const wanted = requestedOutputs(request, model.outputs);
  const asBinary = new Set(wanted.filter(({ binary }) => binary).map(({ name }) => name));
  const { binary_data_output: _, ...stated } = request.parameters ?? {};
  const call: InferenceCall = {
    model: model.name,
    inputs: request.inputs.map(callTensor),
    parameters: asBinary.size === 0 ? stated : { ...stated, binary_data_output: true },
    ...(request.outputs === undefined ? {} : { outputs: wanted.map(({ name }) => name) }),
    ...(request.inputs.some(({ content }) => "binary" in content) ? { binary: true } : {}),
    ...(plain.idempotencyKey === null ? {} : { idempotencyKey: plain.idempotencyKey }),
    seal: true,
    allowPending: false,
  };
  return {
    call,
    encodeAnswer: ({ response }) => {
      if (version !== null && response.modelVersion !== version)
        throw new TrisealError("VERIFICATION_FAILED", "another version of the model answered");
      return encodeInferenceResponse({ ...response, id: request.id ?? null }, (name) => asBinary.has(name));
    },
  };
}
