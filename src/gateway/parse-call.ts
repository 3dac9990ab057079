/** An inference request as it comes in, and what of it can be read before anything is decided. */

import { TrisealError } from "../core/errors.ts";
import {
  type CallerFacts,
  callerFacts,
  hasUnguessableId,
  parseInferenceRequest,
  parseInputs,
  requestedOutputs,
} from "../core/oip.ts";
import type { InferencePath } from "../paths/path.ts";
import type { ReceivedRequest } from "./exchange.ts";
import type { InferCall } from "./infer-call.ts";
import { assertJsonLength, assertMessageType } from "./message-headers.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";

/** A parsed request. */
export interface ParsedCall {
  readonly received: ReceivedRequest;
  readonly facts: CallerFacts;
  /** Path that the body is sealed for; null for a clear body. */
  readonly sealedFor: InferencePath | null;
  /** Checks a clear body's tensors against the model. */
  readonly checkTensors: (model: CatalogModel) => void;
}

/** What of a call is parsed. */
type UnparsedCall = Pick<InferCall, "caller" | "path" | "modelName" | "mediaType" | "body" | "jsonLength">;

/** What a receipt can name as the requested model, whether it exists or not. Longer names are cut. */
const MODEL_NAME = /^[\x21-\x7e]+$/;
const MAX_MODEL_NAME = 128;

/**
 * Parses a request: a clear body, or the clear part of one that is sealed for one of the paths.
 * @throws TrisealError `REQUEST_MALFORMED`, `REQUEST_MEDIA_TYPE`, and as `SealedReader.read`.
 */
export function parseCall(call: UnparsedCall, { paths, limits }: Pick<GatewayOptions, "paths" | "limits">): ParsedCall {
  if (!MODEL_NAME.test(call.modelName)) throw new TrisealError("REQUEST_MALFORMED", "no model has such a name");
  const type = essence(call.mediaType);
  const sealedFor = paths.find((path) => path.sealed?.mediaTypes.includes(type));
  if (sealedFor?.sealed) {
    if (call.jsonLength !== null) throw new TrisealError("REQUEST_MALFORMED", "a sealed body has no JSON length to state");
    return parseSealed(call, sealedFor, sealedFor.sealed.read(call.body, type));
  }
  assertMessageType(type, call.jsonLength);
  const request = parseInferenceRequest(call.body);
  assertJsonLength(call.jsonLength, call.body, request);
  const received = receivedRequest(call, "none", !hasUnguessableId(request.id));
  return {
    received,
    facts: callerFacts(request.parameters),
    sealedFor: null,
    checkTensors: (model) => {
      parseInputs(request, model.inputs, limits.maxTensorElements);
      requestedOutputs(request, model.outputs);
    },
  };
}

/** A media type without its parameters, in lower case. */
export function essence(mediaType: string): string {
  return mediaType.split(";")[0]?.trim().toLowerCase() ?? "";
}

function receivedRequest(call: UnparsedCall, sealedBy: ReceivedRequest["sealedBy"], guessable: boolean): ReceivedRequest {
  const { caller, path, modelName, body } = call;
  return { caller, endpoint: path.slice(0, 512), model: modelName.slice(0, MAX_MODEL_NAME), body, sealedBy, guessable };
}

function parseSealed(
  call: UnparsedCall,
  path: InferencePath,
  clear: { readonly model: string; readonly facts: CallerFacts },
): ParsedCall {
  if (clear.model !== call.modelName)
    throw new TrisealError("REQUEST_MALFORMED", "the sealed envelope names another model than the address");
  return { received: receivedRequest(call, "caller", false), facts: clear.facts, sealedFor: path, checkTensors: () => undefined };
}
