/** The auditor's side of the zk path: one proof that the gateway's prover made for a request. */
import { Checklist } from "../../../core/check.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { contextOf } from "../wire/context.ts";
import { commitmentText, parseZkLeg, readSignals, type ZkLeg } from "../wire/leg.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import { zkChecks } from "./check-table.ts";
import { zkLegs } from "./leg-kinds.ts";
import { appraiseProven, evidenceTypeOf, type ProvenClaims, type ZkChecklist } from "./proven-statement.ts";
import { parseZkTrust } from "./trust-section.ts";

/** The zk path's appraiser. Offline. */
export const zkAppraiser: Appraiser = { ...zkLegs, appraise: async (leg, inputs) => appraiseZkLeg(leg, inputs) };

function appraiseZkLeg(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const checks: ZkChecklist = new Checklist(zkChecks);
  const trust = checks.attempt("zk.section-readable", "assertion", () => parseZkTrust(inputs.trust));
  if (trust !== null) checks.expect("zk.section-readable", true, "assertion");
  const leg = checks.attempt("zk.leg-readable", "assertion", () => parseZkLeg(bytes));
  if (leg === null) return { checks: checks.all(), claims: null };
  const { architectureDigest = null } = leg;
  const stated = checks.attempt("zk.leg-readable", "assertion", () =>
    readSignals(leg.publicSignals, architectureDigest !== null),
  );
  if (stated !== null) checks.expect("zk.leg-readable", true, "assertion");
  const { modelDigest } = leg.binding;
  const proven = appraiseProven(
    { ...leg, architectureDigest, modelDigest, stated, context: contextOf(leg.binding) },
    trust,
    inputs,
    checks,
  );
  return { checks: checks.all(), claims: proven === null ? null : claimsOf(leg, proven) };
}

function claimsOf(leg: ZkLeg, { stated, setup, correctness }: ProvenClaims): LegClaims {
  const { requestDigest, responseDigest, modelDigest, decisionDigest, nonce } = leg.binding;
  return {
    requestDigest,
    responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest: null,
    evidence: { digest: leg.setupDigest, mediaType: ZK_SETUP_TYPE },
    wire: null,
    inputCommitment: commitmentText(stated.inputCommitment),
    outputs: stated.outputs,
    outputCommitment: null,
    backendFacts: { evidence_type: evidenceTypeOf(setup.state) },
    correctness,
    confidentiality: { text: "from nobody: the prover saw the input, and no evidence says what it is", basis: "assertion" },
  };
}
