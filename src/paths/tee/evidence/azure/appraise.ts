/** Appraises quotes of Azure's vTPM: its key stands in runtime data, whose hash is the report data of the processor's report. */
import { concatBytes, equalBytes } from "../../../../core/bytes.ts";
import { type Decoded, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, evidenceKind, NO_BONDS } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { bytesOf, requiredPart } from "../appraisal/roles.ts";
import { judgeSnp, readSnpEndorsements, SNP_MUST_PASS, snpClaims } from "../sev-snp/appraise.ts";
import { parseSnpPolicy } from "../sev-snp/policy.ts";
import { parseSnpReport } from "../sev-snp/report.ts";
import { amdRoots } from "../sev-snp/roots.ts";
import { judgeTdx, readTdxQuote, TDX_ENDORSEMENT_ROLES, TDX_MUST_PASS, tdxClaims } from "../tdx/appraise.ts";
import { parseTdxPolicy } from "../tdx/policy.ts";
import { MAX_QUOTE_BYTES } from "../tdx/quote.ts";
import { intelRoots } from "../tdx/roots.ts";
import { type JudgedTpmQuote, judgeTpmQuote, readTpmQuote, TPM_QUOTE_MUST_PASS, tpmClaims } from "../tpm2/judge-quote.ts";
import { tpmMembers } from "../tpm2/policy.ts";
import { hashBytes } from "../x509/signature.ts";
import { type HclReport, MAX_HCL_BYTES, parseHclReport } from "./hcl-report.ts";

const TPM_ROLES = { quote: "tpmQuote", signature: "tpmSignature", pcrs: "pcrs" };

const decodeTpmPart = object(tpmMembers);

/** A policy of the CPU kind with the members of the TPM quote beside it. */
interface AzurePolicy<Cpu> {
  readonly cpu: Cpu;
  readonly tpm: Decoded<typeof decodeTpmPart>;
}

function parseAzurePolicy<Cpu>(policy: JsonObject, parseCpu: (policy: JsonObject) => Cpu): AzurePolicy<Cpu> {
  const { nonce = null, pcrs = null, ...cpu } = policy;
  return { cpu: parseCpu(cpu), tpm: decodeTpmPart({ nonce, pcrs }, "policy") };
}

function readHcl(inputs: EvidenceInputs, type: "snp" | "tdx", findings: Findings): HclReport | null {
  const bytes = requiredPart(findings, "hclReport", (name) => bytesOf(inputs.evidence, name, MAX_HCL_BYTES));
  return bytes === null ? null : findings.read("`hclReport`", () => parseHclReport(bytes, type));
}

/** Whether report data is the hash of the runtime data, filled up with zeros. */
async function isBound({ hash, runtimeData }: HclReport, reportData: Uint8Array): Promise<boolean> {
  const digest = await hashBytes(hash, runtimeData);
  return equalBytes(reportData, concatBytes(digest, new Uint8Array(64 - digest.length)));
}

async function judgeVtpm(
  hcl: HclReport | null,
  inputs: EvidenceInputs,
  policy: Decoded<typeof decodeTpmPart>,
  findings: Findings,
): Promise<JudgedTpmQuote | null> {
  const key = hcl?.attestationKey ?? null;
  return await judgeTpmQuote(readTpmQuote(inputs.evidence, TPM_ROLES, key, findings), key, policy, findings);
}

function answer(
  findings: Findings,
  cpuClaims: JsonObject | null,
  tpm: JudgedTpmQuote | null,
  reportData: Uint8Array | null,
): EvidenceAppraisal {
  const claims = cpuClaims === null || tpm === null ? null : { ...cpuClaims, ...tpmClaims(tpm) };
  return { checks: findings.all(), claims, bonds: { ...NO_BONDS, reportData } };
}

type SnpPolicyPair = AzurePolicy<ReturnType<typeof parseSnpPolicy>>;

async function appraiseSnp(inputs: EvidenceInputs, { cpu, tpm }: SnpPolicyPair): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const hcl = readHcl(inputs, "snp", findings);
  const report = hcl === null ? null : findings.read("report in `hclReport`", () => parseSnpReport(hcl.hardwareReport));
  const endorsements = readSnpEndorsements(inputs.endorsements, cpu, findings);
  const quote = await judgeVtpm(hcl, inputs, tpm, findings);
  if (hcl === null || report === null) return answer(findings, null, quote, null);
  await judgeSnp(report, endorsements, inputs, cpu, findings);
  findings.expect("evidence.bound", await isBound(hcl, report.reportData), "runtime data in the report data");
  return answer(findings, snpClaims(report, endorsements.vek), quote, report.reportData);
}

/** Where the report data stands in a TDREPORT (REPORTMACSTRUCT, Intel TDX module ABI). */
const TDREPORT_DATA_OFFSET = 128;

type TdxPolicyPair = AzurePolicy<ReturnType<typeof parseTdxPolicy>>;

async function appraiseTdx(inputs: EvidenceInputs, { cpu, tpm }: TdxPolicyPair): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const hcl = readHcl(inputs, "tdx", findings);
  const bytes = requiredPart(findings, "quote", (name) => bytesOf(inputs.evidence, name, MAX_QUOTE_BYTES));
  const read = bytes === null ? null : readTdxQuote(bytes, cpu, findings);
  const quote = await judgeVtpm(hcl, inputs, tpm, findings);
  if (hcl === null || read === null) return answer(findings, null, quote, null);
  const level = await judgeTdx(read, inputs, cpu, findings);
  const { reportData } = read.quote.report;
  findings.expect("evidence.bound", await isBound(hcl, reportData), "runtime data in the report data");
  const inReport = hcl.hardwareReport.subarray(TDREPORT_DATA_OFFSET, TDREPORT_DATA_OFFSET + reportData.length);
  findings.expect("evidence.bound", equalBytes(inReport, reportData), "report data of TDREPORT and quote");
  return answer(findings, tdxClaims(read, level, null), quote, reportData);
}

const VTPM_MUST_PASS = [...TPM_QUOTE_MUST_PASS, "evidence.bound"] as const;

/** Quotes of Azure's vTPM under a SEV-SNP report. */
export const azureSnpVtpm = evidenceKind({
  kind: "azure-snp-vtpm",
  evidenceRoles: ["hclReport", "tpmQuote", "tpmSignature", "pcrs"],
  endorsementRoles: ["vek", "chain", "crl"],
  roots: amdRoots,
  parsePolicy: (policy) => parseAzurePolicy(policy, parseSnpPolicy),
  appraise: appraiseSnp,
  mustPass: [...SNP_MUST_PASS, ...VTPM_MUST_PASS],
});

/** Quotes of Azure's vTPM under a TDX quote. */
export const azureTdxVtpm = evidenceKind({
  kind: "azure-tdx-vtpm",
  evidenceRoles: ["hclReport", "quote", "tpmQuote", "tpmSignature", "pcrs"],
  endorsementRoles: TDX_ENDORSEMENT_ROLES,
  roots: intelRoots,
  parsePolicy: (policy) => parseAzurePolicy(policy, parseTdxPolicy),
  appraise: appraiseTdx,
  mustPass: [...TDX_MUST_PASS, ...VTPM_MUST_PASS],
});
