/** The auditor's side of the zk path: one proof, judged with the key and the setup document that the leg names. */
import { type Basis, Checklist } from "../../../core/check.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { contextOf } from "../wire/context.ts";
import { parseVerificationKey, type VerificationKey } from "../wire/documents.ts";
import { commitmentText, parseZkLeg, readSignals, type StatedSignals, ZK_LEG_TYPE, type ZkLeg } from "../wire/leg.ts";
import { parseSetup, type Setup, type SetupState, ZK_SETUP_TYPE } from "../wire/setup.ts";
import { zkChecks } from "./check-table.ts";
import { type Groth16Verifier, openVerifier } from "./groth16.ts";
import { judgeSetup, type SetupJudgement, verifySetup } from "./setup.ts";
import { parseZkTrust, type ZkTrust } from "./trust-section.ts";

type ZkChecklist = Checklist<typeof zkChecks>;

/** The zk path's appraiser. Offline. It keeps the keys that it opened last: opening one costs more than a proof. */
export const zkAppraiser: Appraiser = {
  path: "zk",
  legMediaType: ZK_LEG_TYPE,
  attestedUpstream: false,
  factsBoundBy: "request",
  optionalChecks: new Set(["zk.circuit-recompiled"]),
  appraise: async (leg, inputs) => appraiseZkLeg(leg, inputs),
};

/** Type of evidence as policies read it in `backend.evidence_type`. */
export function evidenceTypeOf(state: SetupState): string {
  return `groth16-${state}`;
}

const MAX_OPENED = 16;
const opened = new Map<Sha256Digest, Groth16Verifier>();

/** A verifier for the key of this digest, whose bytes are given. */
function verifierOf(digest: Sha256Digest, key: VerificationKey): Groth16Verifier {
  const known = opened.get(digest);
  if (known !== undefined) return known;
  const verifier = openVerifier(key);
  const [oldest] = opened.keys();
  if (opened.size >= MAX_OPENED && oldest !== undefined) opened.delete(oldest);
  opened.set(digest, verifier);
  return verifier;
}

/** Setups that were verified against their key, by both digests: a transcript costs pairings. */
const verified = new Set<string>();

function verifySetupOnce(leg: ZkLeg, setup: Setup, key: VerificationKey): void {
  const name = `${leg.setupDigest} ${leg.keyDigest}`;
  if (verified.has(name)) return;
  verifySetup(setup, key);
  if (verified.size >= MAX_OPENED) verified.clear();
  verified.add(name);
}

function appraiseZkLeg(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const checks: ZkChecklist = new Checklist(zkChecks);
  const trust = checks.attempt("zk.section-readable", "assertion", () => parseZkTrust(inputs.trust));
  if (trust !== null) checks.expect("zk.section-readable", true, "assertion");
  const leg = checks.attempt("zk.leg-readable", "assertion", () => parseZkLeg(bytes));
  if (leg === null) return { checks: checks.all(), claims: null };
  // All that the leg cites is asked for, whatever can be made of it: none of it is an unused part.
  const setup = checks.attempt("zk.setup-readable", "assertion", () => parseSetup(blobOf(inputs, leg.setupDigest)));
  const key = checks.attempt("zk.key-readable", "assertion", () => parseVerificationKey(blobOf(inputs, leg.keyDigest)));
  const stated = checks.attempt("zk.leg-readable", "assertion", () => readSignals(leg.publicSignals));
  if (setup !== null) checks.expect("zk.setup-readable", true, "assertion");
  if (stated !== null) checks.expect("zk.leg-readable", true, "assertion");
  if (key !== null) appraiseProof(leg, setup, key, checks);
  if (trust === null || setup === null || stated === null) return { checks: checks.all(), claims: null };
  checks.expect("zk.context-bound", stated.context === contextOf(leg.binding), "proof");
  const judgement = judgeSetup(setup, trust.setups);
  checks.expect("zk.setup-accepted", judgement.accepted !== null, "assertion", judgement.text);
  appraiseChain(leg, setup, trust, inputs, checks);
  return { checks: checks.all(), claims: claimsOf(leg, stated, setup, correctnessOf(setup, judgement, trust)) };
}

function appraiseProof(leg: ZkLeg, setup: Setup | null, key: VerificationKey, checks: ZkChecklist): void {
  checks.expect("zk.key-readable", true, "assertion");
  const verifier = checks.attempt("zk.key-sound", "proof", () => verifierOf(leg.keyDigest, key));
  if (verifier === null) return;
  checks.expect("zk.key-sound", true, "proof");
  checks.expect("zk.proof", verifier.verify(leg.proof, leg.publicSignals), "proof");
  if (setup === null) return;
  const isSound = checks.attempt("zk.setup-sound", "proof", () => {
    verifySetupOnce(leg, setup, key);
    return true;
  });
  if (isSound !== null) checks.expect("zk.setup-sound", true, "proof");
}

function blobOf(inputs: AppraisalInputs, digest: Sha256Digest): Uint8Array {
  const bytes = inputs.blob(digest);
  if (bytes === null) throw new TrisealError("FORMAT_INVALID", `${digest} is not in the bundle`);
  return bytes;
}

/** The chain from the model to its circuit and its key, and what the trust file says of each. */
function appraiseChain(leg: ZkLeg, setup: Setup, trust: ZkTrust, inputs: AppraisalInputs, checks: ZkChecklist): void {
  const { modelDigest } = leg.binding;
  const { models, keys } = trust;
  const { measurements } = inputs.revoked;
  const fits = setup.circuitDigest === leg.circuitDigest && setup.modelDigest === modelDigest;
  checks.expect("zk.setup-fits", fits, "assertion");
  const named = "accept" in keys || keys.some(({ digest, model }) => digest === leg.keyDigest && model === modelDigest);
  checks.expect("zk.key-accepted", named, "assertion", "accept" in keys ? "any, by the trust file" : leg.keyDigest);
  const withdrawn = measurements.has(leg.keyDigest) || measurements.has(leg.circuitDigest);
  checks.expect("zk.key-not-revoked", !withdrawn, "assertion");
  const known = "accept" in models || models.some(({ name, digest }) => name === inputs.model && digest === modelDigest);
  checks.expect("zk.model-accepted", known, "assertion", "accept" in models ? "any, by the trust file" : modelDigest);
  checks.expect("zk.model-not-revoked", !measurements.has(modelDigest), "assertion");
  const compiled = inputs.programs.get(modelDigest);
  // It shows that the setup document names the model's circuit; that the key is that circuit's is for setup or trust file.
  if (compiled === undefined) checks.skip("zk.circuit-recompiled", "assertion", "the model was not shown");
  else checks.expect("zk.circuit-recompiled", compiled === leg.circuitDigest, "assertion", `compiled ${compiled}`);
}

/** What a proof rests on: its setup, and who says that the key is that of the model. */
function correctnessOf(setup: Setup, { accepted, text }: SetupJudgement, { keys }: ZkTrust): LegClaims["correctness"] {
  const chain = "accept" in keys ? "; that the key is the model's is the service's word" : "";
  const weak: Basis = setup.state === "dev-insecure" || chain !== "" ? "assertion" : "signature";
  const basis = accepted === "named" && chain === "" ? "proof" : weak;
  return { text: `proven for a committed input and stated outputs; ${text}${chain}`, basis };
}

function claimsOf(leg: ZkLeg, stated: StatedSignals, setup: Setup, correctness: LegClaims["correctness"]): LegClaims {
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
