/** What any proof of the zk path is judged by: its key, how that was made, whose it is, and what it is bound to. */
import type { Basis, Checklist } from "../../../core/check.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { AppraisalInputs, LegClaims } from "../../path.ts";
import { type Proof, parseVerificationKey, type VerificationKey, verificationKeyDigest } from "../wire/documents.ts";
import { commitmentText, type StatedSignals } from "../wire/leg.ts";
import { isSetupOf, parseSetup, type Setup, type SetupState } from "../wire/setup.ts";
import type { zkChecks } from "./check-table.ts";
import { type Groth16Verifier, openVerifier } from "./groth16.ts";
import { decodeRecomputed, type RecomputedModel } from "./recomputed.ts";
import { judgeSetup, type SetupJudgement, verifySetup } from "./setup.ts";
import type { ZkTrust } from "./trust-section.ts";

/** Checks of the zk path. */
export type ZkChecklist = Checklist<typeof zkChecks>;

/** A proof with what it is said to be about. */
export interface ProvenStatement {
  readonly modelDigest: Sha256Digest;
  readonly circuitDigest: Sha256Digest;
  readonly keyDigest: Sha256Digest;
  readonly setupDigest: Sha256Digest;
  /** Of the circuit where the weights are private; else null. */
  readonly architectureDigest: Sha256Digest | null;
  readonly proof: Proof;
  readonly publicSignals: readonly bigint[];
  /** The public signals by their meaning; null where they have none. */
  readonly stated: StatedSignals | null;
  /** The context that the proof must be bound to. */
  readonly context: bigint;
}

/** What a proof shows that could be judged. */
export interface ProvenClaims {
  readonly stated: StatedSignals;
  readonly setup: Setup;
  readonly correctness: LegClaims["correctness"];
  /** What the proof itself rests on, in words: `correctness` says it, too. */
  readonly rests: string;
}

/** Type of evidence as policies read it in `backend.evidence_type`. */
export function evidenceTypeOf(state: SetupState): string {
  return `groth16-${state}`;
}

/** Keys that were opened last: opening one costs more than a proof. */
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

/** A key by its one digest: in another spelling it would be another key to trust files that name or revoke it. @throws TrisealError `FORMAT_INVALID`. */
function readKey(bytes: Uint8Array, digest: Sha256Digest): VerificationKey {
  const key = parseVerificationKey(bytes);
  if (verificationKeyDigest(key) === digest) return key;
  throw new TrisealError("FORMAT_INVALID", "the verification key is not in JCS form");
}

/** Setups that were verified against their key, by both digests: a transcript costs pairings. */
const verified = new Set<string>();

function verifySetupOnce(leg: ProvenStatement, setup: Setup, key: VerificationKey): void {
  const name = `${leg.setupDigest} ${leg.keyDigest}`;
  if (verified.has(name)) return;
  verifySetup(setup, key);
  if (verified.size >= MAX_OPENED) verified.clear();
  verified.add(name);
}

/** Judges a proof; null where trust section, setup or signals cannot be read. Each has its failed check then. */
export function appraiseProven(
  proven: ProvenStatement,
  trust: ZkTrust | null,
  inputs: AppraisalInputs,
  checks: ZkChecklist,
): ProvenClaims | null {
  // All that is cited is asked for, whatever can be made of it: none of it is an unused part.
  const setup = checks.attempt("zk.setup-readable", "assertion", () => parseSetup(blobOf(inputs, proven.setupDigest)));
  const key = checks.attempt("zk.key-readable", "assertion", () => readKey(blobOf(inputs, proven.keyDigest), proven.keyDigest));
  if (setup !== null) checks.expect("zk.setup-readable", true, "assertion");
  if (key !== null) appraiseProof(proven, setup, key, checks);
  const { stated } = proven;
  if (trust === null || setup === null || stated === null) return null;
  checks.expect("zk.context-bound", stated.context === proven.context, "proof");
  const judgement = judgeSetup(setup, trust.setups);
  checks.expect("zk.setup-accepted", judgement.accepted !== null, "assertion", judgement.text);
  appraiseChain(proven, setup, trust, inputs, checks);
  const vouched = appraiseWeights(proven, stated, trust, inputs, checks);
  return { stated, setup, ...restsOn(setup, judgement, trust, vouched) };
}

function appraiseProof(leg: ProvenStatement, setup: Setup | null, key: VerificationKey, checks: ZkChecklist): void {
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

/** A blob of the bundle. @throws TrisealError `FORMAT_INVALID`. */
export function blobOf(inputs: AppraisalInputs, digest: Sha256Digest): Uint8Array {
  const bytes = inputs.blob(digest);
  if (bytes === null) throw new TrisealError("FORMAT_INVALID", `${digest} is not in the bundle`);
  return bytes;
}

/** The chain from the model to its circuit and its key, and what the trust file says of each. */
function appraiseChain(leg: ProvenStatement, setup: Setup, trust: ZkTrust, inputs: AppraisalInputs, checks: ZkChecklist): void {
  const { modelDigest, architectureDigest, keyDigest, circuitDigest } = leg;
  const { models, keys } = trust;
  const { measurements } = inputs.revoked;
  const subject = architectureDigest === null ? { modelDigest } : { architectureDigest };
  const fits = setup.circuitDigest === circuitDigest && isSetupOf(setup, subject);
  checks.expect("zk.setup-fits", fits, "assertion");
  const named =
    "accept" in keys ||
    keys.some(({ digest, model, architecture }) => {
      return digest === keyDigest && (architectureDigest === null ? model === modelDigest : architecture === architectureDigest);
    });
  checks.expect("zk.key-accepted", named, "assertion", "accept" in keys ? "any, by the trust file" : keyDigest);
  const cited: readonly string[] = [keyDigest, circuitDigest, ...(architectureDigest === null ? [] : [architectureDigest])];
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
function appraiseRecomputed(leg: ProvenStatement, weights: string | null, inputs: AppraisalInputs, checks: ZkChecklist): boolean {
  const shown = inputs.programs.get(leg.modelDigest);
  const model = shown === undefined ? null : decodeRecomputed(shown, "programs");
  // It shows that the setup document names the model's circuit; that the key is that circuit's is for setup or trust file.
  if (model === null) checks.skip("zk.circuit-recompiled", "assertion", "the model was not shown");
  else {
    const own = leg.architectureDigest === null ? { circuitDigest: model.circuitDigest } : model.committed;
    const sameCircuit = own !== null && own.circuitDigest === leg.circuitDigest;
    const holds = sameCircuit && (leg.architectureDigest === null || isArchitecture(model, leg));
    checks.expect("zk.circuit-recompiled", holds, "assertion", `compiled ${own?.circuitDigest ?? "nothing"}`);
  }
  if (weights === null) return false;
  const own = model?.committed?.weights ?? null;
  if (own !== null) return checks.expect("zk.weights-recomputed", own === weights, "proof");
  checks.skip("zk.weights-recomputed", "assertion", "the model with the salt of its weights was not shown");
  return false;
}

const isArchitecture = ({ committed }: RecomputedModel, leg: ProvenStatement): boolean =>
  committed?.architectureDigest === leg.architectureDigest;

/** Whether the weights of a proof are the model's, as far as anybody says so. */
function appraiseWeights(
  leg: ProvenStatement,
  { weightCommitment }: StatedSignals,
  { models }: ZkTrust,
  inputs: AppraisalInputs,
  checks: ZkChecklist,
): Vouched {
  const weights = weightCommitment === null ? null : commitmentText(weightCommitment);
  const recomputed = appraiseRecomputed(leg, weights, inputs, checks);
  if (weights === null) return { weights: "constant" };
  const { modelDigest } = leg;
  const entries = "accept" in models ? [] : models;
  const named = entries
    .filter(({ name, digest }) => name === inputs.model && digest === modelDigest)
    .flatMap((entry) => entry.weights ?? []);
  if (named.length === 0) checks.skip("zk.weights-accepted", "assertion", "none are named: they are the service's word");
  else checks.expect("zk.weights-accepted", named.includes(weights), "assertion", weights);
  if (named.includes(weights)) return { weights: "named" };
  return { weights: recomputed ? "recomputed" : "asserted" };
}

/** What a proof rests on: its setup, who says that the key is that of the model, and where weights are private whose they are. */
function restsOn(
  setup: Setup,
  { accepted, text }: SetupJudgement,
  { keys }: ZkTrust,
  { weights }: Vouched,
): Pick<ProvenClaims, "correctness" | "rests"> {
  const of = setup.architectureDigest === undefined ? "model" : "architecture";
  const chain = "accept" in keys ? `; that the key is the ${of}'s is the service's word` : "";
  const whose = { constant: "", named: "", recomputed: "", asserted: "; that the weights are the model's is the service's word" };
  const doubt = `${chain}${whose[weights]}`;
  const weak: Basis = setup.state === "dev-insecure" || doubt !== "" ? "assertion" : "signature";
  const basis = accepted === "named" && doubt === "" ? "proof" : weak;
  const input = weights === "constant" ? "a committed input" : "a committed input, committed weights";
  const rests = `${text}${doubt}`;
  return { correctness: { text: `proven for ${input} and stated outputs; ${rests}`, basis }, rests };
}
