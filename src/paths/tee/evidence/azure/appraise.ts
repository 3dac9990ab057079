/** Appraises quotes of Azure's vTPM: its key stands in runtime data, whose hash is the report data of the processor's report. */
import { concatBytes, equalBytes } from "../../../../core/bytes.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { bytesOf, requiredPart } from "../appraisal/roles.ts";
import { judgeSnp, readSnpEndorsements, snpClaims } from "../sev-snp/appraise.ts";
import type { SnpPolicy } from "../sev-snp/policy.ts";
import { parseSnpReport } from "../sev-snp/report.ts";
import { judgeTdx, readTdxQuote, tdxClaims } from "../tdx/appraise.ts";
import type { TdxPolicy } from "../tdx/policy.ts";
import { MAX_QUOTE_BYTES } from "../tdx/quote.ts";
import { type JudgedTpmQuote, judgeTpmQuote, readTpmQuote, tpmClaims } from "../tpm2/judge-quote.ts";
import { hashBytes } from "../x509/signature.ts";
import { type HclReport, MAX_HCL_BYTES, parseHclReport } from "./hcl-report.ts";
import type { AzurePolicy } from "./policy.ts";

const TPM_ROLES = { quote: "tpmQuote", signature: "tpmSignature", pcrs: "pcrs" };

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
  policy: AzurePolicy<unknown>["tpm"],
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

type SnpPolicyPair = AzurePolicy<SnpPolicy>;

/** Appraises the vTPM quote under a SEV-SNP report. */
export async function appraiseSnp(inputs: EvidenceInputs, { cpu, tpm }: SnpPolicyPair): Promise<EvidenceAppraisal> {
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

type TdxPolicyPair = AzurePolicy<TdxPolicy>;

/** Appraises the vTPM quote under a TDX quote. */
export async function appraiseTdx(inputs: EvidenceInputs, { cpu, tpm }: TdxPolicyPair): Promise<EvidenceAppraisal> {
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
