/** The decision document: what was decided, on which facts, under which policy. Its digest stands in binding and receipt. */
import { equalBytes } from "../core/bytes.ts";
import { array, type Decoder, digest, hexText, matching, nullable, object, oneOf, seconds, text } from "../core/decode.ts";
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { parseJson } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { PathId } from "../paths/path.ts";
import { type Candidate, decodeFacts, type Fact, isText, MAX_FACTS } from "./fact.ts";
import { decodeObligations, type Obligations, PATH_ID } from "./obligation.ts";

/** Largest decision document, in bytes. */
export const MAX_DECISION_BYTES = 1024 * 1024;
/** Most candidates of one decision. */
export const MAX_CANDIDATES = 256;
/** One rule and every guardrail that a policy can have. */
const MAX_RULE_IDS = 64;
const MAX_BACKEND_ID_LENGTH = 128;
/** Why a candidate was passed over where a fact about it could not be used. */
export const UNUSABLE_FACTS = "facts:unusable";

/** Codes of a denial. */
export const DENIAL_CODES = ["POLICY_DENIED", "PATH_UNAVAILABLE", "UPSTREAM_NOT_VERIFIED"] as const;

/** Code of a denial. */
export type DenialCode = (typeof DENIAL_CODES)[number];

/** One candidate and why it was passed over: `forbid:<id>`, `error:<id>`, `obligation:<name>`, `facts:unusable`; null where it was eligible. */
export type JudgedCandidate = Candidate & { readonly removedBy: string | null };

/** A decision. Plain JSON. */
export type Decision = {
  readonly v: 1;
  /** The gateway's nonce of the exchange, 32 hexadecimal digits. */
  readonly nonce: string;
  /** When it was decided, by the gateway's clock. */
  readonly at: UnixSeconds;
  readonly policyDigest: Sha256Digest;
  readonly effect: "allow" | "deny";
  /** Code of a denial; null where the request is allowed. */
  readonly code: DenialCode | null;
  /** The rule that matched, or the guardrails or the rule that denied. */
  readonly ruleIds: readonly string[];
  /** One line for a person, without values of facts. */
  readonly reason: string;
  /** Facts about the request, sorted by name. */
  readonly facts: readonly Fact[];
  /** Names of facts that were given and could not be used: then the request is denied. */
  readonly rejectedFacts: readonly string[];
  readonly obligations: Obligations | null;
  /** In the order of the gateway's ranking. */
  readonly candidates: readonly JudgedCandidate[];
  /** One backend per required path; empty where the request is denied. */
  readonly chosen: readonly { readonly path: PathId; readonly backendId: string }[];
};

const WHOLE_PATH_ID = new RegExp(`^(?:${PATH_ID.source})$`);

const decodeBackendId = text(MAX_BACKEND_ID_LENGTH);

const ruleId = matching(/[a-z][a-z0-9-]{0,63}/, "a rule id");
const removedBy = matching(/(?:forbid|error|obligation|facts):[a-zA-Z][a-zA-Z0-9-]{0,63}/, "a reason such as `forbid:<id>`");
const pathId = matching(PATH_ID, "a path id");

const decodeForm = object({
  v: oneOf(1),
  nonce: hexText(16),
  at: seconds,
  policyDigest: digest,
  effect: oneOf("allow", "deny"),
  code: nullable(oneOf(...DENIAL_CODES)),
  ruleIds: array(ruleId, MAX_RULE_IDS),
  reason: text(512),
  facts: decodeFacts,
  rejectedFacts: array(matching(/\?|[a-z]{1,16}\.[a-z][a-z0-9_]{0,47}/, "the name of a fact"), MAX_FACTS),
  obligations: nullable(decodeObligations),
  candidates: array(
    object({ id: decodeBackendId, path: pathId, facts: decodeFacts, removedBy: nullable(removedBy) }),
    MAX_CANDIDATES,
  ),
  chosen: array(object({ path: pathId, backendId: decodeBackendId }), 8),
});

/** Decodes a decision. Checks form only: that it follows from its facts is `replayDecision`'s to check. */
export const decodeDecision: Decoder<Decision> = decodeForm;

/** The bytes of a decision: its JCS form, which is also what `decisionDigest` covers. */
export function encodeDecision(decision: Decision): Uint8Array {
  return encodeJcs(decision);
}

/** SHA-256 of the JCS form of `decision`, and of the blob that a bundle carries. */
export function decisionDigest(decision: Decision): Sha256Digest {
  return digestOf(encodeDecision(decision));
}

/**
 * Parses a decision document of at most 1 MiB in JCS form, so that the digest of its bytes is `decisionDigest`.
 * Does not check that it follows from its facts.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseDecision(bytes: Uint8Array): Decision {
  if (bytes.length > MAX_DECISION_BYTES)
    throw new TrisealError("FORMAT_INVALID", `decision: larger than ${MAX_DECISION_BYTES} bytes`);
  const decision = decodeDecision(parseJson(bytes), "decision");
  if (!equalBytes(bytes, encodeDecision(decision))) throw new TrisealError("FORMAT_INVALID", "decision: not in JCS form");
  return decision;
}

/** Whether `id` and `path` can stand in a decision. */
export function isNameable(id: unknown, path: unknown): boolean {
  return isText(id, MAX_BACKEND_ID_LENGTH) && typeof path === "string" && WHOLE_PATH_ID.test(path);
}
