/** The auditor's side of the zk path: one proof, judged with the key and the setup document that the leg names. */
import { type Basis, Checklist } from "../../../core/check.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { contextOf } from "../wire/context.ts";
import { parseVerificationKey, type VerificationKey } from "../wire/documents.ts";
import { commitmentText, parseZkLeg, readSignals, type StatedSignals, ZK_LEG_TYPE, type ZkLeg } from "../wire/leg.ts";
import { isSetupOf, parseSetup, type Setup, type SetupState, ZK_SETUP_TYPE } from "../wire/setup.ts";
import { zkChecks } from "./check-table.ts";
import { type Groth16Verifier, openVerifier } from "./groth16.ts";
import { decodeRecomputed, type RecomputedModel } from "./recomputed.ts";
import { judgeSetup, type SetupJudgement, verifySetup } from "./setup.ts";
import { parseZkTrust, type ZkTrust } from "./trust-section.ts";

type ZkChecklist = Checklist<typeof zkChecks>;

/** The zk path's appraiser. Offline. It keeps the keys that it opened last: opening one costs more than a proof. */
export const zkAppraiser: Appraiser = {
  path: "zk",
  legMediaType: ZK_LEG_TYPE,
  attestedUpstream: false,
  factsBoundBy: "request",
  optionalChecks: new Set(["zk.circuit-recompiled", "zk.weights-recomputed"]),
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
  const stated = checks.attempt("zk.leg-readable", "assertion", () =>
    readSignals(leg.publicSignals, leg.architectureDigest !== undefined),
  );
  if (setup !== null) checks.expect("zk.setup-readable", true, "assertion");
  if (stated !== null) checks.expect("zk.leg-readable", true, "assertion");
  if (key !== null) appraiseProof(leg, setup, key, checks);
  if (trust === null || setup === null || stated === null) return { checks: checks.all(), claims: null };
  checks.expect("zk.context-bound", stated.context === contextOf(leg.binding), "proof");
  const judgement = judgeSetup(setup, trust.setups);
  checks.expect("zk.setup-accepted", judgement.accepted !== null, "assertion", judgement.text);
  appraiseChain(leg, setup, trust, inputs, checks);
  const vouched = appraiseWeights(leg, stated, trust, inputs, checks);
  return { checks: checks.all(), claims: claimsOf(leg, stated, setup, correctnessOf(setup, judgement, trust, vouched)) };
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
  const { architectureDigest, keyDigest, circuitDigest } = leg;
  const { models, keys } = trust;
  const { measurements } = inputs.revoked;
  const subject = architectureDigest === undefined ? { modelDigest } : { architectureDigest };
  const fits = setup.circuitDigest === circuitDigest && isSetupOf(setup, subject);
  checks.expect("zk.setup-fits", fits, "assertion");
  const named =
    "accept" in keys ||
    keys.some(({ digest, model, architecture }) => {
      return (
        digest === keyDigest && (architectureDigest === undefined ? model === modelDigest : architecture === architectureDigest)
      );
    });
  checks.expect("zk.key-accepted", named, "assertion", "accept" in keys ? "any, by the trust file" : keyDigest);
  const cited: readonly string[] = [keyDigest, circuitDigest, ...(architectureDigest === undefined ? [] : [architectureDigest])];
  checks.expect("zk.key-not-revoked", !cited.some((digest) => measurements.has(digest)), "assertion");
  const known = "accept" in models || models.some(({ name, digest }) => name === inputs.model && digest === modelDigest);
  checks.expect("zk.model-accepted", known, "assertion", "accept" in models ? "any, by the trust file" : modelDigest);
  checks.expect("zk.model-not-revoked", !measurements.has(modelDigest), "assertion");
}

/** Who vouches that the weights are those of the model: trust file, auditor, or nobody but the service. */
interface Vouched {
  readonly weights: "constant" | "named" | "recomputed" | "asserted";
}

/** What an auditor who has the model computed from it; without it both checks are skipped. */
function appraiseRecomputed(leg: ZkLeg, weights: string | null, inputs: AppraisalInputs, checks: ZkChecklist): boolean {
  const shown = inputs.programs.get(leg.binding.modelDigest);
  const model = shown === undefined ? null : decodeRecomputed(shown, "programs");
  // It shows that the setup document names the model's circuit; that the key is that circuit's is for setup or trust file.
  if (model === null) checks.skip("zk.circuit-recompiled", "assertion", "the model was not shown");
  else {
    const own = leg.architectureDigest === undefined ? { circuitDigest: model.circuitDigest } : model.committed;
    const sameCircuit = own !== null && own.circuitDigest === leg.circuitDigest;
    const holds = sameCircuit && (leg.architectureDigest === undefined || isArchitecture(model, leg));
    checks.expect("zk.circuit-recompiled", holds, "assertion", `compiled ${own?.circuitDigest ?? "nothing"}`);
  }
  if (weights === null) return false;
  const own = model?.committed?.weights ?? null;
  if (own !== null) return checks.expect("zk.weights-recomputed", own === weights, "proof");
  checks.skip("zk.weights-recomputed", "assertion", "the model with the salt of its weights was not shown");
  return false;
}

const isArchitecture = ({ committed }: RecomputedModel, leg: ZkLeg): boolean =>
  committed?.architectureDigest === leg.architectureDigest;

/** Whether the weights of a proof are the model's, as far as anybody says so. */
function appraiseWeights(
  leg: ZkLeg,
  { weightCommitment }: StatedSignals,
  { models }: ZkTrust,
  inputs: AppraisalInputs,
  checks: ZkChecklist,
): Vouched {
  const weights = weightCommitment === null ? null : commitmentText(weightCommitment);
  const recomputed = appraiseRecomputed(leg, weights, inputs, checks);
  if (weights === null) return { weights: "constant" };
  const { modelDigest } = leg.binding;
  const entries = "accept" in models ? [] : models;
  const named = entries
    .filter(({ name, digest }) => name === inputs.model && digest === modelDigest)
    .flatMap((entry) => entry.weights ?? []);
  const accepted = named.length === 0 || named.includes(weights);
  const detail = named.length === 0 ? "none are named: they are the service's word" : weights;
  checks.expect("zk.weights-accepted", accepted, "assertion", detail);
  if (named.includes(weights)) return { weights: "named" };
  return { weights: recomputed ? "recomputed" : "asserted" };
}

/** What a proof rests on: its setup, who says that the key is that of the model, and where weights are private whose they are. */
function correctnessOf(
  setup: Setup,
  { accepted, text }: SetupJudgement,
  { keys }: ZkTrust,
  { weights }: Vouched,
): LegClaims["correctness"] {
  const of = setup.architectureDigest === undefined ? "model" : "architecture";
  const chain = "accept" in keys ? `; that the key is the ${of}'s is the service's word` : "";
  const whose = { constant: "", named: "", recomputed: "", asserted: "; that the weights are the model's is the service's word" };
  const doubt = `${chain}${whose[weights]}`;
  const weak: Basis = setup.state === "dev-insecure" || doubt !== "" ? "assertion" : "signature";
  const basis = accepted === "named" && doubt === "" ? "proof" : weak;
  const input = weights === "constant" ? "a committed input" : "a committed input, committed weights";
  return { text: `proven for ${input} and stated outputs; ${text}${doubt}`, basis };
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
