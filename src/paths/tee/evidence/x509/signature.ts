/** Verifies signatures on WebCrypto, which browsers and Node have alike. */
import { concatBytes, encodeHex } from "../../../../core/bytes.ts";
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

/** What WebCrypto imports a key from: all of it, so that equal imports make equal keys. */
interface KeyImport {
  readonly format: "raw" | "spki";
  readonly bytes: Uint8Array;
  readonly parameters: { readonly name: string; readonly namedCurve: string } | { readonly name: string; readonly hash: string };
}

function keyImport(key: PublicKey, { name, hash }: SignatureAlgorithm): KeyImport {
  if (key.type === "EC") return { format: "raw", bytes: key.point, parameters: { name: "ECDSA", namedCurve: key.curve } };
  return { format: "spki", bytes: key.spki, parameters: { name, hash } };
}

async function importKey({ format, bytes, parameters }: KeyImport): Promise<CryptoKey> {
  return await crypto.subtle.importKey(format, owned(bytes), parameters, false, ["verify"]);
}

/** Most keys of authorities that stay imported. */
const MAX_KEPT_KEYS = 64;

/** Imported keys by all that they were imported from, the one that was used last at the end. */
const kept = new Map<string, Promise<CryptoKey>>();

/** Keys of authorities are few and come again with every device: importing one of RSA takes longer than verifying with it. */
async function keptKey(source: KeyImport): Promise<CryptoKey> {
  const id = `${source.format} ${JSON.stringify(source.parameters)} ${encodeHex(source.bytes)}`;
  const key = kept.get(id) ?? importKey(source);
  kept.delete(id);
  kept.set(id, key);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT_KEYS && oldest !== undefined) kept.delete(oldest);
  try {
    return await key;
  } catch (error) {
    kept.delete(id);
    throw error;
  }
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

type Importer = (source: KeyImport) => Promise<CryptoKey>;

async function verifyWith(
  importer: Importer,
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if ((key.type === "EC") !== (algorithm.name === "ECDSA")) return false;
  if (key.type === "EC" && signature.length !== 2 * COORDINATE_BYTES[key.curve]) return false;
  try {
    const verifier = await importer(keyImport(key, algorithm));
    return await crypto.subtle.verify(algorithm, verifier, owned(signature), owned(message));
  } catch {
    return false;
  }
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
  return await verifyWith(importKey, key, algorithm, message, signature);
}

/** Whether an authority's signature verifies in its DER form, as certificates and CRLs carry it. */
export async function verifyDerSignature(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (algorithm.name !== "ECDSA") return await verifyWith(keptKey, key, algorithm, message, signature);
  const pair = key.type === "EC" ? parseEcdsaDer(signature, key.curve) : null;
  return pair !== null && (await verifyWith(keptKey, key, algorithm, message, pair));
}

/** Refuses an ECDSA signature value that is no DER, whatever key it is for. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function assertSignatureForm(algorithm: SignatureAlgorithm, signature: Uint8Array): void {
  if (algorithm.name === "ECDSA") parseEcdsaDer(signature, "P-521");
  else if (signature.length === 0) malformed("an empty signature");
}
