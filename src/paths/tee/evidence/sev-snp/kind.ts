/** The kind `sev-snp`, apart from what appraises it, which is loaded with the first report. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import { parseSnpPolicy } from "./policy.ts";
import { amdRoots } from "./roots.ts";

/** Checks without which no report is accepted. */
export const SNP_MUST_PASS = [
  "evidence.well-formed",
  "collateral.present",
  "chain.trusted",
  "chain.begun",
  "chain.unexpired",
  "evidence.signed",
  "device.matches",
  "tcb.matches",
  "guest.not-debugged",
  "guest.not-migratable",
  "guest.attributes",
  "guest.vmpl",
  "tcb.current",
  "report-data.matches",
  "measurement.matches",
] as const satisfies readonly EvidenceCheckId[];

/** Reports of AMD SEV-SNP, versions 2, 3 and 5, signed by a VCEK or VLEK. */
export const sevSnp = evidenceKind({
  kind: "sev-snp",
  evidenceRoles: ["report"],
  endorsementRoles: ["vek", "chain", "crl"],
  roots: amdRoots,
  parsePolicy: parseSnpPolicy,
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraise(inputs, policy),
  mustPass: SNP_MUST_PASS,
});
