/** Certificate revocation lists (RFC 5280 section 5): complete, direct ones. */
import { encodeHex, equalBytes } from "../../../../core/bytes.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import type { Findings } from "../appraisal/findings.ts";
import { type Certificate, parseExtensions, parseSigned, type Signed } from "./certificate.ts";
import { maySignCrl } from "./chain.ts";
import { contextTag, type DerElement, DerReader, integerBytes, smallInteger, TAG, timeOf } from "./der.ts";
import { verifyDerSignature } from "./signature.ts";

/** Largest CRL that is read. */
export const MAX_CRL_BYTES = 4 * 1024 * 1024;

/** A CRL. */
export interface Crl extends Signed {
  readonly issuer: Uint8Array;
  /** Seconds since 1970, both inclusive. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers as certificates have them. */
  readonly revoked: ReadonlySet<string>;
}

function isTime(tag: number | null): boolean {
  return tag === TAG.utcTime || tag === TAG.generalizedTime;
}

/** Refuses critical extensions: a delta CRL or an indirect one means something else than its list says. */
function assertPlain(wrapper: DerElement | null): void {
  for (const [oid, { critical }] of parseExtensions(wrapper)) {
    if (critical) unsupported(`a CRL with the critical extension ${oid}`);
  }
}

function revokedSerials(body: DerReader): ReadonlySet<string> {
  const serials = new Set<string>();
  const list = body.optional(TAG.sequence);
  if (list === null) return serials;
  const entries = new DerReader(list.content);
  while (!entries.done) {
    const entry = entries.enter();
    serials.add(encodeHex(integerBytes(entry.next(TAG.integer))));
    timeOf(entry.next());
    const extensions = entry.optional(TAG.sequence);
    entry.end();
    for (const [oid, { critical }] of parseExtensions(extensions === null ? null : wrapped(extensions))) {
      if (critical) unsupported(`a CRL entry with the critical extension ${oid}`);
    }
  }
  return serials;
}

/** Entry extensions have no context tag around them. */
function wrapped(element: DerElement): DerElement {
  return { ...element, content: element.raw };
}

/**
 * The CRL that `der` is.
 * @throws TrisealError `EVIDENCE_MALFORMED`, also without `nextUpdate`; `EVIDENCE_UNSUPPORTED` for critical extensions.
 */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES) malformed(`a CRL of more than ${MAX_CRL_BYTES} bytes`);
  const { body, identifier, ...signed } = parseSigned(der);
  const version = body.optional(TAG.integer);
  if (version !== null && smallInteger(version) !== 1) unsupported("a CRL of another version");
  if (encodeHex(body.next(TAG.sequence).raw) !== encodeHex(identifier)) malformed("a CRL names two signature algorithms");
  const issuer = body.next(TAG.sequence).raw;
  const thisUpdate = timeOf(body.next());
  if (!isTime(body.peek)) malformed("a CRL without an end");
  const nextUpdate = timeOf(body.next());
  const revoked = revokedSerials(body);
  assertPlain(body.optional(contextTag(0)));
  body.end();
  return { ...signed, issuer, thisUpdate, nextUpdate, revoked };
}

/** Judges signature and period of a CRL under the certificate of its issuer. Records `collateral.signed` and `collateral.current`. */
export async function judgeCrl(
  crl: Crl,
  issuer: Certificate | null,
  at: UnixSeconds,
  findings: Findings,
  name: string,
): Promise<void> {
  const named = issuer !== null && equalBytes(crl.issuer, issuer.subject) && maySignCrl(issuer);
  const holds = named && (await verifyDerSignature(issuer.publicKey, crl.algorithm, crl.tbs, crl.signature));
  findings.expect("collateral.signed", holds, name);
  findings.expect("collateral.current", crl.thisUpdate <= at && at <= crl.nextUpdate, name);
}

/** Whether one of the lists that is about `certificate`, by the name of its issuer, revokes it. */
export function isRevoked(certificate: Certificate, lists: readonly Crl[]): boolean {
  return lists.some(({ issuer, revoked }) => equalBytes(issuer, certificate.issuer) && revoked.has(certificate.serial));
}

/** Records whether no certificate is on a list. */
export function judgeRevocation(
  certificates: readonly Certificate[],
  lists: readonly Crl[],
  findings: Findings,
  name: string,
): void {
  findings.expect("chain.unrevoked", !certificates.some((certificate) => isRevoked(certificate, lists)), name);
}
