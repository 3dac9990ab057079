/** The kinds of Azure's vTPM, apart from what appraises them, which is loaded with the first quote. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import { SNP_MUST_PASS } from "../sev-snp/kind.ts";
import { parseSnpPolicy } from "../sev-snp/policy.ts";
import { amdRoots } from "../sev-snp/roots.ts";
import { TDX_ENDORSEMENT_ROLES, TDX_MUST_PASS } from "../tdx/kind.ts";
import { parseTdxPolicy } from "../tdx/policy.ts";
import { intelRoots } from "../tdx/roots.ts";
import { TPM_QUOTE_MUST_PASS } from "../tpm2/kinds.ts";
import { parseAzurePolicy } from "./policy.ts";

const VTPM_MUST_PASS = [...TPM_QUOTE_MUST_PASS, "evidence.bound"] as const;

/** Quotes of Azure's vTPM under a SEV-SNP report. */
export const azureSnpVtpm = evidenceKind({
  kind: "azure-snp-vtpm",
  evidenceRoles: ["hclReport", "tpmQuote", "tpmSignature", "pcrs"],
  endorsementRoles: ["vek", "chain", "crl"],
  roots: amdRoots,
  parsePolicy: (policy) => parseAzurePolicy(policy, parseSnpPolicy),
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraiseSnp(inputs, policy),
  mustPass: [...SNP_MUST_PASS, ...VTPM_MUST_PASS],
});

/** Quotes of Azure's vTPM under a TDX quote. */
export const azureTdxVtpm = evidenceKind({
  kind: "azure-tdx-vtpm",
  evidenceRoles: ["hclReport", "quote", "tpmQuote", "tpmSignature", "pcrs"],
  endorsementRoles: TDX_ENDORSEMENT_ROLES,
  roots: intelRoots,
  parsePolicy: (policy) => parseAzurePolicy(policy, parseTdxPolicy),
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraiseTdx(inputs, policy),
  mustPass: [...TDX_MUST_PASS, ...VTPM_MUST_PASS],
});
