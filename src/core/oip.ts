/** Open Inference Protocol v2 request and response bodies (JSON form), and the facts that a caller states in `parameters`. */
import { anyJson, array, type Decoded, integer, jsonObject, matching, object, text } from "./decode.ts";
import { digestOfJson, type Sha256Digest } from "./digest.ts";
import { isTrisealError, TrisealError } from "./errors.ts";
import { type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { DATATYPES, decodeTensorName, parseTensor, type Tensor, type TensorSpec } from "./tensor.ts";

const decodeRequest = object(
  {
    inputs: array(
      object(
        { name: decodeTensorName, shape: array(integer(0, 2 ** 31 - 1), 8), datatype: text(16), data: anyJson },
        { parameters: jsonObject },
      ),
      64,
    ),
  },
  {
    id: text(256),
    parameters: jsonObject,
    outputs: array(object({ name: decodeTensorName }, { parameters: jsonObject }), 64),
  },
);

/** A parsed inference request, before its tensors are checked against a model. */
export type InferenceRequest = Decoded<typeof decodeRequest>;

/**
 * Parses an inference request body.
 * @throws TrisealError `REQUEST_MALFORMED`; `REQUEST_NOT_FINITE` where the body spells NaN or Infinity, which no JSON
 *   has but many clients write.
 */
export function parseInferenceRequest(body: Uint8Array): InferenceRequest {
  try {
    return decodeRequest(parseJson(body), "request");
  } catch (cause) {
    if (!isTrisealError(cause, "FORMAT_INVALID")) throw cause;
    if (/[[,:]\s*-?(?:NaN|Infinity)\b/.test(new TextDecoder().decode(body))) {
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
    return input === undefined ? [] : [parseTensor(spec, input, maxElements)];
  });
}

/**
 * The names of the outputs that the request asks for: all that the model declares where it names none.
 * @throws TrisealError `REQUEST_TENSOR_INVALID` for a name that the model does not have, or one given twice.
 */
export function requestedOutputs(request: InferenceRequest, specs: readonly TensorSpec[]): readonly string[] {
  const asked = request.outputs?.map((output) => output.name) ?? [];
  if (new Set(asked).size !== asked.length || !asked.every((name) => specs.some((spec) => spec.name === name))) {
    const known = specs.map((spec) => `\`${spec.name}\``).join(", ");
    throw new TrisealError("REQUEST_TENSOR_INVALID", `the model's outputs are ${known}`);
  }
  return asked.length === 0 ? specs.map((spec) => spec.name) : asked;
}

/** An inference response as Triseal's workers write it. */
export interface InferenceResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string | null;
  readonly outputs: readonly Tensor[];
}

/**
 * The OIP JSON body of `response`.
 * @throws TrisealError `REQUEST_NOT_FINITE` where an output is NaN or infinite, which JSON cannot carry.
 */
export function encodeInferenceResponse(response: InferenceResponse): string {
  const outputs = response.outputs.map(({ name, datatype, shape, data }) => {
    if (data.some((item) => typeof item === "number" && !Number.isFinite(item))) {
      throw new TrisealError("REQUEST_NOT_FINITE", `output \`${name}\` is not finite for this input`);
    }
    // JSON.stringify has no bigint; 64-bit integers are written as the digits they are.
    const elements = datatype === "INT64" || datatype === "UINT64" ? `[${data.join(",")}]` : JSON.stringify(data);
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":${JSON.stringify(shape)},"data":${elements}}`;
  });
  const head = { model_name: response.modelName, model_version: response.modelVersion };
  const id = response.id === null ? "" : `"id":${JSON.stringify(response.id)},`;
  return `{${JSON.stringify(head).slice(1, -1)},${id}"outputs":[${outputs.join(",")}]}`;
}

const decodeResponse = object(
  {
    model_name: text(256),
    outputs: array(
      object(
        {
          name: decodeTensorName,
          shape: array(integer(0, 2 ** 31 - 1), 8),
          datatype: matching(new RegExp(DATATYPES.join("|")), "a datatype"),
          data: anyJson,
        },
        { parameters: jsonObject },
      ),
      64,
    ),
  },
  { model_version: text(256), id: text(256), parameters: jsonObject },
);

/**
 * Parses an inference response body; each output is checked against its own shape and datatype.
 * @throws TrisealError `FORMAT_INVALID`, `REQUEST_TENSOR_INVALID`.
 */
export function parseInferenceResponse(body: Uint8Array): InferenceResponse {
  const response = decodeResponse(parseJson(body), "response");
  return {
    modelName: response.model_name,
    modelVersion: response.model_version ?? "",
    id: response.id ?? null,
    outputs: response.outputs.map((output) => {
      const datatype = DATATYPES.find((known) => known === output.datatype) ?? "FP32";
      return parseTensor({ name: output.name, datatype, shape: output.shape }, output);
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
  },
);

/** The facts that a caller stated. */
export type CallerFacts = Decoded<typeof decodeCallerFacts>;

const FACT_NAMES = ["classification", "kind", "assurance", "value_usd", "seal"] as const;

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
