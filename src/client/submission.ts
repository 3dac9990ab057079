/** Submits what a caller made on its own machine, and verifies what the service says of it. */
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { parseInferenceResponse } from "../core/oip.ts";
import { JSON_TYPE } from "../core/oip-body.ts";
import type { Clock } from "../core/time.ts";
import { eventOf } from "../receipt/index.ts";
import type { VerifyOptions } from "../verify/index.ts";
import { assertVerified } from "./appraise-service.ts";
import { type Challenge, type ChallengeCall, challengeBody, PROOF_SUBMISSION, readChallenge } from "./challenge.ts";
import { randomHex } from "./exchange.ts";
import type { ResourceRequest, ServiceAnswer, ServiceConnection } from "./service-connection.ts";
import { completeAnswer, type JudgedReceipt, type VerifiedAnswer } from "./verified-answer.ts";

/** A service that was appraised. */
interface Appraised {
  readonly connection: ServiceConnection;
}

/** The way to an appraised service, on a channel that nobody else can read. */
export interface ServiceAccess<Service extends Appraised> {
  /** Repeats an attempt where its code says that this can help. */
  readonly retrying: <T>(
    signal: AbortSignal | undefined,
    attempt: (service: Service, signal: AbortSignal) => Promise<T>,
  ) => Promise<T>;
  /** Fetches and verifies the receipt of an answer against what was sent and what came back. */
  readonly judged: (
    service: Service,
    answer: ServiceAnswer,
    shown: Pick<VerifyOptions, "request" | "response" | "opening">,
    signal: AbortSignal,
  ) => Promise<JudgedReceipt>;
  readonly clock: Clock;
}

const message = (body: Uint8Array, idempotencyKey: string) => ({ body, mediaType: JSON_TYPE, headers: {}, idempotencyKey });

/**
 * A challenge, with the decision checked that will be proven under (`readChallenge`).
 * @throws TrisealError the service's code for a refusal, with `details.receiptId`; `CHANNEL_NOT_BOUND`; `VERIFICATION_FAILED`;
 *   `REQUEST_MALFORMED` for facts of another form.
 */
export async function askChallenge<S extends Appraised>(access: ServiceAccess<S>, call: ChallengeCall): Promise<Challenge> {
  const { path, challenges } = call.kind ?? PROOF_SUBMISSION;
  const body = challengeBody(call);
  return access.retrying(call.signal, async ({ connection }, signal) => {
    const answer = await connection.post(`/v1/${path}/${challenges}`, message(body, randomHex()), signal);
    return readChallenge(answer.body, call, access.clock());
  });
}

/** What the service answered to a submission, in the path's own form, with the receipt that verified. */
export interface VerifiedBytes extends Omit<JudgedReceipt, "receipt"> {
  readonly body: Uint8Array;
}

/**
 * Submits a document under one idempotency key. Nothing of an answer is returned whose receipt is not about these bytes and
 * this decision.
 * @throws TrisealError the service's code for a refusal, with `details.receiptId`: of the path for what it does not accept,
 *   `CHALLENGE_UNKNOWN`, `CHALLENGE_EXPIRED`; `CHANNEL_NOT_BOUND`; `VERIFICATION_FAILED`; `SERVICE_UNREACHABLE`.
 */
export async function submitBytes<S extends Appraised>(
  access: ServiceAccess<S>,
  challenge: Challenge,
  document: Uint8Array,
  signal?: AbortSignal,
): Promise<VerifiedBytes> {
  const { kind, model, decisionDigest } = challenge;
  const key = randomHex();
  return access.retrying(signal, async (service, inTime) => {
    const answer = await service.connection.post(`/v1/${kind.path}/${kind.submissions}`, message(document, key), inTime);
    const shown = { request: document, response: answer.body, opening: null };
    const { receipt, ...judged } = await access.judged(service, answer, shown, inTime);
    const isOurs = eventOf(receipt, "policy.decided")?.decision_digest === decisionDigest;
    assertVerified(isOurs && receipt.model === model, "the receipt is about something else");
    return { body: answer.body, ...judged };
  });
}

/** As `submitBytes`, where the answer is one of the Open Inference Protocol. @throws TrisealError as `submitBytes`. */
export async function submitDocument<S extends Appraised>(
  access: ServiceAccess<S>,
  challenge: Challenge,
  document: Uint8Array,
  signal?: AbortSignal,
): Promise<VerifiedAnswer> {
  const { body, ...judged } = await submitBytes(access, challenge, document, signal);
  const response = parseInferenceResponse(body);
  assertVerified(response.modelName === challenge.model, "the receipt is about something else");
  const exchanged = { request: document, response: body };
  return completeAnswer({ response, exchanged, ...judged, commitment: null });
}

/** A request to what a path keeps for its callers; the answer is in the path's form. @throws TrisealError the service's code. */
export function askResource<S extends Appraised>(
  access: ServiceAccess<S>,
  address: string,
  request: ResourceRequest,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return access.retrying(signal, ({ connection }, inTime) => connection.resource(address, request, inTime));
}

/** A document by its digest, and how long it may be: more is not read. */
export interface WantedDocument {
  readonly digest: Sha256Digest;
  readonly maxBytes: number;
}

/** A document of the service. @throws TrisealError `NOT_FOUND`; `VERIFICATION_FAILED` for other bytes. */
export async function fetchDocument<S extends Appraised>(
  access: ServiceAccess<S>,
  address: string,
  { digest, maxBytes }: WantedDocument,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return access.retrying(signal, async ({ connection }, inTime) => {
    const { body } = await connection.get(address, inTime, maxBytes);
    assertVerified(digestOf(body) === digest, "the service sent another document");
    return body;
  });
}
