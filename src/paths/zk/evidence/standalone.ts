/** Verification of a proof that belongs to no receipt. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { zkError } from "../wire/codes.ts";
import { FIELD_ORDER } from "../wire/field.ts";
import { commitmentText } from "../wire/leg.ts";
import type { SetupState } from "../wire/setup.ts";
import { type StandaloneProof, standaloneContext } from "../wire/standalone.ts";
import { openVerifier } from "./groth16.ts";
import { type AcceptedSetup, judgeSetup, type SetupJudgement, verifySetup } from "./setup.ts";
import type { TrustedKey } from "./trust-section.ts";

/** What a proof shows to somebody who accepts its setup. */
export interface StandaloneClaims {
  readonly modelDigest: Sha256Digest;
  readonly circuitDigest: Sha256Digest;
  readonly keyDigest: Sha256Digest;
  /** Poseidon(salt, input): opens for whoever knows both. */
  readonly inputCommitment: bigint;
  /** Where the weights are private: the architecture of the circuit and the commitment, in hexadecimal. Whose it is, is not shown. */
  readonly weights: { readonly architectureDigest: Sha256Digest; readonly commitment: string } | null;
  /** The model's integers for the committed input. */
  readonly outputs: readonly bigint[];
  readonly setup: { readonly state: SetupState } & SetupJudgement;
  /**
   * Whether the relying party named this very key. Where it did not, that the key is the circuit's is the prover's word, whoever
   * contributed: a transcript binds alpha, beta, gamma and delta, and to those anyone can write an `IC` under which it can forge.
   */
  readonly isKeyNamed: boolean;
}

/** Whether the key is named, alone or with its whole transcript. */
function namesKey(
  { modelDigest, setup }: StandaloneProof,
  accepted: readonly AcceptedSetup[],
  keys: readonly TrustedKey[],
): boolean {
  const { architectureDigest } = setup;
  const named = keys.some(({ digest, model, architecture }) => {
    const isOf = architectureDigest === undefined ? model === modelDigest : architecture === architectureDigest;
    return digest === setup.keyDigest && isOf;
  });
  // The digest of a transcript is over the key's digest, too.
  return (
    named ||
    judgeSetup(
      setup,
      accepted.filter((entry) => "transcript" in entry),
    ).accepted === "named"
  );
}

/** A field element as an integer around zero. */
function signed(value: bigint): bigint {
  return value > FIELD_ORDER / 2n ? value - FIELD_ORDER : value;
}

/**
 * Verifies a proof, its context, and its setup.
 * @param accepted setups that the relying party named.
 * @param acceptState a state that it accepts whoever made the setup; null for none.
 * @param keys that it named.
 * @throws TrisealError `ZK_SETUP_INVALID`, `ZK_KEY_INVALID`: as `verifySetup`; `ZK_CONTEXT_MISMATCH`: public signals that are not
 *   bound to the stated model and nonce; `ZK_PROOF_INVALID`; `ZK_SETUP_NOT_ACCEPTED`. Does not check that the key is the
 *   model's: that takes the model, whose circuit digest is to be compared; nor whose weights were committed to.
 */
export function verifyStandalone(
  document: StandaloneProof,
  accepted: readonly AcceptedSetup[],
  acceptState: SetupState | null,
  keys: readonly TrustedKey[] = [],
): StandaloneClaims {
  const { modelDigest, nonce, publicSignals, proof, verificationKey, setup } = document;
  verifySetup(setup, verificationKey);
  const [inputCommitment, ...rest] = publicSignals;
  const { architectureDigest = null } = setup;
  if (architectureDigest === null && setup.modelDigest !== modelDigest) {
    throw zkError("ZK_CONTEXT_MISMATCH", "the setup is of another model");
  }
  const weightCommitment = architectureDigest === null ? null : rest.shift();
  if (inputCommitment === undefined || rest.at(-1) !== standaloneContext(modelDigest, nonce)) {
    throw zkError("ZK_CONTEXT_MISMATCH", "the context is not that of the stated model and nonce");
  }
  const isShort = weightCommitment === undefined || rest.length < 2;
  if (isShort || !openVerifier(verificationKey).verify(proof, publicSignals)) {
    throw zkError("ZK_PROOF_INVALID", "the proof does not hold for these public signals");
  }
  const judged = judgeSetup(setup, accepted);
  const { state, circuitDigest, keyDigest } = setup;
  if (judged.accepted === null && state !== acceptState) throw zkError("ZK_SETUP_NOT_ACCEPTED", judged.text);
  return {
    modelDigest,
    circuitDigest,
    keyDigest,
    inputCommitment,
    weights:
      architectureDigest === null || weightCommitment === null
        ? null
        : { architectureDigest, commitment: commitmentText(weightCommitment) },
    outputs: rest.slice(0, -1).map(signed),
    setup: { state, ...judged, accepted: judged.accepted ?? "unnamed" },
    isKeyNamed: namesKey(document, accepted, keys),
  };
}
