/** The caller's side of an integer run's commitment: the salt that was sent, and what an answer must say of it. */
import { encodeHex } from "../core/bytes.ts";
import type { InferenceResponse } from "../core/oip.ts";
import type { Check, Verdict } from "../verify/index.ts";
import { assertVerified } from "./appraise-service.ts";

/** A path whose legs are proofs names the check of the proof so. */
const PROOF_CHECK = /^[a-z]+\.proof$/;

/** What a caller keeps of a commitment, to show it to an auditor later. */
export interface AnswerCommitment {
  /** `triseal_salt`, in hexadecimal: with it anyone can test guesses at the input. */
  readonly salt: string;
  /** Whether the commitment was opened: it is one to the input that was sent. False where the service does not publish the model. */
  readonly opened: boolean;
}

/** Whether the answer is one of an integer model. @throws TrisealError `VERIFICATION_FAILED` for another salt than was sent. */
export function isCommitted(response: InferenceResponse, salt: Uint8Array): boolean {
  const stated = response.parameters?.["triseal_salt"];
  if (stated === undefined) return false;
  assertVerified(stated === encodeHex(salt), "the answer's salt is not the one that was sent");
  return true;
}

/**
 * What the verdict says of the commitment; null where no leg states one.
 * @throws TrisealError `VERIFICATION_FAILED` where a leg commits and the answer says nothing of it, where the outputs were not
 *   compared, or where a proof was made for an input that could not be compared with the request.
 */
export function commitmentOf({ checks }: Verdict, salt: Uint8Array, committed: boolean): AnswerCommitment | null {
  const status = (id: string): Check["status"] | undefined => checks.find((check) => check.id === id)?.status;
  const input = status("exchange.input-opens");
  if (input === undefined) return null;
  assertVerified(committed, "a leg commits to an input, and the answer names no salt");
  assertVerified(status("exchange.outputs-match") === "pass", "the outputs of the legs could not be compared with the answer");
  // Not by the claim's basis: a proof whose key anyone could have made says less, and still needs its input compared.
  const proven = checks.some(({ id }) => PROOF_CHECK.test(id));
  assertVerified(input === "pass" || !proven, "the proof is about a committed input, and whose it is could not be checked");
  return { salt: encodeHex(salt), opened: input === "pass" };
}
