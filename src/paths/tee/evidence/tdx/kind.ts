/** The kind `tdx`, apart from what appraises it, which is loaded with the first quote. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import { parseTdxPolicy } from "./policy.ts";
import { intelRoots } from "./roots.ts";

/** Checks without which no quote is accepted; of the collateral's, a policy that asks for none leaves skipped ones. */
export const TDX_MUST_PASS = [
  "evidence.well-formed",
  "collateral.present",
  "chain.trusted",
  "chain.begun",
  "chain.unexpired",
  "collateral.signed",
  "collateral.current",
  "chain.unrevoked",
  "evidence.signed",
  "evidence.bound",
  "tcb.matches",
  "collateral.matches",
  "qe.matches",
  "guest.not-debugged",
  "guest.attributes",
  "tcb.current",
  "report-data.matches",
  "measurement.matches",
] as const satisfies readonly EvidenceCheckId[];

/** Roles of the collateral of a quote. */
export const TDX_ENDORSEMENT_ROLES: readonly string[] = [
  "tcbInfo",
  "tcbInfoSignature",
  "tcbSigningChain",
  "qeIdentity",
  "qeIdentitySignature",
  "qeSigningChain",
  "pckCrl",
  "pckCrlChain",
  "rootCrl",
];

/** Quotes of Intel TDX, versions 4 and 5, under Intel's PCK chain and collateral. */
export const tdx = evidenceKind({
  kind: "tdx",
  evidenceRoles: ["quote", "eventLog"],
  endorsementRoles: TDX_ENDORSEMENT_ROLES,
  roots: intelRoots,
  parsePolicy: parseTdxPolicy,
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraise(inputs, policy),
  mustPass: TDX_MUST_PASS,
});
