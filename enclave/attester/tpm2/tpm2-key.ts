/** Templates of the two keys, and the public area of a key as a TPM tells it (TPMT_PUBLIC, part 2, section 12.2.4). */
import { concatBytes, parseHex, uint32BE } from "../../../src/core/bytes.ts";
import { sha256Bytes } from "../../../src/core/digest.ts";
import { malformedResponse, sized, TpmReader, uint16 } from "./tpm2-wire.ts";

const ALG_ECC = 0x0023;
const ALG_SHA256 = 0x000b;
const ALG_NULL = 0x0010;
const ALG_AES = 0x0006;
const ALG_CFB = 0x0043;
const ALG_ECDSA = 0x0018;
const CURVE_P256 = 0x0003;

/** TPMA_OBJECT. */
const FIXED_TPM = 1 << 1;
const FIXED_PARENT = 1 << 4;
const SENSITIVE_DATA_ORIGIN = 1 << 5;
const USER_WITH_AUTH = 1 << 6;
const ADMIN_WITH_POLICY = 1 << 7;
const NO_DA = 1 << 10;
const RESTRICTED = 1 << 16;
const DECRYPT = 1 << 17;
const SIGN = 1 << 18;

/** What an attestation key is: made in this TPM and never out of it, and signing only what the TPM itself states. */
export const ATTESTATION_ATTRIBUTES =
  FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA | RESTRICTED | SIGN;

const ENDORSEMENT_ATTRIBUTES = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | ADMIN_WITH_POLICY | RESTRICTED | DECRYPT;

/** PolicySecret of the endorsement hierarchy (TCG EK Credential Profile 2.5, section B.6.2). */
const ENDORSEMENT_POLICY = parseHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");

function publicArea(attributes: number, policy: Uint8Array, parameters: Uint8Array, unique: Uint8Array): Uint8Array {
  return concatBytes(uint16(ALG_ECC), uint16(ALG_SHA256), uint32BE(attributes), sized(policy), parameters, unique);
}

/** Template of the attestation key: ECC P-256, restricted, ECDSA with SHA-256. */
export const ATTESTATION_TEMPLATE = publicArea(
  ATTESTATION_ATTRIBUTES,
  new Uint8Array(),
  concatBytes(uint16(ALG_NULL), uint16(ALG_ECDSA), uint16(ALG_SHA256), uint16(CURVE_P256), uint16(ALG_NULL)),
  concatBytes(sized(new Uint8Array()), sized(new Uint8Array())),
);

/** Template L-2 of the TCG EK Credential Profile: the endorsement key in ECC P-256 whose certificate vendors issue. */
export const ENDORSEMENT_TEMPLATE = publicArea(
  ENDORSEMENT_ATTRIBUTES,
  ENDORSEMENT_POLICY,
  concatBytes(uint16(ALG_AES), uint16(128), uint16(ALG_CFB), uint16(ALG_NULL), uint16(CURVE_P256), uint16(ALG_NULL)),
  concatBytes(sized(new Uint8Array(32)), sized(new Uint8Array(32))),
);

/** An ECC P-256 key as a TPM tells it. */
export interface TpmPublicKey {
  /** The public area, as the name is made of it. */
  readonly area: Uint8Array;
  readonly attributes: number;
  readonly isSigner: boolean;
  /** 32 bytes each. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

function padded(coordinate: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(coordinate, 32 - coordinate.length);
  return bytes;
}

/** Schemes: for keys that decrypt, AES-128-CFB and none; for keys that sign, none and ECDSA with SHA-256. */
function isSigningScheme(reader: TpmReader): boolean {
  const symmetric = reader.uint16();
  if (symmetric === ALG_AES) {
    if (reader.uint16() !== 128 || reader.uint16() !== ALG_CFB) malformedResponse("another symmetric cipher than AES-128-CFB");
  } else if (symmetric !== ALG_NULL) malformedResponse("another symmetric cipher than AES");
  const scheme = reader.uint16();
  if (scheme === ALG_ECDSA && reader.uint16() !== ALG_SHA256) malformedResponse("another hash than SHA-256");
  if (scheme !== ALG_ECDSA && scheme !== ALG_NULL) malformedResponse("another signature than ECDSA");
  return scheme === ALG_ECDSA;
}

/**
 * The key of a public area. Only ECC P-256 with SHA-256 is read; whether the point is on its curve is not checked.
 * @throws TrisealError `ATTESTER_MALFORMED`.
 */
export function parsePublicArea(area: Uint8Array): TpmPublicKey {
  const reader = new TpmReader(area);
  if (reader.uint16() !== ALG_ECC) malformedResponse("a key that is not ECC");
  if (reader.uint16() !== ALG_SHA256) malformedResponse("a key whose name is not of SHA-256");
  const attributes = reader.uint32();
  reader.sized(32);
  const isSigner = isSigningScheme(reader);
  if (reader.uint16() !== CURVE_P256) malformedResponse("a key that is not on P-256");
  if (reader.uint16() !== ALG_NULL) malformedResponse("a key derivation scheme");
  const [x, y] = [padded(reader.sized(32)), padded(reader.sized(32))];
  reader.end();
  return { area, attributes, isSigner, x, y };
}

/** The name of a key: its hash algorithm and the hash of its public area (part 1, section 16). */
export function nameOf({ area }: Pick<TpmPublicKey, "area">): Uint8Array {
  return concatBytes(uint16(ALG_SHA256), sha256Bytes(area));
}

const SPKI_P256 = parseHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");

/** The key as SubjectPublicKeyInfo, DER. */
export function spkiOf({ x, y }: Pick<TpmPublicKey, "x" | "y">): Uint8Array {
  return concatBytes(SPKI_P256, x, y);
}
