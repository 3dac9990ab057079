/**
 * Enrolment of a TPM's attestation key, both sides. The machine shows its two public keys; the enroller, who knows the endorsement key
 * from an inventory or the vendor's certificate, makes a credential; the machine's TPM opens it; the enroller signs.
 */
import { randomBytes } from "node:crypto";
import { encodeHex, equalBytes } from "../../../src/core/bytes.ts";
import { digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import type { Signer } from "../../../src/core/ed25519.ts";
import { encodeEnrolment } from "../../../src/paths/tee/wire/tpm-enrolment.ts";
import { attesterError } from "../attester-error.ts";
import { type Credential, makeCredential } from "./make-credential.ts";
import type { Tpm } from "./tpm2-device.ts";
import {
  ATTESTATION_ATTRIBUTES,
  ATTESTATION_TEMPLATE,
  ENDORSEMENT_TEMPLATE,
  nameOf,
  parsePublicArea,
  spkiOf,
} from "./tpm2-key.ts";

/** Public areas of a machine's two keys, as its TPM tells them. */
export interface EnrolmentRequest {
  readonly attestationArea: Uint8Array;
  readonly endorsementArea: Uint8Array;
}

/** The machine's side: shows the keys, and has its TPM open the credential that comes back. Its slots are given back. */
export async function answerEnrolment(
  tpm: Tpm,
  exchange: (request: EnrolmentRequest) => Promise<Credential>,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const endorsement = await tpm.createPrimary(ENDORSEMENT_TEMPLATE, signal);
  try {
    const attestation = await tpm.createPrimary(ATTESTATION_TEMPLATE, signal);
    try {
      const { blob, secret } = await exchange({ attestationArea: attestation.key.area, endorsementArea: endorsement.key.area });
      return await tpm.activateCredential(attestation.handle, endorsement.handle, blob, secret, signal);
    } finally {
      await tpm.flush(attestation.handle, signal).catch(() => {});
    }
  } finally {
    await tpm.flush(endorsement.handle, signal).catch(() => {});
  }
}

/** What an enroller states, and for whom. */
export interface EnrollerOptions {
  readonly signer: Signer;
  readonly type: "tpm2" | "tpm2-simulated";
  /** SHA-256 of the SubjectPublicKeyInfo of each endorsement key that the enroller knows to be in a TPM of its own. */
  readonly knownEndorsementKeys: ReadonlySet<Sha256Digest>;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A challenge that was sent, and what to do with its answer. */
export interface EnrolmentChallenge {
  readonly credential: Credential;
  /** The signed statement. @throws TrisealError `ATTESTER_MISMATCH` where `answer` is not what the credential holds. */
  confirm(answer: Uint8Array): Uint8Array;
}

/**
 * The enroller's side: a challenge for the keys of a request.
 * @throws TrisealError `ATTESTER_MALFORMED` where a key does not parse; `ATTESTER_MISMATCH` where the endorsement key is not known, or the
 *   attestation key could sign what its TPM did not state, or leave it.
 */
export function challengeTpm(
  { attestationArea, endorsementArea }: EnrolmentRequest,
  options: EnrollerOptions,
): EnrolmentChallenge {
  const [attestation, endorsement] = [parsePublicArea(attestationArea), parsePublicArea(endorsementArea)];
  const endorsementKey = digestOf(spkiOf(endorsement));
  if (!options.knownEndorsementKeys.has(endorsementKey)) {
    throw attesterError("ATTESTER_MISMATCH", "the endorsement key is not one that the enroller knows");
  }
  if (attestation.attributes !== ATTESTATION_ATTRIBUTES || !attestation.isSigner) {
    throw attesterError("ATTESTER_MISMATCH", "the attestation key is not a restricted key that its TPM made and keeps");
  }
  const name = nameOf(attestation);
  const content = new Uint8Array(randomBytes(32));
  return {
    credential: makeCredential(endorsement, name, content),
    confirm(answer) {
      if (!equalBytes(answer, content)) throw attesterError("ATTESTER_MISMATCH", "the answer is not what the credential holds");
      const { type, notBefore, notAfter, signer } = options;
      const attestationKey = digestOf(spkiOf(attestation));
      return encodeEnrolment({ type, attestationKey, name: encodeHex(name), endorsementKey, notBefore, notAfter }, signer);
    },
  };
}
