/** Judges one RIM: its signature, its signer, and the signer's validity. */
import type { UnixSeconds } from "../../../../core/time.ts";
import type { Findings } from "../appraisal/findings.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { followChain } from "../x509/chain.ts";
import { parseRim, parseRimDocument, type Rim, type RimDocument } from "./rim.ts";
import { verifyXmlSignature } from "./xml-signature.ts";

/** KeyUsage (RFC 5280 section 4.2.1.3). */
const DIGITAL_SIGNATURE = 0;

/** A RIM document and the certificates in it. */
export interface SignedRim {
  readonly document: RimDocument;
  readonly signers: readonly Certificate[];
}

/** Reads a RIM document. What does not parse is recorded; null then. */
export function readSignedRim(bytes: Uint8Array, findings: Findings, name: string): SignedRim | null {
  return findings.read(name, () => {
    const document = parseRimDocument(bytes);
    return { document, signers: (document.signature?.certificates ?? []).map((der) => parseCertificate(der)) };
  });
}

/** A RIM that was judged. */
export interface JudgedRim {
  /** Its content; null where the signature does not hold, since nothing of it counts then. */
  readonly rim: Rim | null;
  /** The signer's chain with its anchor, leaf first. */
  readonly certificates: readonly Certificate[];
}

/**
 * Judges the signature over a RIM, the chain of its signer up to an anchor, and the validity of that chain. Records
 * `rim.signed` and `rim.current`. Compares nothing with a report.
 */
export async function judgeRim(
  { document, signers }: SignedRim,
  anchors: readonly Certificate[],
  at: UnixSeconds,
  findings: Findings,
  name: string,
): Promise<JudgedRim> {
  const [signer] = signers;
  const { root, signature } = document;
  if (signature === null || signer === undefined) {
    findings.expect("rim.signed", false, `${name}: no signature`);
    return { rim: null, certificates: [] };
  }
  const { broken, certificates } = await followChain(signers, anchors);
  findings.expect("rim.signed", broken === null, broken === null ? `${name}: chain` : `${name}: ${broken}`);
  const maySign = signer.keyUsage === null || signer.keyUsage[DIGITAL_SIGNATURE] === true;
  const isSigned = maySign && (await verifyXmlSignature(root, signature, signer.publicKey));
  findings.expect("rim.signed", isSigned, `${name}: signature`);
  const isCurrent = certificates.every(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter);
  findings.expect("rim.current", isCurrent, name);
  return { rim: isSigned ? findings.read(name, () => parseRim(root)) : null, certificates };
}
