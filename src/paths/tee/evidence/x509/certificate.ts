/** X.509 certificates (RFC 5280 section 4), read strictly. Reading verifies nothing. */
import { encodeHex } from "../../../../core/bytes.ts";
import { sha256Bytes } from "../../../../core/digest.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { type PublicKey, parsePublicKey, parseSignatureAlgorithm, type SignatureAlgorithm } from "./algorithm.ts";
import {
  booleanOf,
  contextTag,
  type DerElement,
  DerReader,
  integerBytes,
  namedBits,
  oidOf,
  smallInteger,
  soleElement,
  TAG,
  timeOf,
  wholeBits,
} from "./der.ts";
import { assertSignatureForm } from "./signature.ts";

/** Largest certificate that is read; real ones have at most 2 kB. */
export const MAX_CERTIFICATE_BYTES = 16_384;

/** One extension: whether a reader must know it, and its value. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** What was signed, by which algorithm, and the signature; certificates and CRLs share this form. */
export interface Signed {
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** A certificate. Names are compared as bytes. */
export interface Certificate extends Signed {
  readonly der: Uint8Array;
  /** SHA-256 of the DER, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Serial number, lower-case hexadecimal of its minimal two's complement. */
  readonly serial: string;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Common names, or null. */
  readonly issuerName: string | null;
  readonly subjectName: string | null;
  /** Seconds since 1970, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  readonly isAuthority: boolean;
  /** Most authorities between this one and a leaf; null where there is no bound. */
  readonly pathLength: number | null;
  /** Key usage bits, or null where the extension is absent. */
  readonly keyUsage: readonly boolean[] | null;
  readonly extensions: ReadonlyMap<string, Extension>;
}

const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const COMMON_NAME = "2.5.4.3";

/** The three parts of a signed object, and a reader of the first. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
export function parseSigned(der: Uint8Array): Signed & { readonly identifier: Uint8Array; readonly body: DerReader } {
  const outer = new DerReader(soleElement(der).content);
  const tbs = outer.next(TAG.sequence);
  const identifier = outer.next(TAG.sequence);
  const signature = wholeBits(outer.next(TAG.bitString));
  outer.end();
  const algorithm = parseSignatureAlgorithm(new DerReader(identifier.content));
  assertSignatureForm(algorithm, signature);
  return { tbs: tbs.raw, algorithm, signature, identifier: identifier.raw, body: new DerReader(tbs.content) };
}

/** Extensions by object identifier. @throws TrisealError `EVIDENCE_MALFORMED`, also where one stands twice. */
export function parseExtensions(wrapper: DerElement | null): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  if (wrapper === null) return extensions;
  const list = new DerReader(soleElement(wrapper.content).content);
  while (!list.done) {
    const entry = list.enter();
    const oid = oidOf(entry.next(TAG.oid));
    const flag = entry.optional(TAG.boolean);
    const value = entry.next(TAG.octetString).content;
    entry.end();
    if (extensions.has(oid)) malformed(`extension ${oid} stands twice`);
    extensions.set(oid, { critical: flag !== null && booleanOf(flag), value });
  }
  return extensions;
}

/** The common name of a Name, or null where it has none or several. */
function commonName(name: Uint8Array): string | null {
  const found: string[] = [];
  const relative = new DerReader(soleElement(name).content);
  while (!relative.done) {
    const set = relative.enter(TAG.set);
    while (!set.done) {
      const pair = set.enter();
      const oid = oidOf(pair.next(TAG.oid));
      const value = pair.next();
      pair.end();
      if (oid === COMMON_NAME) found.push(new TextDecoder().decode(value.content));
    }
  }
  return found.length === 1 ? (found[0] ?? null) : null;
}

function constraintsOf(extension: Extension | undefined): Pick<Certificate, "isAuthority" | "pathLength"> {
  if (extension === undefined) return { isAuthority: false, pathLength: null };
  const reader = new DerReader(soleElement(extension.value).content);
  const flag = reader.optional(TAG.boolean);
  const bound = reader.optional(TAG.integer);
  reader.end();
  const isAuthority = flag !== null && booleanOf(flag);
  return { isAuthority, pathLength: bound === null ? null : smallInteger(bound) };
}

function usageOf(extension: Extension | undefined): readonly boolean[] | null {
  return extension === undefined ? null : namedBits(soleElement(extension.value, TAG.bitString));
}

function versionOf(body: DerReader): number {
  const wrapper = body.optional(contextTag(0));
  const version = wrapper === null ? 0 : smallInteger(soleElement(wrapper.content, TAG.integer));
  if (version !== 0 && version !== 2) unsupported(`a certificate of version ${version + 1}`);
  return version;
}

function validityOf(body: DerReader): Pick<Certificate, "notBefore" | "notAfter"> {
  const validity = body.enter();
  const notBefore = timeOf(validity.next());
  const notAfter = timeOf(validity.next());
  validity.end();
  return { notBefore, notAfter };
}

/**
 * The certificate that `der` is.
 * @throws TrisealError `EVIDENCE_MALFORMED` for anything that is not strict DER, bytes after the end included;
 *   `EVIDENCE_UNSUPPORTED` for other algorithms.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) malformed(`a certificate of more than ${MAX_CERTIFICATE_BYTES} bytes`);
  const { body, identifier, ...signed } = parseSigned(der);
  const version = versionOf(body);
  const serial = encodeHex(integerBytes(body.next(TAG.integer)));
  const inner = body.next(TAG.sequence).raw;
  if (encodeHex(inner) !== encodeHex(identifier)) malformed("a certificate names two signature algorithms");
  const issuer = body.next(TAG.sequence).raw;
  const validity = validityOf(body);
  const subject = body.next(TAG.sequence).raw;
  const publicKey = parsePublicKey(body.next(TAG.sequence).raw);
  body.optional(contextTag(1, false));
  body.optional(contextTag(2, false));
  const wrapper = body.optional(contextTag(3));
  body.end();
  if (version === 0 && wrapper !== null) malformed("a certificate of version 1 with extensions");
  const extensions = parseExtensions(wrapper);
  const names = { issuer, subject, issuerName: commonName(issuer), subjectName: commonName(subject) };
  const constraints = constraintsOf(extensions.get(BASIC_CONSTRAINTS));
  const keyUsage = usageOf(extensions.get(KEY_USAGE));
  const fingerprint = encodeHex(sha256Bytes(der));
  return { ...signed, ...names, ...validity, ...constraints, der, fingerprint, serial, publicKey, keyUsage, extensions };
}
