/** The auditor's side of a proof that a caller made on its own machine, and submitted under a challenge of the gateway. */
import { Checklist } from "../../../core/check.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import {
  CALLER_CONTEXT,
  CALLER_LEG_TYPE,
  type CallerProof,
  callerContext,
  parseCallerProof,
  SUBMITS_PROOF,
} from "../wire/caller-proof.ts";
import { commitmentText, readSignals } from "../wire/leg.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import { parseSubmittedLeg, type SubmittedLeg } from "../wire/submitted-leg.ts";
import { zkChecks } from "./check-table.ts";
import { appraiseProven, blobOf, evidenceTypeOf, type ProvenClaims, type ZkChecklist } from "./proven-statement.ts";
import { parseZkTrust } from "./trust-section.ts";

/** Appraises legs whose context is that of a caller's proof. Offline. */
export const callerProofAppraiser: Appraiser = {
  path: "zk",
  legMediaType: CALLER_LEG_TYPE,
  attestedUpstream: false,
  optionalChecks: new Set(["zk.circuit-recompiled"]),
  appraise: async (leg, inputs) => appraiseCallerLeg(leg, inputs),
};

function appraiseCallerLeg(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const checks: ZkChecklist = new Checklist(zkChecks);
  const trust = checks.attempt("zk.section-readable", "assertion", () => parseZkTrust(inputs.trust));
  if (trust !== null) checks.expect("zk.section-readable", true, "assertion");
  const leg = checks.attempt("zk.leg-readable", "assertion", () => parseSubmittedLeg(CALLER_CONTEXT, bytes));
  if (leg === null) return { checks: checks.all(), claims: null };
  checks.expect("zk.leg-readable", true, "assertion");
  const submitted = checks.attempt("zk.submission-readable", "assertion", () => {
    const document = parseCallerProof(blobOf(inputs, leg.requestDigest));
    return { document, stated: readSignals(document.publicSignals, false) };
  });
  if (submitted === null) {
    // Cited all the same.
    for (const cited of [leg.keyDigest, leg.setupDigest]) inputs.blob(cited);
    return { checks: checks.all(), claims: null };
  }
  checks.expect("zk.submission-readable", true, "assertion");
  const { document, stated } = submitted;
  const { modelDigest, proof, publicSignals } = document;
  // Callers prove with baked weights alone: with private ones they would be the provers, who have them.
  const statement = {
    ...leg,
    architectureDigest: null,
    modelDigest,
    proof,
    publicSignals,
    stated,
    context: callerContext(document),
  };
  const proven = appraiseProven(statement, trust, inputs, checks);
  return { checks: checks.all(), claims: proven === null ? null : claimsOf(leg, document, proven) };
}

function claimsOf(leg: SubmittedLeg, document: CallerProof, { stated, setup, correctness }: ProvenClaims): LegClaims {
  const { modelDigest, decisionDigest, factsDigest, nonce } = document;
  return {
    requestDigest: leg.requestDigest,
    responseDigest: leg.responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest,
    evidence: { digest: leg.setupDigest, mediaType: ZK_SETUP_TYPE },
    wire: null,
    inputCommitment: commitmentText(stated.inputCommitment),
    outputs: stated.outputs,
    outputCommitment: null,
    submission: SUBMITS_PROOF,
    backendFacts: { evidence_type: evidenceTypeOf(setup.state) },
    correctness: { ...correctness, text: `${correctness.text}; the caller made the proof, under this decision` },
    confidentiality: {
      text: "the input never left the caller: what it submitted is in the bundle, a salted commitment, the outputs and a proof",
      basis: "signature",
    },
  };
}
