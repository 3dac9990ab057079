/** An AWS Nitro attestation document: COSE_Sign1 (RFC 9052 section 4.2) with ECDSA on P-384, over a CBOR map. */
import { concatBytes, utf8 } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { type CborMap, type CborValue, encodeCborBytes, parseCbor, parseCborPrefix } from "./cbor.ts";

/** Largest document; the secure module makes none beyond 16 KiB. */
export const MAX_DOCUMENT_BYTES = 64 * 1024;
/** The head of tag 18, COSE_Sign1. */
const COSE_SIGN1_TAG = 0xd2;
/** The heads of an array of four and of a text of ten bytes, as Sig_structure begins. */
const ARRAY_OF_FOUR = 0x84;
const TEXT_OF_TEN = 0x6a;
/** COSE header parameter 1, the algorithm, and its value for ECDSA with SHA-384. */
const ALGORITHM = 1;
const ES384 = -35;
const MAX_PCR = 31;
const PCR_BYTES: ReadonlySet<number> = new Set([32, 48, 64]);
const MAX_CERTIFICATES = 16;
const MAX_FIELD_BYTES = 4096;
/** Milliseconds of the last second of the year 9999. */
const MAX_TIMESTAMP_MS = 253_402_300_799_999;

/** A document. Nothing is verified. */
export interface NitroDocument {
  readonly moduleId: string;
  /** When the document was made, in milliseconds since 1970, by the clock of the secure module. */
  readonly timestampMs: number;
  /** Registers by number. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Certificate of the key that signed, DER. */
  readonly certificate: Uint8Array;
  /** Its issuers in DER, root first. */
  readonly authorities: readonly Uint8Array[];
  /** What the enclave put in; null where it put in nothing. */
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
  /** The Sig_structure that is signed (RFC 9052 section 4.4). */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** What follows the COSE structure. */
  readonly rest: Uint8Array;
}

function bytesOf(value: CborValue | undefined, what: string, most: number): Uint8Array {
  const fits = value instanceof Uint8Array && value.length > 0 && value.length <= most;
  return fits ? value : malformed(`Nitro document: ${what} is not a byte string of 1 to ${most} bytes`);
}

function mapOf(value: CborValue | undefined, what: string): CborMap {
  return value instanceof Map ? value : malformed(`Nitro document: ${what} is no map`);
}

function isList(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

function listOf(value: CborValue | undefined, what: string): readonly CborValue[] {
  return isList(value) ? value : malformed(`Nitro document: ${what} is no array`);
}

/** The protected header: the algorithm and nothing else. */
function assertAlgorithm(header: Uint8Array): void {
  const parameters = mapOf(parseCbor(header), "the protected header");
  if (parameters.size !== 1 || parameters.get(ALGORITHM) !== ES384) unsupported("COSE: an algorithm that is not ES384");
}

function readPcrs(value: CborValue | undefined): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, digest] of mapOf(value, "pcrs")) {
    if (typeof index !== "number" || index < 0 || index > MAX_PCR) return malformed("Nitro document: no such PCR");
    const bytes = bytesOf(digest, "a PCR", 64);
    if (!PCR_BYTES.has(bytes.length)) malformed("Nitro document: a PCR of another length");
    pcrs.set(index, bytes);
  }
  return pcrs.size > 0 ? pcrs : malformed("Nitro document: no PCR");
}

function optionalBytes(value: CborValue | undefined, what: string): Uint8Array | null {
  if (value === undefined || value === null) return null;
  // Present and empty is something else than absent, and neither says anything.
  if (value instanceof Uint8Array && value.length === 0) return value;
  return bytesOf(value, what, MAX_FIELD_BYTES);
}

const FIELDS: ReadonlySet<unknown> = new Set([
  "module_id",
  "digest",
  "timestamp",
  "pcrs",
  "certificate",
  "cabundle",
  "public_key",
  "user_data",
  "nonce",
]);

function readPayload(payload: Uint8Array): Omit<NitroDocument, "signed" | "signature" | "rest"> {
  const fields = mapOf(parseCbor(payload), "the payload");
  if ([...fields.keys()].some((name) => !FIELDS.has(name))) malformed("Nitro document: a field that is not known");
  const moduleId = fields.get("module_id");
  const timestampMs = fields.get("timestamp");
  if (typeof moduleId !== "string" || moduleId === "" || moduleId.length > 256) return malformed("Nitro document: no module id");
  const isTime = typeof timestampMs === "number" && timestampMs >= 0 && timestampMs <= MAX_TIMESTAMP_MS;
  if (!isTime) return malformed("Nitro document: no timestamp");
  if (fields.get("digest") !== "SHA384") unsupported("Nitro document: a digest that is not SHA384");
  const authorities = listOf(fields.get("cabundle"), "cabundle");
  if (authorities.length === 0 || authorities.length > MAX_CERTIFICATES) malformed("Nitro document: no or many authorities");
  return {
    moduleId,
    timestampMs,
    pcrs: readPcrs(fields.get("pcrs")),
    certificate: bytesOf(fields.get("certificate"), "certificate", MAX_FIELD_BYTES),
    authorities: authorities.map((authority) => bytesOf(authority, "an authority", MAX_FIELD_BYTES)),
    publicKey: optionalBytes(fields.get("public_key"), "public_key"),
    userData: optionalBytes(fields.get("user_data"), "user_data"),
    nonce: optionalBytes(fields.get("nonce"), "nonce"),
  };
}

/** `["Signature1", header, no external data, payload]`. */
function sigStructure(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const parts = [header, new Uint8Array(0), payload].map(encodeCborBytes);
  return concatBytes(Uint8Array.of(ARRAY_OF_FOUR, TEXT_OF_TEN), utf8("Signature1"), ...parts);
}

/**
 * The document in `bytes`, with or without tag 18. What follows it is returned as `rest`, for the caller to judge.
 * @throws TrisealError `EVIDENCE_MALFORMED`; `EVIDENCE_UNSUPPORTED` for another algorithm or digest.
 */
export function parseNitroDocument(bytes: Uint8Array): NitroDocument {
  if (bytes.length > MAX_DOCUMENT_BYTES) malformed(`Nitro document: more than ${MAX_DOCUMENT_BYTES} bytes`);
  const { value, rest } = parseCborPrefix(bytes[0] === COSE_SIGN1_TAG ? bytes.subarray(1) : bytes);
  const parts = listOf(value, "COSE_Sign1");
  const [header, unprotected, payload, signature] = parts;
  if (parts.length !== 4 || mapOf(unprotected, "the unprotected header").size > 0)
    malformed("COSE: not COSE_Sign1, or more in it");
  const protectedHeader = bytesOf(header, "the protected header", 64);
  assertAlgorithm(protectedHeader);
  const content = bytesOf(payload, "the payload", MAX_DOCUMENT_BYTES);
  return {
    ...readPayload(content),
    signed: sigStructure(protectedHeader, content),
    signature: bytesOf(signature, "the signature", 96),
    rest,
  };
}
