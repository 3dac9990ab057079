/** The caller's side of proofs that it makes itself: what a challenge says to prove with, and what the proof must be bound to. */
import type { JsonObject } from "../../../core/json.ts";
import { readG1 } from "../evidence/groth16.ts";
import {
  type CallerStatement,
  type CallerTerms,
  callerContext,
  decodeCallerTerms,
  encodeCallerProof,
  keyAddress,
} from "../wire/caller-proof.ts";
import { zkError } from "../wire/codes.ts";
import { type Proof, type VerificationKey, verificationKeyDigest } from "../wire/documents.ts";
import { readVerificationKey } from "../wire/zkey.ts";

export { codes } from "../wire/codes.ts";
export { type CallerTerms, keyAddress };

/** What a challenge says to prove with. @throws TrisealError `FORMAT_INVALID`. */
export function readCallerTerms(terms: JsonObject): CallerTerms {
  return decodeCallerTerms(terms, "challenge.terms");
}

/** The context that a proof under a challenge is made for, and the document that submits it. Verifies nothing. */
export function callerProofUnder({ modelDigest, decisionDigest, factsDigest, nonce }: CallerStatement): {
  readonly context: bigint;
  readonly document: (publicSignals: readonly bigint[], proof: Proof) => Uint8Array;
} {
  const statement = { modelDigest, decisionDigest, factsDigest, nonce };
  return {
    context: callerContext(statement),
    document: (publicSignals, proof) => encodeCallerProof({ ...statement, publicSignals, proof }),
  };
}

/**
 * The verification key of a proving key that somebody else made.
 * @throws TrisealError `ZK_KEY_INVALID` for another key than the challenge names, and for one whose proofs are not blinded: what
 *   is random in a proof that verifies then covers nothing.
 */
export function readHandedKey(zkey: Uint8Array, { keyDigest }: CallerTerms): VerificationKey {
  const { key, delta1 } = readVerificationKey(zkey);
  if (verificationKeyDigest(key) !== keyDigest)
    throw zkError("ZK_KEY_INVALID", "the proving key is another than the challenge names");
  if (readG1(delta1) === null) throw zkError("ZK_KEY_INVALID", "the proving key blinds nothing: its proofs would show the input");
  return key;
}
