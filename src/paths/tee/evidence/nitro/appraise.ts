/** Appraises an AWS Nitro attestation document: its certificates, its signature, and the enclave's registers. */
import { encodeHex, equalBytes } from "../../../../core/bytes.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { Findings } from "../appraisal/findings.ts";
import { mayTrail, meets } from "../appraisal/policy-members.ts";
import { bytesOf, requiredPart } from "../appraisal/roles.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { judgeChain } from "../x509/chain.ts";
import { verifySignature } from "../x509/signature.ts";
import { MAX_DOCUMENT_BYTES, type NitroDocument, parseNitroDocument } from "./nitro-document.ts";
import type { NitroPolicy } from "./policy.ts";

/** The document and its certificates, leaf first. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
function readDocument(
  bytes: Uint8Array,
  { trailing }: NitroPolicy,
): { readonly document: NitroDocument; readonly chain: readonly Certificate[] } {
  const document = parseNitroDocument(bytes);
  if (!mayTrail(document.rest, trailing)) malformed("bytes after the document");
  const ders = [document.certificate, ...document.authorities.toReversed()];
  return { document, chain: ders.map((der) => parseCertificate(der)) };
}

async function judgeSigner(
  document: NitroDocument,
  chain: readonly Certificate[],
  { anchors, at }: EvidenceInputs,
  findings: Findings,
): Promise<void> {
  await judgeChain(chain, anchors, at, findings, "document chain");
  const root = chain.at(-1);
  const isPinned = root !== undefined && anchors.some((anchor) => equalBytes(anchor.der, root.der));
  findings.expect("chain.trusted", isPinned, "the first of `cabundle` is the root itself");
  const [leaf] = chain;
  if (leaf === undefined) return;
  const { signed, signature } = document;
  const holds = await verifySignature(leaf.publicKey, { name: "ECDSA", hash: "SHA-384" }, signed, signature);
  findings.expect("evidence.signed", holds, "COSE signature");
}

const textOf = (bytes: Uint8Array | null | undefined): string | null => (bytes == null ? null : encodeHex(bytes));

function comparePolicy({ pcrs, nonce, userData, publicKey }: NitroDocument, policy: NitroPolicy, findings: Findings): void {
  // An enclave that runs in debug mode has zeros in its first registers.
  const isDebugged = pcrs.get(0)?.every((byte) => byte === 0) ?? true;
  findings.expect("guest.not-debugged", policy.allowDebug || !isDebugged, "PCR 0");
  findings.compare("nonce.matches", policy.nonce, (wanted) => wanted === textOf(nonce), "nonce");
  findings.compare("report-data.matches", policy.userData, (wanted) => wanted === textOf(userData), "user data");
  findings.compare("report-data.matches", policy.publicKey, (wanted) => wanted === textOf(publicKey), "public key");
  const measurements = [...(policy.measurements ?? [])];
  if (measurements.length === 0) findings.skip("measurement.matches", "PCRs: the policy names none");
  for (const [name, allowed] of measurements) {
    const digest = textOf(pcrs.get(Number(name.slice("pcr".length))));
    findings.compare("measurement.matches", allowed, (wanted) => meets(wanted, digest), name);
  }
}

/** What a document says. */
export function nitroClaims({ moduleId, timestampMs, pcrs, nonce, userData, publicKey }: NitroDocument): JsonObject {
  return {
    moduleId,
    timestamp: new Date(timestampMs).toISOString(),
    ...Object.fromEntries([...pcrs].map(([index, digest]) => [`pcr${index}`, encodeHex(digest)])),
    nonce: textOf(nonce),
    userData: textOf(userData),
    publicKey: textOf(publicKey),
  };
}

/** Appraises a document. */
export async function appraise(inputs: EvidenceInputs, policy: NitroPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const bytes = requiredPart(findings, "document", (name) => bytesOf(inputs.evidence, name, MAX_DOCUMENT_BYTES));
  const read = bytes === null ? null : findings.read("`document`", () => readDocument(bytes, policy));
  if (read === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  await judgeSigner(read.document, read.chain, inputs, findings);
  comparePolicy(read.document, policy, findings);
  return { checks: findings.all(), claims: nitroClaims(read.document), bonds: NO_BONDS };
}
