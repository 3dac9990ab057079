/** The verdict on one answer: its bundle against the exact request and response, for a caller that keeps nothing else. */
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { type InferenceResponse, parseInferenceResponse } from "../core/oip.ts";
import { inStage } from "../core/stage.ts";
import type { UnixSeconds } from "../core/time.ts";
import { parseBundle, receiptDigest } from "../receipt/index.ts";
import type { Trust } from "../trust/trust-file.ts";
import { type Opening, type Verdict, verifyBundle } from "../verify/index.ts";
import { assertVerified } from "./appraise-service.ts";
import { type PendingLeg, pendingLegs } from "./await-legs.ts";
import { type AnswerCommitment, commitmentOf, isCommitted } from "./commitment.ts";
import type { Exchange, WireRequest } from "./exchange.ts";
import type { ServiceAnswer } from "./service-connection.ts";

/** An answer whose receipt verified. */
export interface VerifiedAnswer {
  readonly response: InferenceResponse;
  readonly receiptId: string;
  /** The bundle, to be kept: an auditor verifies it offline. */
  readonly bundle: Uint8Array;
  readonly verdict: Verdict;
  /** Of an integer model's answer: what opens its commitments; null for a float model. */
  readonly commitment: AnswerCommitment | null;
  /** Legs that are still to come; none unless the call allowed that. Nothing supports yet what they are to show. */
  readonly pending: readonly PendingLeg[];
  /**
   * The same answer with every leg there and verified, over its completed bundle; waits for it until the legs' deadline.
   * @throws TrisealError `DEADLINE_EXCEEDED`; `VERIFICATION_FAILED`; the code for which the service says that a leg will not
   *   come, such as `LEG_OUTPUT_MISMATCH`; the reason of `signal`.
   */
  completed(signal?: AbortSignal): Promise<VerifiedAnswer>;
}

/** What a bundle is judged by. */
export interface AnswerJudge {
  readonly trust: Trust;
  /** The one service of the trust file that was appraised. */
  readonly service: string;
  readonly model: Opening["model"];
  readonly now: UnixSeconds;
  readonly allowPending: boolean;
}

/** An answer with all that its bundle must fit. */
export interface ShownAnswer {
  readonly exchange: Exchange;
  readonly wire: WireRequest;
  readonly answer: ServiceAnswer;
  readonly openedResponse: Uint8Array;
}

/** What a bundle that verifies says of an answer. */
export type JudgedAnswer = Omit<VerifiedAnswer, "completed"> & { readonly receiptDigest: Sha256Digest };

/** Verifies a bundle of an answer against the exact request and response. @throws TrisealError `VERIFICATION_FAILED`. */
export async function judgeAnswer(
  { exchange, wire, answer, openedResponse }: ShownAnswer,
  bundle: Uint8Array,
  { trust, service, model, now, allowPending }: AnswerJudge,
): Promise<JudgedAnswer> {
  const { call, opened, id, salt } = exchange;
  const response = parseInferenceResponse(openedResponse);
  const committed = isCommitted(response, salt);
  const opening = committed ? { salt, model } : null;
  const options = { now, at: null, request: opened, response: openedResponse, opening, allowPending };
  const verdict = await inStage(call.stages, "verify", () => verifyBundle(bundle, trust, options));
  assertVerified(verdict.outcome === "accepted", `the receipt was refused: ${verdict.code}`);
  assertVerified(verdict.service === service, "the receipt is another service's than the one that was appraised");
  const parsed = parseBundle(bundle);
  const { receipt } = parsed;
  const [first] = receipt.event_log;
  const sameRequest = first?.type === "request.received" && first.body_hash === digestOf(wire.body);
  assertVerified(
    receipt.receipt_id === answer.receiptId && receipt.model === call.model && sameRequest,
    "the receipt is about another request",
  );
  assertVerified(response.id === id && response.modelName === call.model, "the answer is about another request");
  const commitment = commitmentOf(verdict, salt, committed);
  const { receipt_id: receiptId } = receipt;
  const pending = pendingLegs(parsed);
  return { response, receiptId, bundle, verdict, commitment, pending, receiptDigest: receiptDigest(receipt) };
}
