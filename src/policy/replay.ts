/** The auditor's side of a decision: does it follow from the policy and the facts that it cites? */
import { isTrisealError } from "../core/errors.ts";
import { canonicalJson } from "../core/jcs.ts";
import { ATTRIBUTES, type Attribute } from "./attribute.ts";
import { decideScreened } from "./decide.ts";
import { type Decision, isNameable, type JudgedCandidate, parseDecision, UNUSABLE_FACTS } from "./decision.ts";
import { type Fact, screenFacts } from "./fact.ts";
import { type Policy, parsePolicy } from "./policy.ts";

/** The result of a replay. `reason` is one line, without values of facts. */
export type Replay = { readonly ok: true } | { readonly ok: false; readonly reason: string };

function differs(reason: string): Replay {
  return { ok: false, reason };
}

function parsed<T>(what: string, parse: () => T): { readonly value: T } | { readonly reason: string } {
  try {
    return { value: parse() };
  } catch (error) {
    return { reason: `the ${what} cannot be read: ${isTrisealError(error) ? error.message : "malformed"}` };
  }
}

/** Whether `facts` are what screening leaves of them: known, of the table's origin and type, each once, in order. */
function areScreened(facts: readonly Fact[], attributes: readonly Attribute[], scope: "request" | "backend"): boolean {
  const { usable, rejected } = screenFacts(facts, attributes, scope);
  return rejected.length === 0 && canonicalJson(usable) === canonicalJson(facts);
}

function inputProblem(decision: Decision, attributes: readonly Attribute[]): string | null {
  if (!areScreened(decision.facts, attributes, "request")) return "a fact is unknown, of another origin or type, or out of order";
  const known = new Set(["?", ...attributes.map((attribute) => attribute.name)]);
  const { rejectedFacts } = decision;
  const ordered = rejectedFacts.every(
    (name, index) => known.has(name) && (index === 0 || name > (rejectedFacts[index - 1] ?? "")),
  );
  if (!ordered || decision.facts.some((fact) => rejectedFacts.includes(fact.name)))
    return "the list of rejected facts is not canonical";
  const ids = new Set<string>();
  for (const candidate of decision.candidates) {
    if (!isNameable(candidate.id, candidate.path) || ids.has(candidate.id)) return "a backend is named twice";
    ids.add(candidate.id);
    if (!areScreened(candidate.facts, attributes, "backend")) {
      return `a fact about backend \`${candidate.id.slice(0, 64)}\` is unknown, of another origin or type, or out of order`;
    }
  }
  return null;
}

/** Whether each required path has one chosen backend that is eligible; which one is the gateway's ranking. */
function chosenProblem(chosen: Decision["chosen"], replayed: Decision): string | null {
  const required = replayed.effect === "allow" ? (replayed.obligations?.all ?? []) : [];
  if (chosen.length !== required.length) return "not one backend is chosen per required path";
  for (const [index, path] of required.entries()) {
    const pick = chosen[index];
    const eligible = replayed.candidates.some(
      (candidate) => candidate.id === pick?.backendId && candidate.path === path && candidate.removedBy === null,
    );
    if (pick?.path !== path || !eligible) return `the backend chosen for path \`${path}\` is not eligible`;
  }
  return null;
}

function firstDifference(decision: Decision, replayed: Decision): string | null {
  const stated: Readonly<Record<string, unknown>> = decision;
  for (const [name, value] of Object.entries(replayed)) {
    if (name === "chosen") continue;
    if (canonicalJson(value) !== canonicalJson(stated[name] as typeof value)) return name;
  }
  return null;
}

/**
 * Replays a parsed decision under a parsed policy. Which of several eligible backends was chosen is not replayed: the
 * gateway ranks them by load. A candidate or fact that the decision files as unusable stays so: that can only deny.
 * Does not check that the facts are true: origin `gateway` and `claim` are assertions, `evidence` is appraised elsewhere,
 * and `caller` is compared with what the leg signs (`callerFactsOf`).
 */
export function replayParsed(policy: Policy, decision: Decision): Replay {
  if (decision.policyDigest !== policy.digest) return differs("the decision was made under another policy");
  const problem = inputProblem(decision, policy.attributes);
  if (problem !== null) return differs(problem);
  const candidates: readonly JudgedCandidate[] = decision.candidates.map((candidate) => ({
    ...candidate,
    removedBy: candidate.removedBy === UNUSABLE_FACTS ? UNUSABLE_FACTS : null,
  }));
  const { at, nonce, facts, rejectedFacts } = decision;
  const replayed = decideScreened(policy, { at, nonce, facts, rejectedFacts, candidates });
  const difference = firstDifference(decision, replayed);
  if (difference !== null) return differs(`\`${difference}\` does not follow from the policy and the facts`);
  const chosen = chosenProblem(decision.chosen, replayed);
  return chosen === null ? { ok: true } : differs(chosen);
}

/**
 * Replays the decision in `decisionBytes` under the policy in `policyText`: form, policy digest, origin and type of every
 * fact, and that every other member follows. Never throws. Does not check the policy's signature.
 * @param attributes the table that the gateway used.
 */
export function replayDecision(
  policyText: Uint8Array,
  decisionBytes: Uint8Array,
  attributes: readonly Attribute[] = ATTRIBUTES,
): Replay {
  const policy = parsed("policy", () => parsePolicy(policyText, attributes));
  if ("reason" in policy) return differs(policy.reason);
  const decision = parsed("decision", () => parseDecision(decisionBytes));
  if ("reason" in decision) return differs(decision.reason);
  return replayParsed(policy.value, decision.value);
}
