/** The auditor's side of the tee path: one leg, judged with the evidence of the session that the receipt cites. */

import type { Basis } from "../../../core/check.ts";
import { holdsUntil } from "../../../core/time.ts";
import { type AttestedSession, decodeSession } from "../../../receipt/session.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { parseTeeLeg, type TeeLeg, verifyTeeLeg } from "../wire/leg.ts";
import {
  type AppraisedWorker,
  appraiseModel,
  appraiseSessionClaims,
  appraiseWorker,
  type TeeChecklist,
  teeChecklist,
} from "./appraise-worker.ts";
import { teeLegs } from "./leg-kind.ts";

/** The tee path's appraiser. Pure and offline. */
export const teeAppraiser: Appraiser = { ...teeLegs, appraise: async (leg, inputs) => appraiseTeeLeg(leg, inputs) };

async function appraiseTeeLeg(bytes: Uint8Array, inputs: AppraisalInputs): Promise<Appraisal> {
  const checks = teeChecklist();
  const leg = checks.attempt("leg.readable", "assertion", () => parseTeeLeg(bytes));
  if (leg === null) return { checks: checks.all(), claims: null };
  checks.expect("leg.readable", true, "assertion");
  const session = checks.attempt("evidence.readable", "assertion", () => decodeSession(inputs.session ?? undefined));
  if (session === null) return { checks: checks.all(), claims: null };
  const worker = await appraiseWorker(session.evidenceBytes, inputs, checks);
  if (worker !== null) appraiseSessionClaims(session.document, worker, checks);
  if (worker !== null) appraiseLeg(leg, worker, inputs, checks);
  const basis = worker === null || worker.simulated ? "assertion" : "attestation";
  return { checks: checks.all(), claims: worker === null ? null : claimsOf(leg, session, worker, basis) };
}

function appraiseLeg(leg: TeeLeg, worker: AppraisedWorker, inputs: AppraisalInputs, checks: TeeChecklist): void {
  const { statement } = leg;
  const key = worker.evidence.keyset.legKeys.find((candidate) => candidate.keyId === leg.keyId);
  checks.expect("leg.key-attested", key !== undefined, "signature");
  if (key !== undefined) {
    checks.expect("leg.key-not-revoked", !inputs.revoked.keys.has(key.publicKey), "assertion");
    checks.expect("leg.signature", verifyTeeLeg(leg, key.publicKey), "signature");
  }
  const { answeredAt } = inputs;
  const current = holdsUntil(worker.evidence.keyset.notAfter, answeredAt.seconds);
  checks.expect("evidence.keyset-current", current, answeredAt.basis, "at the answer");
  const model = statement.binding.modelDigest;
  checks.expect("leg.model-attested", worker.evidence.statement.modelDigests.includes(model), "signature");
  appraiseModel(worker, inputs.model, model, inputs.revoked, checks);
  const { inputCommitment, outputs, outputCommitment } = statement;
  const oneForm = "outputs" in statement !== "outputCommitment" in statement;
  // An integer run states both, a float run neither: a commitment without outputs could be paired with any.
  const integerRun = (outputs ?? outputCommitment ?? null) !== null;
  checks.expect("leg.outputs-form", oneForm && integerRun === (inputCommitment !== null), "signature");
}

function claimsOf(leg: TeeLeg, session: AttestedSession, worker: AppraisedWorker, basis: Basis): LegClaims {
  const { binding, factsDigest, wire, inputCommitment } = leg.statement;
  const { type } = worker.evidence;
  // A TPM measures what booted; the host reads the memory all the same.
  const isIsolated = basis === "attestation" && type !== "tpm2";
  const what =
    basis === "attestation"
      ? `an attested worker (${type})`
      : `a process that calls itself a worker (${type} evidence: no hardware vouches for it)`;
  return {
    requestDigest: binding.requestDigest,
    responseDigest: binding.responseDigest,
    modelDigest: binding.modelDigest,
    decisionDigest: binding.decisionDigest,
    nonce: binding.nonce,
    factsDigest,
    evidence: { digest: session.evidence.digest, mediaType: session.evidenceMediaType },
    wire,
    inputCommitment,
    outputs: leg.statement.outputs ?? null,
    outputCommitment: leg.statement.outputCommitment ?? null,
    backendFacts: { ...worker.facts, session_id: session.id },
    correctness: { text: `computed by ${what}`, basis },
    confidentiality: {
      text: isIsolated ? "by the isolation of the attested worker" : "by nothing that hardware enforces",
      basis: isIsolated ? basis : "assertion",
    },
  };
}
