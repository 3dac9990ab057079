/** Checks a worker's answer before it is handed on: the gateway passes nothing on that an auditor would reject. */
import type { BindingContext } from "../../../core/binding.ts";
import { digestOfBody, type Sha256Digest } from "../../../core/digest.ts";
import { type CallerFacts, factsDigest, type InferenceResponse, parseInferenceResponse } from "../../../core/oip.ts";
import type { ServedModel } from "../../path.ts";
import { teeError } from "../wire/codes.ts";
import { decodeAnswerHead, parseFrame } from "../wire/frame.ts";
import type { WorkerKeyset } from "../wire/keyset.ts";
import { parseTeeLeg, type TeeLeg, verifyTeeLeg } from "../wire/leg.ts";

/** What was asked of the worker. */
export interface AskedRequest {
  readonly context: BindingContext;
  readonly facts: CallerFacts;
  /** SHA-256 of the envelope that was sent. */
  readonly envelopeDigest: Sha256Digest;
  /** The worker's keyset, from the session under which the envelope was sent. */
  readonly keyset: WorkerKeyset;
}

/** A worker's answer whose leg is signed and fits what was asked. */
export interface CheckedAnswer {
  readonly leg: TeeLeg;
  readonly legBytes: Uint8Array;
  readonly sealed: Uint8Array;
  readonly requestGuessable: boolean;
}

function invalid(reason: string, cause?: unknown): never {
  throw teeError("WORKER_ANSWER_INVALID", reason, { cause });
}

function parseAnswer(frame: Uint8Array): CheckedAnswer {
  try {
    const { head, body } = parseFrame(frame, decodeAnswerHead);
    if (head.legLength > body.length) invalid("the worker's answer is shorter than it says");
    const legBytes = body.subarray(0, head.legLength);
    return {
      leg: parseTeeLeg(legBytes),
      legBytes,
      sealed: body.subarray(head.legLength),
      requestGuessable: head.requestGuessable,
    };
  } catch (cause) {
    return invalid("the worker's answer cannot be read", cause);
  }
}

/**
 * The parts of an answer frame, checked: the leg is signed by a leg key of the keyset, it is bound to what the gateway
 * decided, it states the facts that were decided on, and its wire digests are those of the bytes sent and received.
 * Does not check the digests of opened bodies: `assertOpened` does, where the gateway has them.
 * @throws TrisealError `WORKER_ANSWER_INVALID`.
 */
export function checkAnswer(frame: Uint8Array, asked: AskedRequest): CheckedAnswer {
  const answer = parseAnswer(frame);
  const { keyId, statement } = answer.leg;
  const legKey = asked.keyset.legKeys.find((key) => key.keyId === keyId);
  if (legKey === undefined) invalid("the leg names a key that is not in the worker's keyset");
  if (!verifyTeeLeg(answer.leg, legKey.publicKey)) invalid("the leg's signature does not verify");
  const { binding } = statement;
  const bound =
    binding.modelDigest === asked.context.modelDigest &&
    binding.decisionDigest === asked.context.decisionDigest &&
    binding.nonce === asked.context.nonce;
  if (!bound) invalid("the leg is bound to another model, decision or nonce");
  if (statement.factsDigest !== factsDigest(asked.facts)) invalid("the leg states other facts than were decided on");
  if (statement.wire.requestDigest !== asked.envelopeDigest) invalid("the leg is about another request");
  if (statement.wire.responseDigest !== digestOfBody(answer.sealed)) invalid("the leg is about another response");
  return answer;
}

/**
 * Checks that an opened answer is one of `model`: its name, and only outputs that it declares, each once, in the declared
 * datatype and shape. Does not check the values: that is what the worker's evidence vouches for.
 * @throws TrisealError `WORKER_ANSWER_INVALID`.
 */
export function assertDeclared(model: ServedModel, body: Uint8Array): void {
  const { modelName, outputs } = readResponse(body);
  if (modelName !== model.name) invalid("the worker's answer is of another model");
  if (outputs.length === 0 || new Set(outputs.map(({ name }) => name)).size !== outputs.length)
    invalid("the worker's answer has no output, or one twice");
  for (const { name, datatype, shape } of outputs) {
    const spec = model.outputs.find((output) => output.name === name);
    const fits =
      spec?.datatype === datatype &&
      spec.shape.length === shape.length &&
      spec.shape.every((size, at) => size === -1 || size === shape[at]);
    if (!fits) invalid("an output of the worker's answer is not as the model declares it");
  }
}

function readResponse(body: Uint8Array): InferenceResponse {
  try {
    return parseInferenceResponse(body);
  } catch (cause) {
    return invalid("the worker's opened answer cannot be read", cause);
  }
}

/**
 * Checks that the leg is about these opened bodies.
 * @throws TrisealError `WORKER_ANSWER_INVALID`.
 */
export function assertOpened(leg: TeeLeg, requestBody: Uint8Array, responseBody: Uint8Array): void {
  const { binding } = leg.statement;
  if (binding.requestDigest !== digestOfBody(requestBody)) invalid("the leg is about another opened request");
  if (binding.responseDigest !== digestOfBody(responseBody)) invalid("the leg is about another opened response");
}
