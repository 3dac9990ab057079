/** A decision in words, for a security officer. */
import { formatTime } from "../core/time.ts";
import { type Decision, type JudgedCandidate, UNUSABLE_FACTS } from "./decision.ts";
import { type ConditionContext, conditionContext, type Fact } from "./fact.ts";
import type { Obligations } from "./obligation.ts";
import { pathRoles } from "./path-roles.ts";
import type { ForbidRule, Policy } from "./policy.ts";

const ORIGIN_WORDS: Readonly<Record<Fact["origin"], string>> = {
  caller: "stated by the caller",
  gateway: "observed by the gateway",
  evidence: "shown by appraised evidence",
  claim: "claimed by the operator, not proven",
};

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** The values of the facts that a condition names, for the line that says how it came out. */
function readings(rule: ForbidRule, context: ConditionContext): string {
  const values = rule.when.attributes.map((name) => {
    const dot = name.indexOf(".");
    const value = context[name.slice(0, dot)]?.[name.slice(dot + 1)];
    return `${name} = ${value === undefined ? "absent" : JSON.stringify(value)}`;
  });
  return values.length === 0 ? "" : ` (${values.join(", ")})`;
}

function outcome(rule: ForbidRule, context: ConditionContext, words: { readonly yes: string; readonly no: string }): string {
  const result = rule.when.evaluate(context);
  if (result === null) return `cannot be evaluated, which denies${readings(rule, context)}`;
  return `${result ? words.yes : words.no}${readings(rule, context)}`;
}

function factLine(fact: Fact): string {
  return `  ${fact.name} = ${JSON.stringify(fact.value)}   ${ORIGIN_WORDS[fact.origin]}`;
}

function forbidLines(policy: Policy, decision: Decision): string[] {
  const context = conditionContext(decision.facts, null);
  const lines: string[] = [];
  for (const rule of policy.forbid) {
    lines.push(`  ${rule.id}: ${oneLine(rule.when.source)}`);
    if (!rule.when.mentionsBackend) {
      lines.push(`    ${outcome(rule, context, { yes: "holds: the request is denied", no: "does not hold" })}`);
      if (rule.when.evaluate(context) !== false) {
        lines.push("    what follows was not evaluated");
        return lines;
      }
      continue;
    }
    for (const candidate of decision.candidates) {
      const result = outcome(rule, conditionContext(decision.facts, candidate), { yes: "holds: removed", no: "does not hold" });
      lines.push(`    backend ${candidate.id}: ${result}`);
    }
    if (decision.candidates.length === 0) lines.push("    no backend to judge");
  }
  return lines.length === 0 ? ["  none"] : lines;
}

function ruleLines(policy: Policy, decision: Decision): string[] {
  const context = conditionContext(decision.facts, null);
  const lines: string[] = [];
  for (const rule of policy.rules) {
    lines.push(`  ${rule.id}: ${oneLine(rule.when.source)}`);
    lines.push(`    ${outcome(rule, context, { yes: "matches", no: "does not match" })}`);
    if (rule.when.evaluate(context) !== false) return lines;
  }
  lines.push("  no rule matches: denied");
  return lines;
}

/** What obligations ask, one line each. */
function obligationLines(obligations: Obligations): string[] {
  const { attested, tcb, maxEvidenceAgeSeconds, accept, sample } = obligations;
  const { answers, confirm, follow, waitsSeconds } = pathRoles(obligations);
  const lines = [`  answered by: ${answers}`];
  for (const path of confirm) lines.push(`  and confirmed before the answer leaves by: ${path}`);
  for (const { path, deadlineSeconds } of follow) lines.push(`  and confirmed later by: ${path}, within ${deadlineSeconds} s`);
  if (waitsSeconds !== null) lines.push(`  all of it later, within ${waitsSeconds} s`);
  lines.push(`  backends that must show evidence: ${attested.length === 0 ? "none" : attested.join(", ")}`);
  lines.push(`  evidence types: ${accept === null ? "any that is not simulated" : accept.join(", ")}`);
  if (tcb !== null) lines.push(`  firmware and microcode: ${tcb.join(" or ")}`);
  if (maxEvidenceAgeSeconds !== null) lines.push(`  evidence no older than ${maxEvidenceAgeSeconds} s`);
  for (const { path, rate } of sample) lines.push(`  ${path} proves ${rate * 100} % of the answers afterwards`);
  return lines;
}

function removal(candidate: JudgedCandidate): string {
  const { removedBy } = candidate;
  if (removedBy === null) return "eligible";
  if (removedBy === UNUSABLE_FACTS) return "passed over: a fact about it could not be used";
  const [kind, name] = [removedBy.slice(0, removedBy.indexOf(":")), removedBy.slice(removedBy.indexOf(":") + 1)];
  if (kind === "obligation") return `passed over: it does not satisfy ${name}`;
  return kind === "forbid"
    ? `passed over: guardrail ${name} forbids it`
    : `passed over: guardrail ${name} cannot be evaluated for it`;
}

function candidateLines(decision: Decision): string[] {
  if (decision.candidates.length === 0) return ["  none"];
  return decision.candidates.flatMap((candidate) => {
    const isChosen = decision.chosen.some((pick) => pick.backendId === candidate.id && pick.path === candidate.path);
    const head = `  ${candidate.id} (${candidate.path}): ${isChosen ? "chosen" : removal(candidate)}`;
    return [head, ...candidate.facts.map((fact) => `  ${factLine(fact)}`)];
  });
}

/**
 * Lines that say how `decision` came about: the facts and who vouches for each, every guardrail and rule that was
 * evaluated and how it came out, what the rule asks, and why each backend was or was not chosen. Holds values of facts.
 * Does not check that the decision follows: that is `replayDecision`.
 */
export function explainDecision(policy: Policy, decision: Decision): readonly string[] {
  const code = decision.code === null ? "" : ` ${decision.code}`;
  const head = [
    `${decision.effect}${code} at ${formatTime(decision.at)}: ${decision.reason}`,
    `policy ${policy.name ?? "without a name"}, ${decision.policyDigest}`,
  ];
  const facts = decision.facts.length === 0 ? ["  none"] : decision.facts.map(factLine);
  const lines = [...head, "facts", ...facts];
  if (decision.rejectedFacts.length > 0) {
    lines.push("facts that could not be used, which denies", ...decision.rejectedFacts.map((name) => `  ${name}`));
    return lines;
  }
  lines.push("guardrails, in order", ...forbidLines(policy, decision));
  const byRequest = policy.forbid.some(
    (rule) => !rule.when.mentionsBackend && rule.when.evaluate(conditionContext(decision.facts, null)) !== false,
  );
  const noneLeft = decision.obligations === null && decision.ruleIds.some((id) => policy.forbid.some((rule) => rule.id === id));
  if (!byRequest && !noneLeft) lines.push("rules, in order: the first that matches decides", ...ruleLines(policy, decision));
  if (decision.obligations !== null) lines.push("obligations", ...obligationLines(decision.obligations));
  lines.push("backends, as ranked", ...candidateLines(decision));
  return lines;
}
