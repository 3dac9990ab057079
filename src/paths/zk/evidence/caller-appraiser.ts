/** The auditor's side of a proof that a caller made on its own machine, and submitted under a challenge of the gateway. */
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { CALLER_CONTEXT, type CallerProof, callerContext, parseCallerProof, SUBMITS_PROOF } from "../wire/caller-proof.ts";
import { commitmentText, readSignals } from "../wire/leg.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import type { SubmittedLeg } from "../wire/submitted-leg.ts";
import { callerProofLegs } from "./leg-kinds.ts";
import { appraiseProven, evidenceTypeOf, type ProvenClaims } from "./proven-statement.ts";
import { readSubmission } from "./submission.ts";

/** Appraises legs whose context is that of a caller's proof. Offline. */
export const callerProofAppraiser: Appraiser = {
  ...callerProofLegs,
  appraise: async (leg, inputs) => appraiseCallerLeg(leg, inputs),
};

function appraiseCallerLeg(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const { checks, trust, read } = readSubmission(CALLER_CONTEXT, bytes, inputs, (submitted) => {
    const proof = parseCallerProof(submitted);
    return { proof, stated: readSignals(proof.publicSignals, false) };
  });
  if (read === null) return { checks: checks.all(), claims: null };
  const { leg, document } = read;
  const { stated } = document;
  const { modelDigest, proof, publicSignals } = document.proof;
  // Callers prove with baked weights alone: with private ones they would be the provers, who have them.
  const statement = {
    ...leg,
    architectureDigest: null,
    modelDigest,
    proof,
    publicSignals,
    stated,
    context: callerContext(document.proof),
  };
  const proven = appraiseProven(statement, trust, inputs, checks);
  return { checks: checks.all(), claims: proven === null ? null : claimsOf(leg, document.proof, proven) };
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
