/** The verdict on one answer: its bundle against the exact request and response, for a caller that keeps nothing else. */
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { parseInferenceResponse } from "../core/oip.ts";
import { inStage, type Stages } from "../core/stage.ts";
import type { UnixSeconds } from "../core/time.ts";
import { parseBundle } from "../receipt/index.ts";
import type { Trust } from "../trust/trust-file.ts";
import { type Opening, type VerifyOptions, verifyBundle } from "../verify/index.ts";
import { assertVerified } from "./appraise-service.ts";
import { type PendingLeg, pendingLegs } from "./await-legs.ts";
import { commitmentOf, isCommitted } from "./commitment.ts";
import type { Exchange, WireRequest } from "./exchange.ts";
import type { JudgedReceipt, VerifiedAnswer } from "./verified-answer.ts";

/** What a bundle is judged by. */
export interface ReceiptJudge {
  readonly trust: Trust;
  /** The one service of the trust file that was appraised. */
  readonly service: string;
  readonly receiptId: string;
  readonly now: UnixSeconds;
  readonly allowPending: boolean;
  readonly stages?: Stages | undefined;
}

/**
 * Verifies a bundle against what was sent and what came back.
 * @throws TrisealError `VERIFICATION_FAILED`, where the bundle does not pass with `details.receiptId`, by which it can be asked for again, and the
 *   verifier's code as `details.verdict`.
 */
export async function judgeReceipt(
  bundle: Uint8Array,
  shown: Pick<VerifyOptions, "request" | "response" | "opening">,
  { trust, service, receiptId, now, allowPending, stages }: ReceiptJudge,
): Promise<JudgedReceipt> {
  const verdict = await inStage(stages, "verify", () => verifyBundle(bundle, trust, { now, at: null, ...shown, allowPending }));
  if (verdict.outcome !== "accepted") {
    const details = { receiptId, verdict: verdict.code };
    throw new TrisealError("VERIFICATION_FAILED", `the receipt was refused: ${verdict.code}`, { details });
  }
  assertVerified(verdict.service === service, "the receipt is another service's than the one that was appraised");
  const { receipt } = parseBundle(bundle);
  assertVerified(receipt.receipt_id === receiptId, "the receipt is about another request");
  return { receipt, receiptId, bundle, verdict };
}

/** An inference with all that its bundle must fit. */
export interface ShownAnswer {
  readonly exchange: Exchange;
  readonly wire: WireRequest;
  readonly openedResponse: Uint8Array;
  /** Finds the integer model whose run is opened. */
  readonly model: Opening["model"];
}

/** What a bundle that verifies says of an inference. */
export type JudgedAnswer = JudgedReceipt &
  Pick<VerifiedAnswer, "response" | "exchanged" | "commitment"> & { readonly pending: readonly PendingLeg[] };

/** Verifies a bundle of an inference against its exact request and response. @throws TrisealError `VERIFICATION_FAILED`. */
export async function judgeAnswer(
  bundle: Uint8Array,
  { exchange, wire, openedResponse, model }: ShownAnswer,
  judge: Omit<ReceiptJudge, "stages">,
): Promise<JudgedAnswer> {
  const { call, opened, id, salt } = exchange;
  const response = parseInferenceResponse(openedResponse);
  const committed = isCommitted(response, salt);
  const opening = committed ? { salt, model } : null;
  const shown = { request: opened, response: openedResponse, opening };
  const judged = await judgeReceipt(bundle, shown, { ...judge, stages: call.stages });
  const [first] = judged.receipt.event_log;
  const sameRequest = first?.type === "request.received" && first.body_hash === digestOf(wire.body);
  assertVerified(judged.receipt.model === call.model && sameRequest, "the receipt is about another request");
  assertVerified(response.id === id && response.modelName === call.model, "the answer is about another request");
  const commitment = commitmentOf(judged.verdict, salt, committed);
  const exchanged = { request: opened, response: openedResponse };
  return { ...judged, response, exchanged, commitment, pending: pendingLegs(parseBundle(bundle)) };
}
