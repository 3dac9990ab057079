/** What the SDK hands over: nothing of it is unverified. */
import type { InferenceResponse } from "../core/oip.ts";
import type { Receipt } from "../receipt/index.ts";
import type { Verdict } from "../verify/index.ts";
import type { PendingLeg } from "./await-legs.ts";
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
  /** The exact bytes that the receipt is about, opened: what an auditor is shown with `--request` and `--response`. */
  readonly exchanged: { readonly request: Uint8Array; readonly response: Uint8Array };
  /** Of an integer model's answer: what opens its commitments; null for a float model, and where the caller made the answer itself. */
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

/** An answer whose legs are all there. */
export function completeAnswer(answer: Omit<VerifiedAnswer, "pending" | "completed">): VerifiedAnswer {
  const whole: VerifiedAnswer = { ...answer, pending: [], completed: async () => whole };
  return whole;
}
