/** What is wrong with a policy text, and what is legal in it but probably not meant. */
import { ATTRIBUTES, type Attribute } from "./attribute.ts";
import type { Condition } from "./condition.ts";
import { conditionContext } from "./fact.ts";
import { unguardedReads } from "./guard.ts";
import { isSimulatedType } from "./obligation.ts";
import { type AllowRule, type ForbidRule, type Policy, readPolicy } from "./policy.ts";

/** One finding. A policy with an error is refused; a warning is legal. */
export interface Finding {
  readonly severity: "error" | "warning";
  /** Line of the policy text, from 1. */
  readonly line: number;
  /** The rule or guardrail, or null where it is none's. */
  readonly rule: string | null;
  readonly message: string;
}

/** The result that a condition has whatever the facts are, or null where it depends on them. */
function constantResult(condition: Condition): boolean | null {
  return condition.attributes.length === 0 ? condition.evaluate(conditionContext([], null)) : null;
}

function warning(entry: ForbidRule, message: string): Finding {
  return { severity: "warning", line: entry.line, rule: entry.id, message };
}

function readWarnings(entry: ForbidRule, attributes: readonly Attribute[]): Finding[] {
  return unguardedReads(entry.when.ast).flatMap((name) => {
    const attribute = attributes.find((known) => known.name === name);
    if (attribute === undefined || !attribute.optional) return [];
    const effect = name.startsWith("backend.") ? "a backend without it is removed" : "a request without it is denied";
    return [warning(entry, `\`${name}\` is read without \`has(${name})\`: ${effect}`)];
  });
}

function requireWarnings(rule: AllowRule): Finding[] {
  const { obligations } = rule;
  const findings: Finding[] = [];
  if (obligations.accept === null && obligations.attested.length > 0) {
    findings.push(warning(rule, "no `evidence.accept`: every evidence type counts that is not simulated"));
  }
  const simulated = obligations.accept?.filter(isSimulatedType) ?? [];
  if (simulated.length > 0)
    findings.push(warning(rule, `accepts ${simulated.join(", ")}: no hardware stands behind that evidence`));
  const idle = obligations.attested.length === 0 && (obligations.tcb !== null || obligations.maxEvidenceAgeSeconds !== null);
  if (idle) findings.push(warning(rule, "`tcb` and `maxEvidenceAge` apply to no path: `evidence.from` is empty"));
  return findings;
}

function ruleWarnings(policy: Policy): Finding[] {
  const findings: Finding[] = [];
  let always: AllowRule | null = null;
  for (const rule of policy.rules) {
    if (always !== null) findings.push(warning(rule, `never reached: \`${always.id}\` on line ${always.line} always matches`));
    const constant = constantResult(rule.when);
    if (constant === false) findings.push(warning(rule, "never matches"));
    if (constant === true) always ??= rule;
    findings.push(...requireWarnings(rule));
  }
  return findings;
}

function forbidWarnings(policy: Policy): Finding[] {
  return policy.forbid.flatMap((entry) => {
    const constant = constantResult(entry.when);
    if (constant === null) return [];
    return [warning(entry, constant ? "always holds: every request is denied" : "never holds")];
  });
}

/**
 * All findings about a policy text, by line: every error that `parsePolicy` would refuse it for, or else warnings about
 * rules that are never reached, facts that are read without `has()`, and evidence that is not named. Never throws.
 */
export function checkPolicy(text: Uint8Array, attributes: readonly Attribute[] = ATTRIBUTES): readonly Finding[] {
  const { policy, problems } = readPolicy(text, attributes);
  const findings: Finding[] = problems.map((problem) => ({ severity: "error", ...problem }));
  if (policy !== null) {
    if (policy.rules.length === 0)
      findings.push({ severity: "warning", line: 1, rule: null, message: "no rules: every request is denied" });
    findings.push(...forbidWarnings(policy), ...ruleWarnings(policy));
    for (const entry of [...policy.forbid, ...policy.rules]) findings.push(...readWarnings(entry, attributes));
  }
  return findings.sort((left, right) => left.line - right.line);
}
