/**
 * The decision itself: guardrails, then the first matching rule, then the choice among the candidates that satisfy it.
 * Total and deterministic; whatever cannot be evaluated denies.
 */
import type { UnixSeconds } from "../core/time.ts";
import { type Decision, type DenialCode, isNameable, type JudgedCandidate, MAX_CANDIDATES, UNUSABLE_FACTS } from "./decision.ts";
import { type Candidate, type ConditionContext, conditionContext, type Fact, screenFacts } from "./fact.ts";
import { failedObligation, type Obligations } from "./obligation.ts";
import type { AllowRule, ForbidRule, Policy } from "./policy.ts";

/** What is to be decided. */
export interface DecisionInput {
  readonly at: UnixSeconds;
  /** 128 random bits of the gateway, as 32 hexadecimal digits. */
  readonly nonce: string;
  /** Facts about the request, its tenant and its model. In any order. */
  readonly facts: readonly Fact[];
  /** Live backends that could answer, best first. Ids are unique: a second one of the same id is passed over. */
  readonly candidates: readonly Candidate[];
}

/** Facts and candidates after screening: what the document records, and what a replay starts from. */
export interface ScreenedInput {
  readonly at: UnixSeconds;
  readonly nonce: string;
  readonly facts: readonly Fact[];
  readonly rejectedFacts: readonly string[];
  /** `removedBy` is null, or `facts:unusable` where a fact about the candidate could not be used. */
  readonly candidates: readonly JudgedCandidate[];
}

interface Outcome {
  readonly effect: "allow" | "deny";
  readonly code: DenialCode | null;
  readonly ruleIds: readonly string[];
  readonly reason: string;
  readonly obligations: Obligations | null;
  readonly candidates: readonly JudgedCandidate[];
  readonly chosen: Decision["chosen"];
}

function denied(
  code: DenialCode,
  ruleIds: readonly string[],
  reason: string,
  candidates: readonly JudgedCandidate[],
  obligations: Obligations | null = null,
): Outcome {
  return { effect: "deny", code, ruleIds, reason: reason.slice(0, 512), obligations, candidates, chosen: [] };
}

/** Why a condition has no result: the facts that it names and that are absent. */
function unanswerable(rule: ForbidRule, context: ConditionContext): string {
  const missing = rule.when.attributes.filter((name) => {
    const dot = name.indexOf(".");
    return !Object.hasOwn(context[name.slice(0, dot)] ?? {}, name.slice(dot + 1));
  });
  const cause =
    missing.length === 0 ? "its condition has no result" : `absent: ${missing.map((name) => `\`${name}\``).join(", ")}`;
  return `\`${rule.id}\` cannot be evaluated (${cause})`.slice(0, 400);
}

function forbidRequest(policy: Policy, context: ConditionContext): Pick<Outcome, "ruleIds" | "reason"> | null {
  for (const rule of policy.forbid) {
    if (rule.when.mentionsBackend) continue;
    const result = rule.when.evaluate(context);
    if (result === null) return { ruleIds: [rule.id], reason: `guardrail ${unanswerable(rule, context)}` };
    if (result)
      return {
        ruleIds: [rule.id],
        reason: `guardrail \`${rule.id}\` forbids it${rule.because === null ? "" : `: ${rule.because}`}`,
      };
  }
  return null;
}

function forbidCandidate(policy: Policy, facts: readonly Fact[], candidate: JudgedCandidate): JudgedCandidate {
  if (candidate.removedBy !== null) return candidate;
  const context = conditionContext(facts, candidate);
  for (const rule of policy.forbid) {
    if (!rule.when.mentionsBackend) continue;
    const result = rule.when.evaluate(context);
    if (result !== false) return { ...candidate, removedBy: `${result === null ? "error" : "forbid"}:${rule.id}` };
  }
  return candidate;
}

function removers(candidates: readonly JudgedCandidate[]): readonly string[] {
  const ids = candidates.flatMap(({ removedBy }) =>
    removedBy === null || removedBy === UNUSABLE_FACTS || removedBy.startsWith("obligation:")
      ? []
      : [removedBy.slice(removedBy.indexOf(":") + 1)],
  );
  return [...new Set(ids)].sort();
}

/** Why no candidate of a required path is eligible. */
function unmet(rule: AllowRule, path: string, candidates: readonly JudgedCandidate[]): Outcome {
  const ofPath = candidates.filter((candidate) => candidate.path === path);
  if (ofPath.length === 0) {
    const reason = `rule \`${rule.id}\` requires path \`${path}\`, which has no live backend`;
    return denied("PATH_UNAVAILABLE", [rule.id], reason, candidates, rule.obligations);
  }
  const failed = new Set(
    ofPath.flatMap(({ removedBy }) => (removedBy?.startsWith("obligation:") ? [removedBy.slice("obligation:".length)] : [])),
  );
  if (failed.size > 0 || ofPath.every(({ removedBy }) => removedBy === UNUSABLE_FACTS)) {
    const what = failed.size === 0 ? "unusable facts" : [...failed].sort().join(", ");
    const reason = `rule \`${rule.id}\` requires path \`${path}\`: no backend passes (${what})`;
    return denied("UPSTREAM_NOT_VERIFIED", [rule.id], reason, candidates, rule.obligations);
  }
  const guardrails = removers(ofPath);
  const reason = `rule \`${rule.id}\` requires path \`${path}\`, whose backends are all forbidden by ${guardrails.join(", ")}`;
  return denied("POLICY_DENIED", [rule.id, ...guardrails], reason, candidates, rule.obligations);
}

function plan(rule: AllowRule, candidates: readonly JudgedCandidate[]): Outcome {
  const judged = candidates.map((candidate) => {
    const failed = candidate.removedBy === null ? failedObligation(rule.obligations, candidate) : null;
    return failed === null ? candidate : { ...candidate, removedBy: `obligation:${failed}` };
  });
  const chosen: { path: string; backendId: string }[] = [];
  for (const path of rule.obligations.all) {
    const first = judged.find((candidate) => candidate.path === path && candidate.removedBy === null);
    if (first === undefined) return unmet(rule, path, judged);
    chosen.push({ path, backendId: first.id });
  }
  const reason = `rule \`${rule.id}\` allows it${rule.because === null ? "" : `: ${rule.because}`}`;
  const { obligations } = rule;
  return { effect: "allow", code: null, ruleIds: [rule.id], reason, obligations, candidates: judged, chosen };
}

function outcome(policy: Policy, input: ScreenedInput): Outcome {
  if (input.rejectedFacts.length > 0) {
    const names = input.rejectedFacts.slice(0, 4).map((name) => `\`${name}\``);
    return denied("POLICY_DENIED", [], `facts cannot be used: ${names.join(", ")}`, input.candidates);
  }
  const context = conditionContext(input.facts, null);
  const forbidden = forbidRequest(policy, context);
  if (forbidden !== null) return denied("POLICY_DENIED", forbidden.ruleIds, forbidden.reason, input.candidates);
  const candidates = input.candidates.map((candidate) => forbidCandidate(policy, input.facts, candidate));
  const guardrails = removers(candidates);
  if (guardrails.length > 0 && candidates.every(({ removedBy }) => removedBy !== null)) {
    return denied("POLICY_DENIED", guardrails, `every backend is forbidden by ${guardrails.join(", ")}`, candidates);
  }
  for (const rule of policy.rules) {
    const result = rule.when.evaluate(context);
    if (result === null) return denied("POLICY_DENIED", [rule.id], `rule ${unanswerable(rule, context)}`, candidates);
    if (result) return plan(rule, candidates);
  }
  return denied("POLICY_DENIED", [], "no rule allows it", candidates);
}

/** The decision on input that is already screened. For `decide` and for replay. */
export function decideScreened(policy: Policy, input: ScreenedInput): Decision {
  const { effect, code, ruleIds, reason, obligations, candidates, chosen } = outcome(policy, input);
  const { at, nonce, facts, rejectedFacts } = input;
  return {
    v: 1,
    nonce,
    at,
    policyDigest: policy.digest,
    effect,
    code,
    ruleIds,
    reason,
    facts,
    rejectedFacts,
    obligations,
    candidates,
    chosen,
  };
}

function screenCandidates(policy: Policy, candidates: readonly Candidate[]): readonly JudgedCandidate[] {
  const named = new Map<string, JudgedCandidate>();
  for (const { id, path, facts } of candidates) {
    if (named.size >= MAX_CANDIDATES) break;
    // What cannot be recorded cannot be chosen.
    if (!isNameable(id, path) || named.has(id)) continue;
    const { usable, rejected } = screenFacts(facts, policy.attributes, "backend");
    named.set(id, { id, path, facts: usable, removedBy: rejected.length === 0 ? null : UNUSABLE_FACTS });
  }
  return [...named.values()];
}

/**
 * What `policy` says about a request. Total: never throws on any facts or candidates. The chosen backend of each required
 * path is the first eligible one in the order given. Does not check whether the policy is signed or in force.
 */
export function decide(policy: Policy, input: DecisionInput): Decision {
  const { usable, rejected } = screenFacts(input.facts, policy.attributes, "request");
  return decideScreened(policy, {
    at: input.at,
    nonce: input.nonce,
    facts: usable,
    rejectedFacts: rejected,
    candidates: screenCandidates(policy, input.candidates),
  });
}
