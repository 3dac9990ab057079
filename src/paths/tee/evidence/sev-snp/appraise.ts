/** Appraises a SEV-SNP report: AMD's chain, the report's signature, the chip, its TCB, and the guest's policy. */
import { encodeHex } from "../../../../core/bytes.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS, type Roles } from "../appraisal/appraiser.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { Findings } from "../appraisal/findings.ts";
import { mayTrail, meets, type Trailing } from "../appraisal/policy-members.ts";
import { bytesOf, certificatesOf, isGiven, requiredPart } from "../appraisal/roles.ts";
import type { Certificate } from "../x509/certificate.ts";
import { judgeChain } from "../x509/chain.ts";
import { type Crl, judgeCrl, judgeRevocation, MAX_CRL_BYTES, parseCrl } from "../x509/crl.ts";
import { verifySignature } from "../x509/signature.ts";
import type { SnpPolicy } from "./policy.ts";
import { type Product, parseSnpReport, REPORT_BYTES, type SnpReport, type Tcb, tcbOf } from "./report.ts";
import { hasChipId, hasTcb, parseVek, type Vek } from "./vek.ts";

/** Largest report with what may trail behind it. */
const MAX_EVIDENCE_BYTES = 65_536;

/** Certificates and CRL of a report, as far as they are there and parse. */
export interface SnpEndorsements {
  readonly vek: Vek | null;
  readonly chain: readonly Certificate[];
  readonly crl: Crl | null;
}

/** Reads the endorsements of a report. What is absent or does not parse is recorded. */
export function readSnpEndorsements(roles: Roles, policy: SnpPolicy, findings: Findings): SnpEndorsements {
  const [leaf, ...others] = certificatesOf(roles, "vek", findings) ?? [];
  const above = certificatesOf(roles, "chain", findings) ?? [];
  const der = findings.read("`crl`", () => bytesOf(roles, "crl", MAX_CRL_BYTES));
  findings.expect("collateral.present", isGiven(roles, "vek"), "`vek`");
  findings.expect(
    "collateral.present",
    isGiven(roles, "crl") || !policy.requireRevocation,
    "`crl`, where the policy asks for one",
  );
  return {
    vek: leaf === undefined ? null : findings.read("`vek`", () => parseVek(leaf)),
    chain: [...others, ...above],
    crl: der === null ? null : findings.read("`crl`", () => parseCrl(der)),
  };
}

/** Reads a report and what may follow it. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
function parseTrailed(bytes: Uint8Array, trailing: Trailing): SnpReport {
  if (!mayTrail(bytes.subarray(REPORT_BYTES), trailing)) malformed("bytes after the report");
  return parseSnpReport(bytes.subarray(0, REPORT_BYTES));
}

/** A VCEK is issued by the product's SEV key and a VLEK by its SEV-VLEK key: neither may stand in for the other. */
function isRightChain({ certificate, role, product }: Vek, report: SnpReport): boolean {
  const issuer = report.signingKey === "vcek" ? `SEV-${product}` : `SEV-VLEK-${product}`;
  return role === report.signingKey && certificate.issuerName === issuer;
}

async function judgeEndorsements(
  { vek, chain, crl }: SnpEndorsements,
  report: SnpReport,
  { anchors, at }: EvidenceInputs,
  findings: Findings,
): Promise<void> {
  if (vek === null) return;
  const judged = await judgeChain([vek.certificate, ...chain], anchors, at, findings, "VEK chain");
  findings.expect("chain.trusted", isRightChain(vek, report), `${report.signingKey} of its own issuer`);
  if (crl === null) return;
  await judgeCrl(crl, judged.certificates.at(-1) ?? null, at, findings, "CRL of the root");
  judgeRevocation(judged.certificates, [crl], findings, "VEK chain");
}

async function judgeReport(vek: Vek, report: SnpReport, findings: Findings): Promise<void> {
  const { publicKey } = vek.certificate;
  const holds = await verifySignature(publicKey, { name: "ECDSA", hash: "SHA-384" }, report.signed, report.signature);
  findings.expect("evidence.signed", publicKey.type === "EC" && publicKey.curve === "P-384" && holds, "report");
  findings.expect("device.matches", report.product === null || report.product === vek.product, "product");
  if (report.signingKey === "vcek") findings.expect("device.matches", hasChipId(vek, report.chipId), "chip id");
  const tcb = tcbOf(report.tcbs.reported, vek.product);
  findings.expect("tcb.matches", hasTcb(vek, tcb, report.tcbs.reported), "reported TCB");
}

const DEBUG_BIT = 19n;
const MIGRATION_BIT = 18n;
const MUST_BE_ONE_BIT = 17n;
const FIRST_RESERVED_BIT = 26n;

function hasBit(value: bigint, bit: bigint): boolean {
  return ((value >> bit) & 1n) === 1n;
}

/** No part of `tcb` lies below the minimum. A part that the product does not have is below any that is asked for. */
function reaches(tcb: Tcb, minimum: NonNullable<SnpPolicy["minimumTcb"]>): boolean {
  const parts = ["fmc", "bootloader", "tee", "snp", "microcode"] as const;
  return parts.every((part) => minimum[part] === null || (tcb[part] ?? -1) >= minimum[part]);
}

/** Compares a report with what the relying party expects. Verifies nothing. */
export function appraiseSnpGuest(report: SnpReport, product: Product | null, policy: SnpPolicy, findings: Findings): void {
  const { policy: guest, tcbs } = report;
  findings.expect("guest.not-debugged", policy.allowDebug || !hasBit(guest, DEBUG_BIT), "guest policy bit 19");
  findings.expect("guest.not-migratable", policy.allowMigration || !hasBit(guest, MIGRATION_BIT), "guest policy bit 18");
  const isRegular = hasBit(guest, MUST_BE_ONE_BIT) && guest >> FIRST_RESERVED_BIT === 0n;
  findings.expect("guest.attributes", isRegular, "guest policy bits 17 and 26 to 63");
  findings.expect("guest.vmpl", policy.vmpl === null || policy.vmpl === report.vmpl, `level ${report.vmpl}`);
  const { minimumTcb } = policy;
  for (const [name, field] of Object.entries(tcbs)) {
    const known = product === null ? null : tcbOf(field, product);
    findings.expect("tcb.current", minimumTcb === null || (known !== null && reaches(known, minimumTcb)), `${name} TCB`);
  }
  const { reportData, measurements } = policy;
  findings.expect("report-data.matches", reportData === null || reportData === encodeHex(report.reportData), "report data");
  const values = { measurement: report.measurement, hostData: report.hostData };
  const keys = { idKeyDigest: report.idKeyDigest, authorKeyDigest: report.authorKeyDigest };
  for (const [name, value] of Object.entries({ ...values, ...keys })) {
    const allowed = measurements?.[name as keyof typeof measurements] ?? null;
    findings.expect("measurement.matches", meets(allowed, encodeHex(value)), name);
  }
}

function tcbClaim({ fmc, ...parts }: Tcb): JsonObject {
  return fmc === null ? parts : { fmc, ...parts };
}

/** What a report says, for people and policies. */
export function snpClaims(report: SnpReport, vek: Vek | null): JsonObject {
  const product = report.product ?? vek?.product ?? null;
  const tcbs = Object.entries(report.tcbs).map(([name, field]) => [
    `${name}Tcb`,
    product === null ? encodeHex(field) : tcbClaim(tcbOf(field, product)),
  ]);
  return {
    reportVersion: report.version,
    product,
    signingKey: report.signingKey,
    vmpl: report.vmpl,
    policy: `0x${report.policy.toString(16)}`,
    guestSvn: report.guestSvn,
    measurement: encodeHex(report.measurement),
    reportData: encodeHex(report.reportData),
    hostData: encodeHex(report.hostData),
    idKeyDigest: encodeHex(report.idKeyDigest),
    authorKeyDigest: encodeHex(report.authorKeyDigest),
    chipId: encodeHex(report.chipId),
    cspId: vek?.cspId ?? null,
    ...(Object.fromEntries(tcbs) as JsonObject),
  };
}

/** Judges a report that was read: endorsements, signature, and policy. */
export async function judgeSnp(
  report: SnpReport,
  endorsements: SnpEndorsements,
  inputs: EvidenceInputs,
  policy: SnpPolicy,
  findings: Findings,
): Promise<void> {
  const { vek } = endorsements;
  await judgeEndorsements(endorsements, report, inputs, findings);
  if (vek !== null) await judgeReport(vek, report, findings);
  appraiseSnpGuest(report, report.product ?? vek?.product ?? null, policy, findings);
}

/** Appraises a report. */
export async function appraise(inputs: EvidenceInputs, policy: SnpPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const bytes = requiredPart(findings, "report", (name) => bytesOf(inputs.evidence, name, MAX_EVIDENCE_BYTES));
  const report = bytes === null ? null : findings.read("`report`", () => parseTrailed(bytes, policy.trailing));
  const endorsements = readSnpEndorsements(inputs.endorsements, policy, findings);
  if (report === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  await judgeSnp(report, endorsements, inputs, policy, findings);
  const bonds = { ...NO_BONDS, reportData: report.reportData };
  return { checks: findings.all(), claims: snpClaims(report, endorsements.vek), bonds };
}
