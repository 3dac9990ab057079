/** Verifies signatures on WebCrypto, which browsers and Node have alike. */
import { concatBytes } from "../../../../core/bytes.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { COORDINATE_BYTES, type CurveName, type PublicKey, type SignatureAlgorithm } from "./algorithm.ts";
import { DerReader, soleElement, TAG, unsignedBytes } from "./der.ts";

/** WebCrypto wants bytes that no other thread can change. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Hash of `bytes`. */
export async function hashBytes(hash: "SHA-256" | "SHA-384" | "SHA-512", bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, owned(bytes)));
}

async function importKey(key: PublicKey, algorithm: SignatureAlgorithm): Promise<CryptoKey> {
  if (key.type === "EC") {
    const parameters = { name: "ECDSA", namedCurve: key.curve };
    return await crypto.subtle.importKey("raw", owned(key.point), parameters, false, ["verify"]);
  }
  const parameters = { name: algorithm.name, hash: algorithm.hash };
  return await crypto.subtle.importKey("spki", owned(key.spki), parameters, false, ["verify"]);
}

/** Imported keys of keys that are still in use: a root is imported once, and a key that signed twice once in an appraisal. */
const imported = new WeakMap<PublicKey, Map<string, Promise<CryptoKey>>>();

async function importedKey(key: PublicKey, algorithm: SignatureAlgorithm): Promise<CryptoKey> {
  const forms = imported.get(key) ?? new Map<string, Promise<CryptoKey>>();
  imported.set(key, forms);
  const form = key.type === "EC" ? "ECDSA" : `${algorithm.name} ${algorithm.hash}`;
  const known = forms.get(form) ?? importKey(key, algorithm);
  forms.set(form, known);
  return await known;
}

/** `bytes` with zeros before, `length` long; null where they are longer. */
export function leftPadded(bytes: Uint8Array, length: number): Uint8Array | null {
  return bytes.length > length ? null : concatBytes(new Uint8Array(length - bytes.length), bytes);
}

/** Both halves of an ECDSA-Sig-Value (RFC 3279 section 2.2.3) side by side; null where one is too long for the curve. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function parseEcdsaDer(der: Uint8Array, curve: CurveName): Uint8Array | null {
  const reader = new DerReader(soleElement(der).content);
  const halves = [unsignedBytes(reader.next(TAG.integer)), unsignedBytes(reader.next(TAG.integer))];
  reader.end();
  const [r, s] = halves.map((half) => leftPadded(half, COORDINATE_BYTES[curve]));
  return r == null || s == null ? null : concatBytes(r, s);
}

/**
 * Whether `signature` over `message` verifies. ECDSA signatures are both halves side by side (IEEE P1363). False too where
 * key and algorithm do not belong together, where the key is no point of its curve, and where a half is out of range.
 */
export async function verifySignature(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if ((key.type === "EC") !== (algorithm.name === "ECDSA")) return false;
  if (key.type === "EC" && signature.length !== 2 * COORDINATE_BYTES[key.curve]) return false;
  try {
    const verifier = await importedKey(key, algorithm);
    return await crypto.subtle.verify(algorithm, verifier, owned(signature), owned(message));
  } catch {
    return false;
  }
}

/** Whether the DER form of a signature, as certificates and CRLs carry it, verifies. */
export async function verifyDerSignature(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (algorithm.name !== "ECDSA") return await verifySignature(key, algorithm, message, signature);
  const pair = key.type === "EC" ? parseEcdsaDer(signature, key.curve) : null;
  return pair !== null && (await verifySignature(key, algorithm, message, pair));
}

/** Refuses an ECDSA signature value that is no DER, whatever key it is for. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function assertSignatureForm(algorithm: SignatureAlgorithm, signature: Uint8Array): void {
  if (algorithm.name === "ECDSA") parseEcdsaDer(signature, "P-521");
  else if (signature.length === 0) malformed("an empty signature");
}
