/**
 * What a caller makes on its own machine: the challenge that the service decides on before, checked here before anything is
 * made under it. Knows no path by itself: a kind of submission names its addresses.
 */
import { type Decoded, digest, hexText, integer, jsonObject, object, oneOf, text } from "../core/decode.ts";
import { digestOfJson, type Sha256Digest } from "../core/digest.ts";
import { encodeJcs } from "../core/jcs.ts";
import { type JsonObject, parseJson } from "../core/json.ts";
import { type CallerFacts, callerFacts, factsDigest } from "../core/oip.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import { callerFactsOf, type Decision, parseDecision } from "../policy/index.ts";
import { assertVerified } from "./appraise-service.ts";

/** A kind of submission: its addresses below `/v1/<path>/`, and what policies read in `request.submits`. */
export interface SubmissionKind {
  readonly path: string;
  readonly challenges: string;
  readonly submissions: string;
  readonly submits: string;
}

/** Proofs of inferences that the caller made. */
export const PROOF_SUBMISSION: SubmissionKind = {
  path: "zk",
  challenges: "challenges",
  submissions: "proofs",
  submits: "proof",
};

/** Statements that a balance, of which a signer signed a commitment, is at least a threshold. */
export const STATEMENT_SUBMISSION: SubmissionKind = {
  path: "zk",
  challenges: "statement-challenges",
  submissions: "statements",
  submits: "statement",
};

/** Runs of a program on encrypted values. */
export const RUN_SUBMISSION: SubmissionKind = { path: "fhe", challenges: "challenges", submissions: "run", submits: "fhe-run" };

/** What is asked for. */
export interface ChallengeCall {
  readonly model: string;
  /** The caller's facts, as in the parameters of an inference; nothing else may stand here that the service should not see. */
  readonly parameters?: JsonObject;
  /** Digest that the model must have; any, where it is left out, that the trust file names when the answer is verified. */
  readonly modelDigest?: Sha256Digest;
  /** `PROOF_SUBMISSION` by default. */
  readonly kind?: SubmissionKind;
  readonly signal?: AbortSignal;
}

/** A challenge that was checked: policy allows the submission, on what this caller stated. Good for one submission. */
export interface Challenge {
  readonly kind: SubmissionKind;
  readonly model: string;
  readonly modelDigest: Sha256Digest;
  readonly nonce: string;
  readonly decision: Decision;
  readonly decisionDigest: Sha256Digest;
  /** SHA-256 over the JCS form of the facts that this caller stated. */
  readonly factsDigest: Sha256Digest;
  /** The first second at which it no longer holds. */
  readonly exp: number;
  /** What the path says beside: form and meaning are the path's. */
  readonly terms: JsonObject;
}

const decodeChallenge = object({
  v: oneOf(1),
  nonce: hexText(16),
  model: text(128),
  modelDigest: digest,
  decisionDigest: digest,
  decision: jsonObject,
  exp: integer(),
  terms: jsonObject,
});

/** The body that asks. @throws TrisealError `REQUEST_MALFORMED` for facts of another form. */
export function challengeBody({ model, parameters }: ChallengeCall): Uint8Array {
  const facts: CallerFacts = callerFacts(parameters);
  return encodeJcs({ model, parameters: facts as JsonObject });
}

/**
 * The challenge in an answer. What is proven under it is proven under this decision, so that it is read before.
 * @throws TrisealError `FORMAT_INVALID`; `VERIFICATION_FAILED` for one that has ended, or about another model, other facts,
 *   another kind of submission, or a decision that is not the stated one or allows nothing. Does not replay the decision:
 *   the receipt's verification does.
 */
export function readChallenge(body: Uint8Array, call: ChallengeCall, now: UnixSeconds): Challenge {
  const stated = decodeChallenge(parseJson(body), "challenge");
  const { kind = PROOF_SUBMISSION } = call;
  const decision = parseDecision(encodeJcs(stated.decision));
  assertVerified(digestOfJson(stated.decision) === stated.decisionDigest, "the decision is not the one that the challenge names");
  assertVerified(decision.nonce === stated.nonce && decision.effect === "allow", "the decision is not about this challenge");
  const factsStated = factsDigest(callerFacts(call.parameters));
  assertVerified(factsDigest(callerFactsOf(decision)) === factsStated, "the decision rests on other facts than were stated");
  assertVerified(isAbout(decision, stated, call, kind), "the decision is about another model or kind of submission");
  assertVerified(holdsUntil(stated.exp as UnixSeconds, now), "the challenge has ended");
  const { v: _, decision: __, ...rest } = stated;
  return { kind, ...rest, decision, factsDigest: factsStated };
}

function isAbout(
  { facts }: Decision,
  { model, modelDigest }: Decoded<typeof decodeChallenge>,
  call: ChallengeCall,
  { submits }: SubmissionKind,
): boolean {
  const fact = (name: string) => facts.find((candidate) => candidate.name === name)?.value;
  const wanted = call.modelDigest ?? modelDigest;
  const named = fact("model.name") === model && fact("model.digest") === modelDigest && fact("request.submits") === submits;
  return named && model === call.model && modelDigest === wanted;
}
