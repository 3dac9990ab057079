/** Judges certificate chains as they are given: nothing is searched for, reordered or left out. */
import { equalBytes } from "../../../../core/bytes.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import type { Findings } from "../appraisal/findings.ts";
import type { Certificate } from "./certificate.ts";
import { verifyDerSignature } from "./signature.ts";

/** Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/**
 * Critical extensions that may stand in a chain: constraints and usages, which are judged here; alternative names, which name
 * nothing that is relied on; and the DICE identity of a device, which its own appraiser compares.
 */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set([
  "2.5.29.15",
  "2.5.29.17",
  "2.5.29.19",
  "2.5.29.37",
  "2.23.133.5.4.1",
  "2.23.133.5.4.1.1",
]);

/** Whether `issuer` may sign certificates at `depth` authorities above the leaf, and has the name that `subject` names. */
function mayIssue(issuer: Certificate, subject: Certificate, depth: number): boolean {
  const withinLength = issuer.pathLength === null || depth <= issuer.pathLength;
  const maySign = issuer.keyUsage === null || issuer.keyUsage[KEY_CERT_SIGN] === true;
  return issuer.isAuthority && withinLength && maySign && equalBytes(issuer.subject, subject.issuer);
}

/** Whether `issuer` signed `subject`, and was allowed to. @param depth authorities between `issuer` and the leaf. */
export async function isIssuedBy(subject: Certificate, issuer: Certificate, depth: number): Promise<boolean> {
  const { algorithm, tbs, signature } = subject;
  return mayIssue(issuer, subject, depth) && (await verifyDerSignature(issuer.publicKey, algorithm, tbs, signature));
}

/** Whether `issuer` may sign CRLs. */
export function maySignCrl(issuer: Certificate): boolean {
  return issuer.keyUsage === null || issuer.keyUsage[CRL_SIGN] === true;
}

function hasUnknownCritical({ extensions }: Certificate): boolean {
  return [...extensions].some(([oid, { critical }]) => critical && !KNOWN_CRITICAL.has(oid));
}

/** The anchor that the last certificate is, or that issued it; null where there is none. */
async function anchorOf(last: Certificate, anchors: readonly Certificate[], depth: number): Promise<Certificate | null> {
  const same = anchors.find(({ fingerprint }) => fingerprint === last.fingerprint);
  if (same !== undefined) return same;
  for (const anchor of anchors) if (await isIssuedBy(last, anchor, depth)) return anchor;
  return null;
}

/** What is wrong with the order of a chain, or null. */
async function brokenLink(chain: readonly Certificate[]): Promise<string | null> {
  // All at once: they wait for the same few threads, and a good chain needs them all.
  const issued = await Promise.all(
    chain.map(async (certificate, index) => {
      const issuer = chain[index + 1];
      return issuer === undefined || (await isIssuedBy(certificate, issuer, index));
    }),
  );
  for (const [index, certificate] of chain.entries()) {
    if (hasUnknownCritical(certificate)) return `certificate ${index} has a critical extension that is not known`;
    if (issued[index] !== true) return `certificate ${index} is not issued by the next`;
  }
  return null;
}

/** A chain that was followed to its end. */
export interface FollowedChain {
  /** Why it does not lead to an anchor; null where it does. */
  readonly broken: string | null;
  /** The certificates of the chain and, where it stands outside, the anchor above it. */
  readonly certificates: readonly Certificate[];
}

/**
 * Follows `chain`, leaf first: each certificate is issued by the next (name, CA flag, key usage, path length, signature), and
 * the last one is an anchor or issued by one. Does not look at validity and revocation, nor at what kind of chain it is.
 */
export async function followChain(chain: readonly Certificate[], anchors: readonly Certificate[]): Promise<FollowedChain> {
  const last = chain.at(-1);
  if (last === undefined) return { broken: "no certificate", certificates: [] };
  const broken = await brokenLink(chain);
  const anchor = await anchorOf(last, anchors, chain.length - 1);
  const isInside = anchor === null || chain.some(({ fingerprint }) => fingerprint === anchor.fingerprint);
  return { broken: broken ?? (anchor === null ? "no trusted root" : null), certificates: isInside ? chain : [...chain, anchor] };
}

/** Records `chain.begun` and `chain.unexpired` of certificates. */
function judgeValidity(certificates: readonly Certificate[], at: UnixSeconds, findings: Findings, name: string): void {
  findings.expect(
    "chain.begun",
    certificates.every(({ notBefore }) => notBefore <= at),
    name,
  );
  findings.expect(
    "chain.unexpired",
    certificates.every(({ notAfter }) => at <= notAfter),
    name,
  );
}

/** A chain that was judged. */
export interface JudgedChain {
  readonly trusted: boolean;
  /** As of `FollowedChain`. */
  readonly certificates: readonly Certificate[];
}

/**
 * Judges `chain`: whether it leads to an anchor (`followChain`), and whether each certificate is within its validity, the
 * anchor included. Records `chain.trusted`, `chain.begun` and `chain.unexpired`.
 */
export async function judgeChain(
  chain: readonly Certificate[],
  anchors: readonly Certificate[],
  at: UnixSeconds,
  findings: Findings,
  name: string,
): Promise<JudgedChain> {
  const { broken, certificates } = await followChain(chain, anchors);
  const trusted = findings.expect("chain.trusted", broken === null, broken === null ? name : `${name}: ${broken}`);
  judgeValidity(certificates, at, findings, name);
  return { trusted, certificates };
}
