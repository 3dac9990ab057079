/**
 * Judges OCSP answers about the certificates of chains. An answer counts only where it names the certificate, is current,
 * and is signed by the issuer or by a responder that the issuer appointed (RFC 6960 section 4.2.2.2). No answer, a refusal to
 * answer and "unknown" are never "good".
 */
import { equalBytes } from "../../../../core/bytes.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import type { Findings } from "../appraisal/findings.ts";
import type { Certificate } from "../x509/certificate.ts";
import { isIssuedBy } from "../x509/chain.ts";
import { DerReader, oidOf, soleElement, TAG, wholeBits } from "../x509/der.ts";
import { verifyDerSignature } from "../x509/signature.ts";
import type { NamingHash, OcspAnswer, OcspResponse } from "./ocsp-response.ts";

const EXTENDED_KEY_USAGE = "2.5.29.37";
const OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";

/** A certificate and the one that issued it. */
export interface IssuedCertificate {
  readonly subject: Certificate;
  readonly issuer: Certificate;
  /** Whether an answer about it must be there. */
  readonly needsAnswer: boolean;
}

async function digest(hash: NamingHash, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, new Uint8Array(bytes)));
}

/** The bits of a public key, which OCSP hashes without their wrapping. */
function keyBits(certificate: Certificate): Uint8Array {
  const info = new DerReader(soleElement(certificate.publicKey.spki).content);
  info.next(TAG.sequence);
  return wholeBits(info.next(TAG.bitString));
}

async function isAbout(answer: OcspAnswer, { subject, issuer }: IssuedCertificate): Promise<boolean> {
  if (answer.serial !== subject.serial) return false;
  const named = equalBytes(answer.issuerNameHash, await digest(answer.hash, issuer.subject));
  return named && equalBytes(answer.issuerKeyHash, await digest(answer.hash, keyBits(issuer)));
}

function maySignOcsp({ extensions }: Certificate): boolean {
  const usage = extensions.get(EXTENDED_KEY_USAGE);
  if (usage === undefined) return false;
  const list = new DerReader(soleElement(usage.value).content);
  const usages: string[] = [];
  while (!list.done) usages.push(oidOf(list.next(TAG.oid)));
  return usages.includes(OCSP_SIGNING);
}

async function isResponder({ responder }: OcspResponse, candidate: Certificate): Promise<boolean> {
  if ("name" in responder) return equalBytes(responder.name, candidate.subject);
  return equalBytes(responder.keyHash, await digest("SHA-1", keyBits(candidate)));
}

/** The certificate that the response is signed with, if `issuer` lets it answer for itself; null else. */
async function responderOf(response: OcspResponse, issuer: Certificate): Promise<Certificate | null> {
  if (await isResponder(response, issuer)) return issuer;
  for (const candidate of response.certificates) {
    const appointed = maySignOcsp(candidate) && (await isIssuedBy(candidate, issuer, 0));
    if (appointed && (await isResponder(response, candidate))) return candidate;
  }
  return null;
}

async function judgeAnswer(
  response: OcspResponse,
  answer: OcspAnswer,
  issuer: Certificate,
  at: UnixSeconds,
  findings: Findings,
): Promise<void> {
  const name = "OCSP answer";
  const responder = await responderOf(response, issuer);
  findings.expect("chain.trusted", responder !== null, responder === null ? `${name}: not by the issuer's responder` : name);
  if (responder !== null) {
    const { algorithm, tbs, signature } = response;
    findings.expect("chain.begun", responder.notBefore <= at, name);
    findings.expect("chain.unexpired", at <= responder.notAfter, name);
    findings.expect("collateral.signed", await verifyDerSignature(responder.publicKey, algorithm, tbs, signature), name);
  }
  const isCurrent = answer.thisUpdate <= at && answer.nextUpdate !== null && at <= answer.nextUpdate;
  findings.expect("collateral.current", isCurrent, name);
  findings.expect("chain.unrevoked", answer.status !== "revoked", answer.reason === 6 ? `${name}: on hold` : name);
  findings.expect("collateral.present", answer.status !== "unknown", answer.status === "unknown" ? `${name}: unknown` : name);
}

/**
 * Judges `responses` (null for a responder that had no answer) about `issued`. Records for each answer who signed it, its
 * period and its status; `collateral.matches` where a response is about none of the certificates; `collateral.present` where
 * a responder refused, and where a certificate that needs an answer has none.
 */
export async function judgeOcsp(
  responses: readonly (OcspResponse | null)[],
  issued: readonly IssuedCertificate[],
  at: UnixSeconds,
  findings: Findings,
): Promise<void> {
  const answered = new Set<IssuedCertificate>();
  for (const response of responses) {
    if (response === null) {
      findings.expect("collateral.present", false, "the OCSP responder gave no answer");
      continue;
    }
    let matches = false;
    for (const answer of response.answers) {
      for (const entry of issued) {
        if (!(await isAbout(answer, entry))) continue;
        matches = true;
        answered.add(entry);
        await judgeAnswer(response, answer, entry.issuer, at, findings);
      }
    }
    findings.expect("collateral.matches", matches, "the OCSP response is about a certificate of this chain");
  }
  const missing = issued.filter((entry) => entry.needsAnswer && !answered.has(entry));
  findings.expect("collateral.present", missing.length === 0, "an OCSP answer about each certificate that needs one");
}
