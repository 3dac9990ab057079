/**
 * Enrolment of a TPM's attestation key, both sides, in four steps. The machine shows its two public keys; the enroller, who knows the
 * endorsement key from an inventory or the vendor's certificate, makes a credential; the machine's TPM opens it; the enroller signs.
 */
import { randomBytes } from "node:crypto";
import { encodeHex, equalBytes } from "../../../src/core/bytes.ts";
import { digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import type { Signer } from "../../../src/core/ed25519.ts";
import { encodeEnrolment } from "../../../src/paths/tee/wire/tpm-enrolment.ts";
import { attesterError } from "../attester-error.ts";
import { type Credential, makeCredential } from "./make-credential.ts";
import type { LoadedKey, Tpm } from "./tpm2-device.ts";
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

/** Uses both keys, which the TPM makes from its seed anew each time; its slots are given back. */
async function withKeys<T>(
  tpm: Tpm,
  signal: AbortSignal,
  use: (keys: { readonly endorsement: LoadedKey; readonly attestation: LoadedKey }) => Promise<T>,
): Promise<T> {
  const endorsement = await tpm.createPrimary(ENDORSEMENT_TEMPLATE, signal);
  try {
    const attestation = await tpm.createPrimary(ATTESTATION_TEMPLATE, signal);
    try {
      return await use({ endorsement, attestation });
    } finally {
      await tpm.flush(attestation.handle, signal).catch(() => {});
    }
  } finally {
    await tpm.flush(endorsement.handle, signal).catch(() => {});
  }
}

/** The machine's first step: shows its keys. @throws TrisealError, the codes of attesters. */
export async function requestEnrolment(tpm: Tpm, signal: AbortSignal): Promise<EnrolmentRequest> {
  return await withKeys(tpm, signal, async ({ endorsement, attestation }) => ({
    attestationArea: attestation.key.area,
    endorsementArea: endorsement.key.area,
  }));
}

/**
 * The machine's second step: what the credential holds. Its TPM tells only where both keys of the request are in it.
 * @throws TrisealError `ATTESTER_FAILED` where the credential is for another key or another TPM; other codes of attesters.
 */
export async function openCredential(tpm: Tpm, { blob, secret }: Credential, signal: AbortSignal): Promise<Uint8Array> {
  return await withKeys(
    tpm,
    signal,
    async ({ endorsement, attestation }) =>
      await tpm.activateCredential(attestation.handle, endorsement.handle, blob, secret, signal),
  );
}

/** What an enroller keeps to itself until the answer comes. Who knows `content` needs no TPM to answer. */
export interface PendingEnrolment {
  /** 32 bytes. */
  readonly content: Uint8Array;
  /** Digests of the keys' SubjectPublicKeyInfo. */
  readonly attestationKey: Sha256Digest;
  readonly endorsementKey: Sha256Digest;
  /** Name of the attestation key, hexadecimal. */
  readonly name: string;
}

/** Name of a machine's endorsement key, as an enroller knows it: SHA-256 of its SubjectPublicKeyInfo. @throws TrisealError `ATTESTER_MALFORMED`. */
export function endorsementKeyOf({ endorsementArea }: Pick<EnrolmentRequest, "endorsementArea">): Sha256Digest {
  return digestOf(spkiOf(parsePublicArea(endorsementArea)));
}

/**
 * The enroller's first step: a challenge for the keys of a request.
 * @param known names of the endorsement keys that the enroller knows to be in TPMs of its own.
 * @throws TrisealError `ATTESTER_MALFORMED` where a key does not parse; `ATTESTER_MISMATCH` where the endorsement key is not known, or the
 *   attestation key could sign what its TPM did not state, or leave it.
 */
export function challengeTpm(
  { attestationArea, endorsementArea }: EnrolmentRequest,
  known: ReadonlySet<Sha256Digest>,
): { readonly credential: Credential; readonly pending: PendingEnrolment } {
  const [attestation, endorsement] = [parsePublicArea(attestationArea), parsePublicArea(endorsementArea)];
  const endorsementKey = endorsementKeyOf({ endorsementArea });
  if (!known.has(endorsementKey)) {
    throw attesterError("ATTESTER_MISMATCH", "the endorsement key is not one that the enroller knows");
  }
  if (attestation.attributes !== ATTESTATION_ATTRIBUTES || !attestation.isSigner) {
    throw attesterError("ATTESTER_MISMATCH", "the attestation key is not a restricted key that its TPM made and keeps");
  }
  const name = nameOf(attestation);
  const content = new Uint8Array(randomBytes(32));
  const attestationKey = digestOf(spkiOf(attestation));
  return {
    credential: makeCredential(endorsement, name, content),
    pending: { content, attestationKey, endorsementKey, name: encodeHex(name) },
  };
}

/** What an enroller states, and as whom. */
export interface EnrollerOptions {
  readonly signer: Signer;
  /** Whether the TPM is hardware: the enroller knows, the TPM cannot show it. */
  readonly type: "tpm2" | "tpm2-simulated";
  /** Seconds since the epoch; both ends count. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * The enroller's second step: the signed statement.
 * @throws TrisealError `ATTESTER_MISMATCH` where `answer` is not what the credential holds.
 */
export function confirmEnrolment(
  { content, attestationKey, endorsementKey, name }: PendingEnrolment,
  answer: Uint8Array,
  { signer, ...stated }: EnrollerOptions,
): Uint8Array {
  if (!equalBytes(answer, content)) throw attesterError("ATTESTER_MISMATCH", "the answer is not what the credential holds");
  return encodeEnrolment({ ...stated, attestationKey, endorsementKey, name }, signer);
}
