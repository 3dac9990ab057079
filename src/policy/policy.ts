/** Policies: parsed, checked whole, and named by the digest of their exact bytes. */
import { en } from "zod/locales";
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import { ATTRIBUTES, type Attribute } from "./attribute.ts";
import { type Condition, ConditionCompiler } from "./condition.ts";
import type { Obligations } from "./obligation.ts";
import { readYaml, type YamlText } from "./read-yaml.ts";
import { type PolicyFile, policySchema } from "./schema.ts";

/** Largest policy, in bytes. */
export const MAX_POLICY_BYTES = 256 * 1024;
/** Most steps of all conditions together, for one candidate. */
const MAX_POLICY_COST = 20_000;

/** A guardrail: where its condition holds, or cannot be evaluated, the request is denied or the candidate removed. */
export interface ForbidRule {
  readonly id: string;
  readonly because: string | null;
  readonly when: Condition;
  /** Line of the policy text, from 1. */
  readonly line: number;
}

/** A rule: the first whose condition holds says what is asked of the backends. */
export interface AllowRule extends ForbidRule {
  readonly obligations: Obligations;
}

/** A policy that has passed every check but that of its signature. */
export interface Policy {
  /** SHA-256 of the exact bytes. */
  readonly digest: Sha256Digest;
  readonly name: string | null;
  readonly forbid: readonly ForbidRule[];
  readonly rules: readonly AllowRule[];
  /** The table that its conditions were checked against, and facts are. */
  readonly attributes: readonly Attribute[];
}

/** One problem of a policy text. */
export interface PolicyProblem {
  readonly line: number;
  /** Rule or guardrail, or null where it is none's. */
  readonly rule: string | null;
  readonly message: string;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration of the schema's form. */
function durationSeconds(text: string): number {
  return Number(text.slice(0, -1)) * (UNIT_SECONDS[text.slice(-1)] ?? 1);
}

class PolicyReader {
  readonly problems: PolicyProblem[] = [];
  private readonly yaml: YamlText;
  private readonly compiler: ConditionCompiler;

  constructor(yaml: YamlText, attributes: readonly Attribute[]) {
    this.yaml = yaml;
    this.compiler = new ConditionCompiler(attributes);
  }

  problem(path: readonly PropertyKey[], rule: string | null, message: string): void {
    this.problems.push({ line: this.yaml.lineOf(path), rule, message });
  }

  forbid(file: PolicyFile["forbid"][number], index: number): ForbidRule[] {
    const path = ["forbid", index];
    const when = this.condition(file.when, [...path, "when"], file.id);
    return when === null ? [] : [{ id: file.id, because: file.because ?? null, when, line: this.yaml.lineOf(path) }];
  }

  rule(file: PolicyFile["rules"][number], index: number): AllowRule[] {
    const path = ["rules", index];
    const when = this.condition(file.when, [...path, "when"], file.id);
    if (when?.mentionsBackend) {
      this.problem(
        [...path, "when"],
        file.id,
        "the condition of a rule cannot mention `backend`: write a `forbid`, or use `require`",
      );
    }
    const obligations = this.obligations(file, path);
    if (when === null || when.mentionsBackend) return [];
    return [{ id: file.id, because: file.because ?? null, when, obligations, line: this.yaml.lineOf(path) }];
  }

  private condition(source: string, path: readonly PropertyKey[], rule: string): Condition | null {
    try {
      return this.compiler.compile(source);
    } catch (error) {
      this.problem(path, rule, isTrisealError(error) ? error.message : "not a condition");
      return null;
    }
  }

  private obligations(file: PolicyFile["rules"][number], path: readonly PropertyKey[]): Obligations {
    const { all, evidence, tcb, maxEvidenceAge } = file.require;
    const within = (names: readonly string[], place: readonly PropertyKey[], what: string) => {
      if (new Set(names).size !== names.length) this.problem([...path, ...place], file.id, `${what} names a path twice`);
      const outside = names.find((name) => !all.includes(name));
      if (outside !== undefined)
        this.problem([...path, ...place], file.id, `${what} names \`${outside}\`, which \`all\` does not`);
    };
    within(all, ["require", "all"], "`all`");
    const attested = evidence?.from ?? all;
    within(attested, ["require", "evidence", "from"], "`evidence.from`");
    const { deadline, ...modes } = file.mode ?? { deadline: "1s" };
    const later = Object.keys(modes).sort();
    within(later, ["mode"], "`mode`");
    if (file.mode !== undefined && later.length === 0)
      this.problem([...path, "mode"], file.id, "`mode` has a deadline and no path");
    const sample = Object.entries(file.sample ?? {}).sort(([left], [right]) => (left < right ? -1 : 1));
    const drawn = sample.find(([name]) => all.includes(name));
    if (drawn !== undefined) this.problem([...path, "sample"], file.id, `\`sample\` names \`${drawn[0]}\`, which always answers`);
    return {
      all,
      attested,
      tcb: tcb === undefined ? null : typeof tcb === "string" ? [tcb] : tcb,
      maxEvidenceAgeSeconds: maxEvidenceAge === undefined ? null : durationSeconds(maxEvidenceAge),
      accept: evidence?.accept ?? null,
      async: later.map((name) => ({ path: name, deadlineSeconds: durationSeconds(deadline) })),
      sample: sample.map(([name, rate]) => ({ path: name, rate })),
    };
  }
}

function checkWhole(reader: PolicyReader, file: PolicyFile, conditions: readonly ForbidRule[]): void {
  const ids = new Set<string>();
  for (const [list, entries] of [
    ["forbid", file.forbid],
    ["rules", file.rules],
  ] as const) {
    for (const [index, { id }] of entries.entries()) {
      if (ids.has(id)) reader.problem([list, index, "id"], id, `the id \`${id}\` is given twice`);
      ids.add(id);
    }
  }
  const cost = conditions.reduce((sum, entry) => sum + entry.when.cost, 0);
  if (cost > MAX_POLICY_COST)
    reader.problem([], null, `all conditions together could take ${cost} steps, more than ${MAX_POLICY_COST}`);
}

/** A policy and all problems of its text; `policy` is null where there is any. Never throws. */
export interface PolicyReading {
  readonly policy: Policy | null;
  readonly problems: readonly PolicyProblem[];
}

/** Reads a policy text and collects every problem that it has. Does not check a signature. */
export function readPolicy(text: Uint8Array, attributes: readonly Attribute[] = ATTRIBUTES): PolicyReading {
  let yaml: YamlText;
  try {
    yaml = readYaml(text, MAX_POLICY_BYTES);
  } catch (error) {
    if (!isTrisealError(error)) return { policy: null, problems: [{ line: 1, rule: null, message: "not strict YAML" }] };
    return { policy: null, problems: [{ line: Number(error.details["line"] ?? 1), rule: null, message: error.message }] };
  }
  const parsed = policySchema.safeParse(yaml.value, { error: en().localeError });
  if (!parsed.success) {
    const problems = parsed.error.issues.slice(0, 50).map((issue) => ({
      line: yaml.lineOf(issue.path),
      rule: null,
      message: `${issue.path.map(String).join(".").slice(0, 100) || "document"}: ${issue.message.slice(0, 200)}`,
    }));
    return { policy: null, problems };
  }
  const file = parsed.data;
  const reader = new PolicyReader(yaml, attributes);
  const forbid = file.forbid.flatMap((entry, index) => reader.forbid(entry, index));
  const rules = file.rules.flatMap((entry, index) => reader.rule(entry, index));
  checkWhole(reader, file, [...forbid, ...rules]);
  if (reader.problems.length > 0) return { policy: null, problems: reader.problems };
  const name = file.metadata?.name ?? null;
  return { policy: { digest: digestOf(text), name, forbid, rules, attributes }, problems: [] };
}

/**
 * The policy that `text` spells: strict YAML of at most 256 kB, the schema's form, conditions that are typed, bounded and
 * name known attributes only. Does not check a signature, nor whether the policy is in force.
 * @param attributes the table of attributes; a longer one where paths state more about their backends.
 * @throws TrisealError `POLICY_INVALID` with line, rule and reason of the first problem.
 */
export function parsePolicy(text: Uint8Array, attributes: readonly Attribute[] = ATTRIBUTES): Policy {
  const { policy, problems } = readPolicy(text, attributes);
  if (policy !== null) return policy;
  const first = problems[0] ?? { line: 1, rule: null, message: "unreadable" };
  const place = first.rule === null ? `line ${first.line}` : `line ${first.line}, \`${first.rule}\``;
  throw new TrisealError("POLICY_INVALID", `${place}: ${first.message.replace(/\s+/g, " ")}`, { details: { line: first.line } });
}
