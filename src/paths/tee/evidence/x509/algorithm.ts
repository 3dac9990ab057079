/** Signature algorithms and public keys of certificates: those that vendors use, and no others. */

import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { contextTag, DerReader, oidOf, smallInteger, soleElement, TAG, unsignedBytes, wholeBits } from "./der.ts";

/** Hash functions that are accepted. SHA-1 is not among them. */
export type HashName = "SHA-256" | "SHA-384" | "SHA-512";

/** Curves that are accepted. */
export type CurveName = "P-256" | "P-384" | "P-521";

/** How a signature was made. */
export type SignatureAlgorithm =
  | { readonly name: "ECDSA"; readonly hash: HashName }
  | { readonly name: "RSASSA-PKCS1-v1_5"; readonly hash: HashName }
  | { readonly name: "RSA-PSS"; readonly hash: HashName; readonly saltLength: number };

/** A public key with its SubjectPublicKeyInfo. */
export type PublicKey =
  | { readonly type: "EC"; readonly curve: CurveName; readonly point: Uint8Array; readonly spki: Uint8Array }
  | { readonly type: "RSA"; readonly bits: number; readonly spki: Uint8Array };

const HASHES: Readonly<Record<string, HashName>> = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};

const SIGNATURES: Readonly<Record<string, SignatureAlgorithm>> = {
  "1.2.840.10045.4.3.2": { name: "ECDSA", hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { name: "ECDSA", hash: "SHA-384" },
  "1.2.840.10045.4.3.4": { name: "ECDSA", hash: "SHA-512" },
  "1.2.840.113549.1.1.11": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
};

const RSASSA_PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
const EC_PUBLIC_KEY = "1.2.840.10045.2.1";

const CURVES: Readonly<Record<string, CurveName>> = {
  "1.2.840.10045.3.1.7": "P-256",
  "1.3.132.0.34": "P-384",
  "1.3.132.0.35": "P-521",
};

/** Bytes of a coordinate and of each half of a signature. */
export const COORDINATE_BYTES: Readonly<Record<CurveName, number>> = { "P-256": 32, "P-384": 48, "P-521": 66 };

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** Steps over the parameters of an algorithm that has none: NULL, or nothing. */
function noParameters(reader: DerReader): void {
  const parameters = reader.optional(TAG.null);
  if (parameters !== null && parameters.content.length > 0) malformed("DER: a null with content");
  reader.end();
}

/** A reader of the one sequence that stands under a context tag. */
function enterTagged(reader: DerReader, number: number): DerReader {
  return new DerReader(soleElement(reader.next(contextTag(number)).content).content);
}

function hashOf(reader: DerReader): HashName {
  const oid = oidOf(reader.next(TAG.oid));
  noParameters(reader);
  return HASHES[oid] ?? unsupported(`hash ${oid}`);
}

/** Bytes of salt where the parameters name none (RFC 4055 section 3.1). */
const DEFAULT_SALT_BYTES = 20;

/** RSASSA-PSS-params. Hashes by default are SHA-1 and are refused. AMD writes out the default trailer field, which is let pass. */
function pssOf(params: DerReader): SignatureAlgorithm {
  if (params.peek !== contextTag(0)) return unsupported("RSA-PSS with SHA-1");
  const hash = hashOf(enterTagged(params, 0));
  if (params.peek !== contextTag(1)) return unsupported("RSA-PSS with a mask of SHA-1");
  const mask = enterTagged(params, 1);
  const generator = oidOf(mask.next(TAG.oid));
  const maskHash = hashOf(mask.enter());
  mask.end();
  const salt = params.optional(contextTag(2));
  const saltLength = salt === null ? DEFAULT_SALT_BYTES : smallInteger(soleElement(salt.content, TAG.integer));
  const trailer = params.optional(contextTag(3));
  if (trailer !== null && smallInteger(soleElement(trailer.content, TAG.integer)) !== 1) unsupported("RSA-PSS trailer field");
  params.end();
  if (generator !== MGF1 || maskHash !== hash || saltLength > 64) unsupported("RSA-PSS parameters");
  return { name: "RSA-PSS", hash, saltLength };
}

/** The algorithm of an AlgorithmIdentifier. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
export function parseSignatureAlgorithm(identifier: DerReader): SignatureAlgorithm {
  const oid = oidOf(identifier.next(TAG.oid));
  if (oid === RSASSA_PSS) {
    const params = identifier.enter();
    identifier.end();
    return pssOf(params);
  }
  const known = SIGNATURES[oid];
  if (known === undefined) return unsupported(`signature algorithm ${oid}`);
  if (known.name === "ECDSA") identifier.end();
  else noParameters(identifier);
  return known;
}

function ecKey(params: DerReader, bits: Uint8Array, spki: Uint8Array): PublicKey {
  const oid = oidOf(params.next(TAG.oid));
  params.end();
  const curve = CURVES[oid] ?? unsupported(`curve ${oid}`);
  if (bits[0] !== 4 || bits.length !== 1 + 2 * COORDINATE_BYTES[curve]) malformed("the point of a key is not uncompressed");
  return { type: "EC", curve, point: bits, spki };
}

function rsaKey(params: DerReader, bits: Uint8Array, spki: Uint8Array): PublicKey {
  noParameters(params);
  const key = new DerReader(soleElement(bits).content);
  const modulus = unsignedBytes(key.next(TAG.integer));
  const exponent = unsignedBytes(key.next(TAG.integer));
  key.end();
  const size = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (size < MIN_RSA_BITS || size > MAX_RSA_BITS) unsupported(`an RSA key of ${size} bits`);
  const isTiny = exponent.length === 1 && (exponent[0] ?? 0) < 3;
  if (isTiny || exponent.length > 4 || ((exponent.at(-1) ?? 0) & 1) === 0) unsupported("the exponent of an RSA key");
  return { type: "RSA", bits: size, spki };
}

/** The key of a SubjectPublicKeyInfo. Whether a point is on its curve is seen when the key is used. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const info = new DerReader(soleElement(spki).content);
  const algorithm = info.enter();
  const bits = wholeBits(info.next(TAG.bitString));
  info.end();
  const oid = oidOf(algorithm.next(TAG.oid));
  if (oid === EC_PUBLIC_KEY) return ecKey(algorithm, bits, spki);
  return oid === RSA_ENCRYPTION ? rsaKey(algorithm, bits, spki) : unsupported(`key algorithm ${oid}`);
}
