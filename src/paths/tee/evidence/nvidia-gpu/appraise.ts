/** Appraises a GPU report: NVIDIA's device chain, the report's signature, firmware, RIMs and OCSP answers. */
import { concatBytes, encodeHex, equalBytes } from "../../../../core/bytes.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceBonds, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { Findings } from "../appraisal/findings.ts";
import { mayTrail } from "../appraisal/policy-members.ts";
import { bytesOf, certificatesOf, isGiven, listOf, requiredPart } from "../appraisal/roles.ts";
import { type JudgedRim, judgeRim, readSignedRim } from "../nvidia-rim/judge-rim.ts";
import { rimRoots } from "../nvidia-rim/roots.ts";
import { MAX_XML_BYTES } from "../nvidia-rim/xml-document.ts";
import type { Certificate } from "../x509/certificate.ts";
import { judgeChain } from "../x509/chain.ts";
import { verifySignature } from "../x509/signature.ts";
import { compareWithRims } from "./compare.ts";
import { firmwareIdsOf } from "./firmware-id.ts";
import { type OcspResponse, parseOcspResponse } from "./ocsp-response.ts";
import type { GpuPolicy } from "./policy.ts";
import { type IssuedCertificate, judgeOcsp } from "./revocation.ts";
import { deviceRoots } from "./roots.ts";
import { type GpuReport, MAX_REPORT_BYTES, parseGpuReport } from "./spdm-report.ts";

const RIM_ROLES = { driver: "driverRim", vbios: "vbiosRim" } as const;

/** `anchors` without the roots that are pinned for something else: NVIDIA's RIM signers make no devices. */
function anchorsWithout(anchors: readonly Certificate[], others: readonly Certificate[]): readonly Certificate[] {
  return anchors.filter(({ fingerprint }) => !others.some((other) => other.fingerprint === fingerprint));
}

/** Each certificate of a chain with its issuer. Where answers are needed, then about all but the leaf, for which nobody has any. */
function issuedPairs(chain: readonly Certificate[], needAnswers: boolean): readonly IssuedCertificate[] {
  return chain.flatMap((subject, index) => {
    const issuer = chain[index + 1];
    return issuer === undefined ? [] : [{ subject, issuer, needsAnswer: needAnswers && index > 0 }];
  });
}

function judgeFirmware(leaf: Certificate, report: GpuReport, policy: GpuPolicy, findings: Findings): void {
  const stated = findings.read("firmware id of the certificate", () => firmwareIdsOf(leaf));
  const { fwid } = report;
  if (fwid === null) {
    const why = "the report states no firmware id";
    if (policy.requireFwid) findings.expect("firmware.matches", false, why);
    else findings.skip("firmware.matches", why);
    return;
  }
  const isSame = stated !== null && stated.length > 0 && stated.every((id) => equalBytes(id, fwid));
  findings.expect("firmware.matches", isSame, "firmware id");
}

async function judgeDevice(
  chain: readonly Certificate[],
  report: GpuReport,
  { anchors, at }: EvidenceInputs,
  policy: GpuPolicy,
  findings: Findings,
): Promise<readonly IssuedCertificate[]> {
  const judged = await judgeChain(chain, anchorsWithout(anchors, rimRoots()), at, findings, "device chain");
  const [leaf] = chain;
  if (leaf === undefined) return [];
  const { publicKey } = leaf;
  const holds = await verifySignature(publicKey, { name: "ECDSA", hash: "SHA-384" }, report.signed, report.signature);
  findings.expect("evidence.signed", holds, "report");
  judgeFirmware(leaf, report, policy, findings);
  // In a chain that is broken, who would have to answer about whom is not known.
  return issuedPairs(judged.certificates, policy.requireRevocation && judged.trusted);
}

/** Records that a role is absent: a failure where the policy requires it, else checks that were not made. */
function absent(role: string, isRequired: boolean, unchecked: readonly EvidenceCheckId[], findings: Findings): void {
  if (isRequired) findings.expect("collateral.present", false, `\`${role}\``);
  for (const id of unchecked) findings.skip(id, `no \`${role}\``);
}

async function judgeRims(
  { endorsements, anchors, at }: EvidenceInputs,
  policy: GpuPolicy,
  findings: Findings,
): Promise<Readonly<Record<keyof typeof RIM_ROLES, JudgedRim | null>>> {
  const judge = async (role: string): Promise<JudgedRim | null> => {
    if (!isGiven(endorsements, role)) {
      absent(role, policy.requireRim, ["rim.signed", "rim.current", "measurement.matches"], findings);
      return null;
    }
    const bytes = findings.read(`\`${role}\``, () => bytesOf(endorsements, role, MAX_XML_BYTES));
    const signed = bytes === null ? null : readSignedRim(bytes, findings, `\`${role}\``);
    if (signed === null) return null;
    return await judgeRim(signed, anchorsWithout(anchors, deviceRoots()), at, findings, `\`${role}\``);
  };
  const [driver, vbios] = await Promise.all([judge(RIM_ROLES.driver), judge(RIM_ROLES.vbios)]);
  return { driver, vbios };
}

function readOcsp(
  { endorsements }: EvidenceInputs,
  { requireRevocation }: GpuPolicy,
  findings: Findings,
): readonly (OcspResponse | null)[] {
  if (!isGiven(endorsements, "ocsp")) {
    absent("ocsp", requireRevocation, ["collateral.signed", "collateral.current", "chain.unrevoked"], findings);
    return [];
  }
  const ders = findings.read("`ocsp`", () => listOf(endorsements, "ocsp")) ?? [];
  // A response that does not parse was recorded, and is no answer.
  return ders.map((der) => findings.read("`ocsp`", () => parseOcspResponse(der)));
}

function comparePolicy(report: GpuReport, policy: GpuPolicy, findings: Findings): void {
  const { nonce, driverVersion, vbiosVersion } = policy;
  findings.compare("nonce.matches", nonce, (wanted) => wanted === encodeHex(report.nonce), "nonce of the request");
  findings.compare("measurement.matches", driverVersion, (wanted) => wanted === report.driverVersion, "driver version");
  const isVbios = (wanted: string) => wanted.toUpperCase() === report.vbiosVersion;
  findings.compare("measurement.matches", vbiosVersion, isVbios, "VBIOS version");
}

/** What a report says, and of its device what the certificates say. */
export function gpuClaims(report: GpuReport, chain: readonly Certificate[]): JsonObject {
  const [leaf, parent] = chain;
  return {
    nonce: encodeHex(report.nonce),
    driverVersion: report.driverVersion,
    vbiosVersion: report.vbiosVersion,
    measurementCount: report.measurements.size,
    ...(report.fwid === null ? {} : { fwid: encodeHex(report.fwid) }),
    hardwareModel: parent?.subjectName ?? null,
    deviceSerial: leaf?.serial ?? null,
  };
}

function bondsOf(report: GpuReport, [leaf]: readonly Certificate[]): EvidenceBonds {
  return { ...NO_BONDS, deviceKey: leaf?.publicKey.spki ?? null, report: concatBytes(report.signed, report.signature) };
}

/** Reads a report and what may follow it. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
function parseTrailed(bytes: Uint8Array, policy: GpuPolicy): GpuReport {
  const report = parseGpuReport(bytes);
  return mayTrail(report.rest, policy.trailing) ? report : malformed("bytes after the report");
}

/** Appraises a report with its manifests and OCSP answers. */
export async function appraise(inputs: EvidenceInputs, policy: GpuPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const bytes = requiredPart(findings, "report", (name) => bytesOf(inputs.evidence, name, MAX_REPORT_BYTES));
  const report = bytes === null ? null : findings.read("`report`", () => parseTrailed(bytes, policy));
  const chain = certificatesOf(inputs.evidence, "certChain", findings);
  findings.expect("collateral.present", isGiven(inputs.evidence, "certChain"), "`certChain`");
  const responses = readOcsp(inputs, policy, findings);
  const rims = await judgeRims(inputs, policy, findings);
  if (report === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  const device = chain === null ? [] : await judgeDevice(chain, report, inputs, policy, findings);
  const signers = [rims.driver, rims.vbios].flatMap((judged) => issuedPairs(judged?.certificates ?? [], false));
  await judgeOcsp(responses, [...device, ...signers], inputs.at, findings);
  const answers = responses.filter((response) => response !== null);
  const isAsked = (wanted: string) => answers.every(({ nonce }) => nonce !== null && encodeHex(nonce) === wanted);
  findings.compare("nonce.matches", policy.ocspNonce, isAsked, "nonce of the OCSP answers");
  comparePolicy(report, policy, findings);
  compareWithRims(report, { driver: rims.driver?.rim ?? null, vbios: rims.vbios?.rim ?? null }, findings);
  return { checks: findings.all(), claims: gpuClaims(report, chain ?? []), bonds: bondsOf(report, chain ?? []) };
}
