/** OCSP answers (RFC 6960 section 4.2), read strictly. Reading verifies nothing. */
import { encodeHex } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { parseSignatureAlgorithm, type SignatureAlgorithm } from "../x509/algorithm.ts";
import { type Certificate, type Extension, parseCertificate, parseExtensions } from "../x509/certificate.ts";
import { contextTag, DerReader, integerBytes, oidOf, smallInteger, soleElement, TAG, timeOf, wholeBits } from "../x509/der.ts";
import { assertSignatureForm } from "../x509/signature.ts";

/** Largest answer; real ones have 1 to 3 kB. */
export const MAX_OCSP_BYTES = 64 * 1024;
const MAX_ANSWERS = 32;
const MAX_CERTIFICATES = 8;

const BASIC_RESPONSE = "1.3.6.1.5.5.7.48.1.1";
const NONCE = "1.3.6.1.5.5.7.48.1.2";
const SUCCESSFUL = 0;

/** Hashes that a certificate may be named by. They find it, no more: SHA-1 is no weakness here. */
const NAMING_HASHES: Readonly<Record<string, NamingHash>> = {
  "1.3.14.3.2.26": "SHA-1",
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};

/** A hash that certificates are named by. */
export type NamingHash = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

/** What a responder says about one certificate. */
export interface OcspAnswer {
  readonly hash: NamingHash;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  /** As `Certificate.serial`. */
  readonly serial: string;
  /** On hold counts as revoked: the reason is kept for a person. */
  readonly status: "good" | "revoked" | "unknown";
  /** CRLReason of a revocation (6 is on hold); null where none is stated. */
  readonly reason: number | null;
  /** Seconds since 1970, both inclusive. Null where the responder promises no next update. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
}

/** Signed answers of one responder. */
export interface OcspResponse {
  /** The responder's name (DER), or the SHA-1 of its key. */
  readonly responder: { readonly name: Uint8Array } | { readonly keyHash: Uint8Array };
  readonly answers: readonly OcspAnswer[];
  /** What the requester chose, as it stands in the extensions of the response; null where it repeats none. */
  readonly nonce: Uint8Array | null;
  readonly certificates: readonly Certificate[];
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

function readHash(identifier: DerReader): NamingHash {
  const oid = oidOf(identifier.next(TAG.oid));
  identifier.optional(TAG.null);
  identifier.end();
  return NAMING_HASHES[oid] ?? unsupported(`OCSP: hash ${oid}`);
}

/** RevokedInfo, whose tag is implicit. */
function readReason(content: Uint8Array): number | null {
  const info = new DerReader(content);
  timeOf(info.next(TAG.generalizedTime));
  const reason = info.optional(contextTag(0));
  info.end();
  return reason === null ? null : smallInteger(soleElement(reason.content, TAG.enumerated));
}

function readStatus(answer: DerReader): Pick<OcspAnswer, "status" | "reason"> {
  const { tag, content } = answer.next();
  if (tag === contextTag(1)) return { status: "revoked", reason: readReason(content) };
  if (content.length > 0) malformed("OCSP: a status with content");
  if (tag === contextTag(0, false)) return { status: "good", reason: null };
  return tag === contextTag(2, false) ? { status: "unknown", reason: null } : malformed("OCSP: no status");
}

function assertNoneCritical(extensions: ReadonlyMap<string, Extension>): void {
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== NONCE) unsupported(`OCSP: the critical extension ${oid}`);
  }
}

function readAnswer(answer: DerReader): OcspAnswer {
  const id = answer.enter();
  const hash = readHash(id.enter());
  const issuerNameHash = id.next(TAG.octetString).content;
  const issuerKeyHash = id.next(TAG.octetString).content;
  const serial = encodeHex(integerBytes(id.next(TAG.integer)));
  id.end();
  const status = readStatus(answer);
  const thisUpdate = timeOf(answer.next(TAG.generalizedTime));
  const next = answer.optional(contextTag(0));
  const nextUpdate = next === null ? null : timeOf(soleElement(next.content, TAG.generalizedTime));
  assertNoneCritical(parseExtensions(answer.optional(contextTag(1))));
  answer.end();
  return { hash, issuerNameHash, issuerKeyHash, serial, ...status, thisUpdate, nextUpdate };
}

function readResponder(data: DerReader): OcspResponse["responder"] {
  const name = data.optional(contextTag(1));
  if (name !== null) return { name: soleElement(name.content).raw };
  return { keyHash: soleElement(data.next(contextTag(2)).content, TAG.octetString).content };
}

/** ResponseData (section 4.2.1). */
function readData(data: DerReader): Pick<OcspResponse, "responder" | "answers" | "nonce"> {
  const version = data.optional(contextTag(0));
  if (version !== null && smallInteger(soleElement(version.content, TAG.integer)) !== 0) unsupported("OCSP: another version");
  const responder = readResponder(data);
  timeOf(data.next(TAG.generalizedTime));
  const list = data.enter();
  const answers: OcspAnswer[] = [];
  while (!list.done) {
    if (answers.length === MAX_ANSWERS) malformed(`OCSP: more than ${MAX_ANSWERS} answers`);
    answers.push(readAnswer(list.enter()));
  }
  const extensions = parseExtensions(data.optional(contextTag(1)));
  data.end();
  assertNoneCritical(extensions);
  const nonce = extensions.get(NONCE)?.value;
  return { responder, answers, nonce: nonce === undefined ? null : soleElement(nonce, TAG.octetString).content };
}

function readCertificates(basic: DerReader): readonly Certificate[] {
  const wrapper = basic.optional(contextTag(0));
  if (wrapper === null) return [];
  const list = new DerReader(soleElement(wrapper.content).content);
  const certificates: Certificate[] = [];
  while (!list.done) {
    if (certificates.length === MAX_CERTIFICATES) malformed(`OCSP: more than ${MAX_CERTIFICATES} certificates`);
    certificates.push(parseCertificate(list.next(TAG.sequence).raw));
  }
  return certificates;
}

/**
 * The answers in `der`; null where the responder answers that it has none (`tryLater`, `unauthorized` and the like).
 * @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`.
 */
export function parseOcspResponse(der: Uint8Array): OcspResponse | null {
  if (der.length > MAX_OCSP_BYTES) malformed(`OCSP: more than ${MAX_OCSP_BYTES} bytes`);
  const outer = new DerReader(soleElement(der).content);
  const status = smallInteger(outer.next(TAG.enumerated));
  const wrapper = outer.optional(contextTag(0));
  outer.end();
  if (status !== SUCCESSFUL) return null;
  if (wrapper === null) return malformed("OCSP: a success without an answer");
  const bytes = new DerReader(soleElement(wrapper.content).content);
  if (oidOf(bytes.next(TAG.oid)) !== BASIC_RESPONSE) unsupported("OCSP: another type of response");
  const basic = new DerReader(soleElement(bytes.next(TAG.octetString).content).content);
  bytes.end();
  const tbs = basic.next(TAG.sequence);
  const algorithm = parseSignatureAlgorithm(basic.enter());
  const signature = wholeBits(basic.next(TAG.bitString));
  assertSignatureForm(algorithm, signature);
  const certificates = readCertificates(basic);
  basic.end();
  return { ...readData(new DerReader(tbs.content)), certificates, tbs: tbs.raw, algorithm, signature };
}
