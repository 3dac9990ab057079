/** The auditor's side of a threshold statement: in its own receipt, and wherever a later receipt cites it. */
import { weaker } from "../../../core/check.ts";
import { holdsUntil } from "../../../core/time.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import {
  MAX_STATEMENT_SECONDS,
  parseStatement,
  STATEMENT_CONTEXT,
  type Statement,
  SUBMITS_STATEMENT,
  statementSignals,
  THRESHOLD_STATEMENT,
  verifyCredential,
} from "../wire/statement.ts";
import type { SubmittedLeg } from "../wire/submitted-leg.ts";
import { statementLegs } from "./leg-kinds.ts";
import { appraiseProven, evidenceTypeOf, type ProvenClaims, type ZkChecklist } from "./proven-statement.ts";
import { readSubmission } from "./submission.ts";
import type { ZkTrust } from "./trust-section.ts";

/** Appraises legs of threshold statements. Offline. */
export const statementAppraiser: Appraiser = {
  ...statementLegs,
  appraise: async (leg, inputs) => appraiseStatement(leg, inputs),
};

/** What a statement shows, by fact name under `request.`. */
export function statementFacts({ threshold, signed }: Statement): Readonly<Record<string, string | number>> {
  const { issuer, unit } = signed.credential;
  return { proven_threshold: threshold, proven_unit: unit, proven_by: issuer };
}

function appraiseStatement(bytes: Uint8Array, given: AppraisalInputs): Appraisal {
  // Where a statement is cited there is no model of a receipt; in its own receipt it stands under no other name.
  const inputs = { ...given, model: given.model ?? THRESHOLD_STATEMENT.name };
  const { checks, trust, read } = readSubmission(STATEMENT_CONTEXT, bytes, inputs, parseStatement);
  if (read === null) return { checks: checks.all(), claims: null };
  const { leg, document: statement } = read;
  if (trust !== null) appraiseCredential(statement, trust, inputs, checks);
  const publicSignals = statementSignals(statement);
  const [inputCommitment, , , , , context] = publicSignals;
  const { modelDigest, proof } = statement;
  const stated = { inputCommitment, weightCommitment: null, outputs: [], context };
  const proven = appraiseProven(
    { ...leg, modelDigest, architectureDigest: null, proof, publicSignals, stated, context },
    trust,
    inputs,
    checks,
  );
  return { checks: checks.all(), claims: proven === null ? null : claimsOf(leg, statement, proven) };
}

/** Who says so, and whether that was in force. */
function appraiseCredential(
  { signed, expiry }: Statement,
  { signers }: ZkTrust,
  { revoked, answeredAt }: AppraisalInputs,
  checks: ZkChecklist,
): void {
  const { credential, publicKey } = signed;
  const { issuer, issuedAt, notAfter } = credential;
  checks.expect("zk.credential-signed", verifyCredential(signed), "signature");
  const named = signers.some((signer) => signer.name === issuer && signer.publicKey === publicKey);
  checks.expect("zk.signer-accepted", named, "assertion", `signed by ${publicKey.slice(0, 16)}…`);
  checks.expect("zk.signer-not-revoked", !revoked.keys.has(publicKey), "assertion");
  const { seconds, basis } = answeredAt;
  const inForce = issuedAt <= seconds && holdsUntil(expiry, seconds) && expiry <= notAfter;
  const bounded = expiry <= seconds + MAX_STATEMENT_SECONDS;
  checks.expect("zk.statement-current", inForce && bounded, basis, `until ${expiry}`);
}

function claimsOf(leg: SubmittedLeg, statement: Statement, { setup, correctness, rests }: ProvenClaims): LegClaims {
  const { modelDigest, decisionDigest, factsDigest, nonce, threshold, signed } = statement;
  const { issuer, subject, unit } = signed.credential;
  return {
    requestDigest: leg.requestDigest,
    responseDigest: leg.responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest,
    evidence: { digest: leg.setupDigest, mediaType: ZK_SETUP_TYPE },
    wire: null,
    inputCommitment: null,
    outputs: null,
    outputCommitment: null,
    submission: SUBMITS_STATEMENT,
    tenant: subject,
    requestFacts: statementFacts(statement),
    backendFacts: { evidence_type: evidenceTypeOf(setup.state) },
    correctness: {
      text: `tenant ${subject} has a balance of at least ${threshold} ${unit}, says ${issuer} of a commitment, and a proof of what it opens to; ${rests}`,
      // The signer's word stands behind the commitment, however strong the proof is.
      basis: weaker("signature", correctness.basis),
    },
    confidentiality: {
      text: "the balance never left the caller: what it submitted is in the bundle, a signed commitment, the threshold and a proof",
      basis: "signature",
    },
  };
}
