/** What the SDK hands over: nothing of it is unverified. */
import type { InferenceResponse } from "../core/oip.ts";
import type { Receipt } from "../receipt/index.ts";
import type { Verdict } from "../verify/index.ts";
import type { AnswerCommitment } from "./commitment.ts";

/** A receipt that verified. */
export interface JudgedReceipt {
  readonly receipt: Receipt;
  readonly receiptId: string;
  /** The bundle, to be kept: an auditor verifies it offline. */
  readonly bundle: Uint8Array;
  readonly verdict: Verdict;
}

/** An answer whose receipt verified. */
export interface VerifiedAnswer extends Omit<JudgedReceipt, "receipt"> {
  readonly response: InferenceResponse;
  /** Of an integer model's answer: what opens its commitments; null for a float model, and where the caller made the answer itself. */
  readonly commitment: AnswerCommitment | null;
}
