/**
 * An enroller's statement about a TPM's attestation key: "this restricted key is in the TPM whose endorsement key I know; its TPM opened
 * a credential that I made for exactly this key" (TPM2_MakeCredential, TPM2_ActivateCredential). It stands in for a vendor's
 * certificate of the attestation key, which TPMs do not have, and is worth what its signer is.
 */
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../core/bytes.ts";
import { type Decoded, digest, hexText, integer, matching, object, oneOf } from "../../../core/decode.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";

const DOMAIN = utf8("triseal.tpm-enrolment.v1\0");

/** Largest statement that is read, in bytes. */
export const MAX_ENROLMENT_BYTES = 4096;

const decodeStatement = object({
  purpose: oneOf("triseal.tpm-enrolment.v1"),
  /** The evidence type that the key may sign for: a key of a simulator never counts as one of hardware. */
  type: oneOf("tpm2", "tpm2-simulated"),
  /** SHA-256 of the attestation key's SubjectPublicKeyInfo, DER. */
  attestationKey: digest,
  /** The name by which its TPM knows it: SHA-256 of its public area, with its attributes. */
  name: matching(/000b[0-9a-f]{64}/, "a name of SHA-256"),
  /** SHA-256 of the endorsement key's SubjectPublicKeyInfo, DER. */
  endorsementKey: digest,
  /** Seconds since the epoch; both ends count. */
  notBefore: integer(0),
  notAfter: integer(0),
  /** Ed25519 key of the enroller. */
  enroller: hexText(32),
});

const decodeEnrolment = object({ v: oneOf(1), statement: decodeStatement, signature: hexText(64) });

/** What an enroller states. */
export type EnrolmentStatement = Decoded<typeof decodeStatement>;

/** A statement with its signature. */
export type Enrolment = Decoded<typeof decodeEnrolment>;

function messageOf(statement: EnrolmentStatement): Uint8Array {
  return concatBytes(DOMAIN, encodeJcs({ ...statement }));
}

/** The bytes of a signed statement, in JCS form. */
export function encodeEnrolment(statement: Omit<EnrolmentStatement, "purpose" | "enroller">, enroller: Signer): Uint8Array {
  const whole: EnrolmentStatement = { ...statement, purpose: "triseal.tpm-enrolment.v1", enroller: enroller.publicKey };
  return encodeJcs({ v: 1, statement: { ...whole }, signature: encodeHex(enroller.sign(messageOf(whole))) });
}

/** Parses a statement. Verifies nothing. @throws TrisealError `FORMAT_INVALID`. */
export function parseEnrolment(bytes: Uint8Array): Enrolment {
  return decodeEnrolment(parseJson(bytes), "enrolment");
}

/** Whether the statement is signed by the enroller that it names. Does not check who that is, nor the dates. */
export function verifyEnrolment({ statement, signature }: Enrolment): boolean {
  return verifyEd25519(statement.enroller, messageOf(statement), parseHex(signature));
}
