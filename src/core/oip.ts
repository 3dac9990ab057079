/** Open Inference Protocol v2 request and response bodies, and the facts that a caller states in `parameters`. */
import { parseHex } from "./bytes.ts";
import { array, boolean, type Decoded, jsonObject, matching, object, oneOf, text } from "./decode.ts";
import { digestOfJson, type Sha256Digest } from "./digest.ts";
import { isTrisealError, TrisealError } from "./errors.ts";
import { type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { decodeTensorForm, encodeBody, type MessageTensor, type OutgoingTensor, splitBody, takeBinary } from "./oip-body.ts";
import { decodeReceiptId } from "./receipt-id.ts";
import { assertFinite, DATATYPES, decodeTensorName, parseTensor, type Tensor, type TensorSpec } from "./tensor.ts";

const decodeRequest = object(
  { inputs: array(decodeTensorForm, 64) },
  {
    id: text(256),
    parameters: jsonObject,
    outputs: array(object({ name: decodeTensorName }, { parameters: jsonObject }), 64),
  },
);

/** A parsed inference request, before its tensors are checked against a model. */
export type InferenceRequest = Omit<Decoded<typeof decodeRequest>, "inputs"> & { readonly inputs: readonly MessageTensor[] };

/**
 * Parses an inference request body, with or without a binary part: which, the bytes alone say (`oip-body.ts`). Does not
 * see the header that states the length of the JSON part: whoever reads HTTP compares it.
 * @throws TrisealError `REQUEST_MALFORMED`; `REQUEST_NOT_FINITE` where the body spells NaN or Infinity, which no JSON
 *   has but many clients write.
 */
export function parseInferenceRequest(body: Uint8Array): InferenceRequest {
  let json = "";
  try {
    const parts = splitBody(body);
    json = parts.json;
    const request = decodeRequest(parseJson(json), "request");
    return { ...request, inputs: takeBinary(request.inputs, parts.binary) };
  } catch (cause) {
    if (!isTrisealError(cause, "FORMAT_INVALID")) throw cause;
    if (/[[,:]\s*-?(?:NaN|Infinity)\b/.test(json)) {
      throw new TrisealError("REQUEST_NOT_FINITE", "the body spells NaN or Infinity, which JSON does not have", { cause });
    }
    throw new TrisealError("REQUEST_MALFORMED", cause.message, { cause });
  }
}

/**
 * The request's tensors in the order of the model's declaration.
 * @throws TrisealError `REQUEST_TENSOR_INVALID`, `REQUEST_NOT_FINITE`: a tensor missing, unknown, given twice or not as declared.
 */
export function parseInputs(request: InferenceRequest, specs: readonly TensorSpec[], maxElements?: number): readonly Tensor[] {
  const byName = new Map(request.inputs.map((input) => [input.name, input]));
  if (byName.size !== request.inputs.length) {
    throw new TrisealError("REQUEST_TENSOR_INVALID", "an input tensor is given twice");
  }
  const wanted = specs.map((spec) => `\`${spec.name}\``).join(", ");
  if (byName.size !== specs.length || !specs.every((spec) => byName.has(spec.name))) {
    throw new TrisealError("REQUEST_TENSOR_INVALID", `the model takes exactly the inputs ${wanted}`);
  }
  return specs.flatMap((spec) => {
    const input = byName.get(spec.name);
    if (input === undefined) return [];
    const tensor = parseTensor(spec, input, maxElements);
    assertFinite(tensor);
    return [tensor];
  });
}

/** An output that a request asks for, and whether as binary. */
export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
}

/** A boolean parameter; absent is null. */
function flag(parameters: JsonObject | undefined, name: string): boolean | null {
  const value = parameters !== undefined && Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  try {
    return value === undefined ? null : boolean(value, `parameters.${name}`);
  } catch (cause) {
    throw new TrisealError("REQUEST_MALFORMED", `\`${name}\` is neither \`true\` nor \`false\``, { cause });
  }
}

/**
 * The outputs that the request asks for: all that the model declares where it names none. `binary_data` of an output
 * goes before `binary_data_output` of the request; without either an output is JSON.
 * @throws TrisealError `REQUEST_TENSOR_INVALID` for a name that the model does not have, or one given twice;
 *   `REQUEST_MALFORMED` for a flag that is no boolean.
 */
export function requestedOutputs(request: InferenceRequest, specs: readonly TensorSpec[]): readonly RequestedOutput[] {
  const byDefault = flag(request.parameters, "binary_data_output") ?? false;
  const asked = (request.outputs ?? []).map(({ name, parameters }) => ({
    name,
    binary: flag(parameters, "binary_data") ?? byDefault,
  }));
  const names = new Set(asked.map(({ name }) => name));
  if (names.size !== asked.length || !asked.every(({ name }) => specs.some((spec) => spec.name === name))) {
    const known = specs.map((spec) => `\`${spec.name}\``).join(", ");
    throw new TrisealError("REQUEST_TENSOR_INVALID", `the model's outputs are ${known}`);
  }
  return asked.length === 0 ? specs.map(({ name }) => ({ name, binary: byDefault })) : asked;
}

/** A request as a caller writes it. */
export interface OutgoingRequest {
  readonly id: string;
  readonly parameters?: JsonObject | undefined;
  readonly inputs: readonly OutgoingTensor[];
  readonly outputs?: readonly string[] | undefined;
}

/**
 * The OIP body of `request`.
 * @throws TrisealError `REQUEST_NOT_FINITE`, `REQUEST_TENSOR_INVALID` for a tensor that JSON cannot carry and that is not
 *   to be sent as binary.
 */
export function encodeInferenceRequest({ id, parameters, inputs, outputs }: OutgoingRequest): Uint8Array {
  const head = { id, ...(parameters === undefined ? {} : { parameters }) };
  const tail = outputs === undefined ? {} : { outputs: outputs.map((name) => ({ name })) };
  return encodeBody(head, "inputs", inputs, tail);
}

/** An inference response as Triseal's workers write it. */
export interface InferenceResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string | null;
  /** What the answer says beside its tensors, such as the salt of an integer model's commitment. */
  readonly parameters?: JsonObject;
  readonly outputs: readonly Tensor[];
}

/**
 * The OIP body of `response`. The outputs that `isBinary` names are written as binary, bit for bit; the others as JSON.
 * @throws TrisealError `REQUEST_NOT_FINITE` where an output is NaN or infinite, which JSON cannot carry;
 *   `REQUEST_TENSOR_INVALID` for FP16 that is not to be binary.
 */
export function encodeInferenceResponse(
  response: InferenceResponse,
  isBinary: (name: string) => boolean = () => false,
): Uint8Array {
  const { modelName, modelVersion, id, parameters, outputs } = response;
  const named = { model_name: modelName, model_version: modelVersion, ...(id === null ? {} : { id }) };
  const head = { ...named, ...(parameters === undefined ? {} : { parameters }) };
  const tensors = outputs.map((tensor) => ({ tensor, binary: isBinary(tensor.name) }));
  return encodeBody(head, "outputs", tensors);
}

const decodeResponse = object(
  { model_name: text(256), outputs: array(decodeTensorForm, 64) },
  { model_version: text(256), id: text(256), parameters: jsonObject },
);

const decodeDatatype = oneOf(...DATATYPES);

/**
 * Parses an inference response body, with or without a binary part; each output is checked against its own shape and
 * datatype. Binary floats may be NaN or infinite: they are what the model gave.
 * @throws TrisealError `FORMAT_INVALID`, `REQUEST_TENSOR_INVALID`.
 */
export function parseInferenceResponse(body: Uint8Array): InferenceResponse {
  const { json, binary } = splitBody(body);
  const response = decodeResponse(parseJson(json), "response");
  return {
    modelName: response.model_name,
    modelVersion: response.model_version ?? "",
    id: response.id ?? null,
    ...(response.parameters === undefined ? {} : { parameters: response.parameters }),
    outputs: takeBinary(response.outputs, binary).map((output) => {
      const { name, shape } = output;
      return parseTensor({ name, datatype: decodeDatatype(output.datatype, `output \`${name}\``), shape }, output);
    }),
  };
}

/**
 * What the caller states about its request, in the OIP `parameters` of the body or in the clear part of a sealed one.
 * Policies read them as `request.<name>`; a fact that was not stated is absent, and a policy that needs it denies.
 */
export const decodeCallerFacts = object(
  {},
  {
    classification: text(64),
    kind: text(64),
    assurance: text(64),
    /** US dollars at stake; not negative. */
    value_usd: (value: JsonValue | undefined, place: string): number => {
      if (typeof value === "number" && value >= 0) return value;
      throw new TrisealError("FORMAT_INVALID", `${place}: expected a number of at least 0`);
    },
    /** `caller`: the request is to be refused unless the caller itself sealed it. */
    seal: matching(/caller/, "`caller`"),
    /** An earlier receipt of the same tenant: what was stated there is to be told to policy. */
    statement: decodeReceiptId,
  },
);

/** The facts that a caller stated. */
export type CallerFacts = Decoded<typeof decodeCallerFacts>;

const FACT_NAMES = ["classification", "kind", "assurance", "value_usd", "seal", "statement"] as const;

/**
 * The caller's facts among OIP `parameters`; other parameters are the model's and are left alone.
 * @throws TrisealError `REQUEST_MALFORMED` where one of them has the wrong form.
 */
export function callerFacts(parameters: JsonObject | undefined): CallerFacts {
  const stated = Object.fromEntries(
    FACT_NAMES.flatMap((name) => (parameters?.[name] === undefined ? [] : [[name, parameters[name]]])),
  );
  try {
    return decodeCallerFacts(stated, "parameters");
  } catch (cause) {
    throw new TrisealError("REQUEST_MALFORMED", cause instanceof Error ? cause.message : "bad parameters", { cause });
  }
}

const decodeCommitParameters = object(
  {},
  {
    /** 16 to 31 random bytes. */
    triseal_salt: matching(/(?:[0-9a-f]{2}){16,31}/, "16 to 31 bytes in lower-case hexadecimal"),
    triseal_outputs: oneOf("stated", "committed"),
  },
);

/** What a request to an integer model says about its commitment. */
export interface CommitParameters {
  /** The caller's salt, 16 to 31 bytes; null where the worker is to make one. */
  readonly salt: Uint8Array | null;
  /** Whether the leg is to state the outputs, or only a salted commitment to them; null where the request does not say. */
  readonly outputs: "stated" | "committed" | null;
}

/**
 * `triseal_salt` and `triseal_outputs` among OIP `parameters`.
 * @throws TrisealError `REQUEST_MALFORMED` where one of them has the wrong form. The message never quotes a salt.
 */
export function commitParameters(parameters: JsonObject | undefined): CommitParameters {
  const stated = Object.fromEntries(
    ["triseal_salt", "triseal_outputs"].flatMap((name) =>
      parameters?.[name] === undefined ? [] : [[name, parameters[name]] as const],
    ),
  );
  try {
    const { triseal_salt: salt, triseal_outputs: outputs } = decodeCommitParameters(stated, "parameters");
    return { salt: salt === undefined ? null : parseHex(salt), outputs: outputs ?? null };
  } catch (cause) {
    throw new TrisealError("REQUEST_MALFORMED", cause instanceof Error ? cause.message : "bad parameters", { cause });
  }
}

/** SHA-256 over the JCS form of the caller's facts: what a worker signs as `factsDigest`. */
export function factsDigest(facts: CallerFacts): Sha256Digest {
  return digestOfJson(facts as JsonObject);
}

/**
 * Whether the request's `id` is long enough to hold 128 random bits (22 base64url or 32 hexadecimal characters), so
 * that its digest cannot be guessed from a small input. Only the length can be judged, not the randomness.
 */
export function hasUnguessableId(id: string | undefined | null): boolean {
  return typeof id === "string" && /^[A-Za-z0-9_-]{22,}$/.test(id);
}
