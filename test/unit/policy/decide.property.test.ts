import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ATTRIBUTES,
  type Candidate,
  decide,
  encodeDecision,
  type Fact,
  type Policy,
  parseDecision,
  parsePolicy,
  replayDecision,
} from "../../../src/policy/index.ts";
import { GATEWAY_FACTS, input, policyText } from "./policy-fixture.ts";

const words = ["secret", "personal", "public", "gold", "EU", "US", "sev-snp", "simulated", "up-to-date", "caller", "gateway"];
const soundFact = (prefix: "request" | "backend"): fc.Arbitrary<Fact> =>
  fc
    .constantFrom(
      ...ATTRIBUTES.filter(({ name }) => name.startsWith("backend.") === (prefix === "backend") && !/\.(?:id|path)$/.test(name)),
    )
    .chain(({ name, origin, type, values }) => {
      const value: fc.Arbitrary<Fact["value"]> =
        type === "double"
          ? fc.constantFrom(0, 1, 299, 10_000, 1e9)
          : type === "bool"
            ? fc.boolean()
            : type === "string"
              ? fc.constantFrom(...(values ?? words))
              : fc.subarray(["tee", "zk"]);
      return value.map((chosen) => ({ name, origin, value: chosen }));
    });
const distinctFacts = (prefix: "request" | "backend") =>
  fc.uniqueArray(soundFact(prefix), { maxLength: 8, selector: ({ name }) => name });
const candidates = fc.uniqueArray(
  fc.record({ id: fc.constantFrom("a", "b", "c", "d"), path: fc.constantFrom("tee", "zk"), facts: distinctFacts("backend") }),
  {
    maxLength: 4,
    selector: ({ id }) => id,
  },
);
/** Facts of every shape, sound or not, down to values that no type allows. */
const anyFact = fc.oneof(
  soundFact("request"),
  soundFact("backend"),
  fc.record({
    name: fc.oneof(fc.string(), fc.constantFrom("__proto__", "request.__proto__", "request.kind")),
    origin: fc.constantFrom("caller", "gateway"),
    value: fc.anything(),
  }),
) as fc.Arbitrary<Fact>;
const anyCandidates = fc.array(
  fc.record({ id: fc.string(), path: fc.oneof(fc.constant("tee"), fc.string()), facts: fc.array(anyFact, { maxLength: 4 }) }),
) as fc.Arbitrary<Candidate[]>;

const CONDITIONS = [
  "true",
  "false",
  'request.classification == "secret"',
  'has(request.classification) && request.classification == "personal"',
  "request.value_usd >= 10000.0",
  'has(request.kind) || request.kind == "x"',
  'model.paths.exists(p, p == "zk")',
  'tenant.tier in ["gold"]',
  'request.sealed != "caller"',
  "request.bytes / 0.0 > 1.0",
];
const BACKEND_CONDITIONS = [
  'backend.jurisdiction != "EU"',
  'has(backend.tcb) && backend.tcb != "up-to-date"',
  "backend.simulated",
  'backend.path == "zk"',
  "backend.evidence_age_seconds > 60.0",
];
const forbids = fc.array(fc.constantFrom(...CONDITIONS, ...BACKEND_CONDITIONS), { maxLength: 4 });
const rules = fc.array(
  fc.record({
    when: fc.constantFrom(...CONDITIONS),
    require: fc.constantFrom(
      "{ all: [tee] }",
      "{ all: [tee, zk], evidence: { from: [tee] } }",
      "{ all: [tee], tcb: up-to-date, maxEvidenceAge: 5m, evidence: { accept: [sev-snp, simulated] } }",
    ),
  }),
  { maxLength: 4 },
);
type Parts = {
  readonly forbid: readonly string[];
  readonly rules: readonly { readonly when: string; readonly require: string }[];
};
const textOf = (parts: Parts) =>
  policyText({
    forbid: parts.forbid.map((when, index) => `  - { id: f${index}, when: ${JSON.stringify(when)} }\n`).join("") || "  []\n",
    rules:
      parts.rules
        .map(({ when, require }, index) => `  - { id: r${index}, when: ${JSON.stringify(when)}, require: ${require} }\n`)
        .join("") || "  []\n",
  });
const build = (parts: Parts): Policy => parsePolicy(textOf(parts));
const parts = fc.record({ forbid: forbids, rules });
const request = (facts: readonly Fact[], given: readonly Candidate[]) => {
  const named = new Set(facts.map(({ name }) => name));
  const base = input([], given);
  return { ...base, facts: [...GATEWAY_FACTS.filter(({ name }) => !named.has(name)), ...facts] };
};
const options = { numRuns: 150 };

describe("decide, for all policies and facts,", () => {
  it("is total: any facts and candidates give a document that is read back", () => {
    fc.assert(
      fc.property(parts, fc.array(anyFact, { maxLength: 80 }), anyCandidates, (made, facts, given) => {
        const decision = decide(build(made), { ...input([], given), facts });
        expect(parseDecision(encodeDecision(decision))).toEqual(decision);
      }),
      options,
    );
  });

  it("is deterministic, and does not depend on the order of facts", () => {
    fc.assert(
      fc.property(parts, distinctFacts("request"), candidates, fc.infiniteStream(fc.nat()), (made, facts, given, order) => {
        const policy = build(made);
        const shuffle = (list: readonly Fact[]) =>
          list
            .map((fact) => ({ fact, key: order.next().value ?? 0 }))
            .sort((left, right) => left.key - right.key)
            .map(({ fact }) => fact);
        const first = request(facts, given);
        const second = {
          ...first,
          facts: shuffle(first.facts),
          candidates: given.map((candidate) => ({ ...candidate, facts: shuffle(candidate.facts) })),
        };
        expect(decide(policy, second)).toEqual(decide(policy, first));
      }),
      options,
    );
  });

  it("never allows more when a guardrail is added, at any place", () => {
    fc.assert(
      fc.property(
        parts,
        fc.constantFrom(...CONDITIONS, ...BACKEND_CONDITIONS),
        fc.nat(4),
        distinctFacts("request"),
        candidates,
        (made, when, at, facts, given) => {
          const before = decide(build(made), request(facts, given));
          const after = decide(build({ ...made, forbid: made.forbid.toSpliced(at, 0, when) }), request(facts, given));
          if (before.effect === "deny") expect(after.effect).toBe("deny");
          const left = (decision: typeof before) =>
            decision.candidates.filter(({ removedBy }) => removedBy === null).map(({ id }) => id);
          if (after.effect === "allow") for (const id of left(after)) expect(left(before)).toContain(id);
        },
      ),
      options,
    );
  });

  it("denies when a fact that a rule or guardrail reads without has() is taken away", () => {
    fc.assert(
      fc.property(distinctFacts("request"), candidates, (facts, given) => {
        const without = facts.filter(({ name }) => name !== "request.value_usd");
        const reading = "request.value_usd >= 10000.0";
        const lax = { when: "true", require: "{ all: [tee] }" };
        expect(decide(build({ forbid: [reading], rules: [lax] }), request(without, given)).effect).toBe("deny");
        expect(decide(build({ forbid: [], rules: [{ ...lax, when: reading }, lax] }), request(without, given)).effect).toBe(
          "deny",
        );
      }),
      options,
    );
  });

  it("is replayed by the auditor", () => {
    fc.assert(
      fc.property(parts, distinctFacts("request"), candidates, (made, facts, given) => {
        const text = textOf(made);
        expect(replayDecision(text, encodeDecision(decide(parsePolicy(text), request(facts, given))))).toEqual({ ok: true });
      }),
      options,
    );
  });
});
