import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  decide,
  decisionDigest,
  encodeDecision,
  explainDecision,
  parseDecision,
  parsePolicy,
} from "../../../src/policy/index.ts";
import { caller, encode, fullPolicy, gateway, input, policyText, policyWhen, prover, worker } from "./policy-fixture.ts";

const policy = fullPolicy();
const removed = (decision: ReturnType<typeof decide>) => decision.candidates.map(({ id, removedBy }) => [id, removedBy]);

describe("decide", () => {
  it("allows under the first rule that matches, and chooses the first eligible backend of each path", () => {
    const facts = [caller("value_usd", 20_000)];
    const decision = decide(
      policy,
      input(facts, [worker("old", { evidence_age_seconds: 301 }), worker("a"), prover("p"), worker("b")]),
    );
    expect(decision).toMatchObject({ effect: "allow", code: null, ruleIds: ["high-value"], policyDigest: policy.digest });
    expect(decision.chosen).toEqual([
      { path: "tee", backendId: "a" },
      { path: "zk", backendId: "p" },
    ]);
    expect(removed(decision)).toEqual([
      ["old", "obligation:maxEvidenceAge"],
      ["a", null],
      ["p", null],
      ["b", null],
    ]);
    expect(decide(policy, input([caller("value_usd", 9999)], [worker("a")])).ruleIds).toEqual(["by-tier"]);
  });

  it("denies where a guardrail holds, whatever the backends are", () => {
    const decision = decide(policy, input([caller("classification", "secret")], [worker("a")]));
    expect(decision).toMatchObject({
      effect: "deny",
      code: "POLICY_DENIED",
      ruleIds: ["no-secret"],
      chosen: [],
      obligations: null,
    });
    expect(decision.reason).toContain("secret data stays out");
  });

  it("removes the backends for which a guardrail holds, and denies where none is left", () => {
    const facts = [caller("classification", "personal")];
    const some = decide(policy, input(facts, [worker("us", { jurisdiction: "US" }), worker("eu")]));
    expect(some.chosen).toEqual([{ path: "tee", backendId: "eu" }]);
    expect(removed(some)[0]).toEqual(["us", "forbid:eu-only"]);
    const none = decide(
      policy,
      input(facts, [worker("us", { jurisdiction: "US" }), worker("nowhere", { jurisdiction: undefined })]),
    );
    expect(none).toMatchObject({ effect: "deny", code: "POLICY_DENIED", ruleIds: ["eu-only"] });
  });

  it("denies where a guardrail has no result: the request, or the backend", () => {
    const request = parsePolicy(policyText({ forbid: "  - { id: g, when: 'request.kind == \"x\"' }\n" }));
    expect(decide(request, input([], [worker("a")]))).toMatchObject({
      effect: "deny",
      ruleIds: ["g"],
      reason: expect.stringContaining("absent: `request.kind`"),
    });
    expect(decide(request, input([caller("kind", "y")], [worker("a")])).effect).toBe("allow");
    const backend = parsePolicy(policyText({ forbid: "  - { id: g, when: 'backend.jurisdiction == \"US\"' }\n" }));
    const decision = decide(backend, input([], [worker("a", { jurisdiction: undefined }), worker("b")]));
    expect(removed(decision)).toEqual([
      ["a", "error:g"],
      ["b", null],
    ]);
    expect(decide(backend, input([], [worker("a", { jurisdiction: undefined })]))).toMatchObject({
      effect: "deny",
      code: "POLICY_DENIED",
      ruleIds: ["g"],
    });
  });

  it("denies at once where the condition of a rule has no result, and does not go on to a laxer rule", () => {
    const rules = `  - { id: strict, when: 'request.kind == "x"', require: { all: [tee, zk] } }\n  - { id: lax, when: "true", require: { all: [tee] } }\n`;
    expect(decide(parsePolicy(policyText({ rules })), input([], [worker("a")]))).toMatchObject({
      effect: "deny",
      code: "POLICY_DENIED",
      ruleIds: ["strict"],
    });
  });

  it("denies where no rule matches", () => {
    expect(decide(parsePolicy(policyWhen("false")), input([], [worker("a")]))).toMatchObject({
      effect: "deny",
      code: "POLICY_DENIED",
      ruleIds: [],
      reason: "no rule allows it",
    });
    expect(decide(parsePolicy(policyText({ rules: "  []\n" })), input([], [worker("a")])).effect).toBe("deny");
  });

  it("tells why a required path has no backend", () => {
    const facts = [caller("value_usd", 20_000)];
    expect(decide(policy, input(facts, [worker("a")]))).toMatchObject({ code: "PATH_UNAVAILABLE", ruleIds: ["high-value"] });
    expect(decide(policy, input(facts, [prover("p"), worker("a", { tcb: "out-of-date" })]))).toMatchObject({
      code: "UPSTREAM_NOT_VERIFIED",
    });
    const forbidden = decide(
      policy,
      input([...facts, caller("classification", "personal")], [prover("p"), worker("a", { jurisdiction: "US" })]),
    );
    expect(forbidden).toMatchObject({ code: "POLICY_DENIED", ruleIds: ["high-value", "eu-only"] });
    expect(decide(policy, input([], []))).toMatchObject({ code: "PATH_UNAVAILABLE", candidates: [] });
  });

  it.each([
    ["no evidence", worker("a", { evidence_type: undefined }), "obligation:evidence"],
    ["another evidence type", worker("a", { evidence_type: "tdx" }), "obligation:evidence"],
    ["simulated evidence", worker("a", { evidence_type: "simulated", simulated: true }), "obligation:evidence"],
    ["a hardware type that says it is simulated", worker("a", { simulated: true }), "obligation:evidence"],
    ["an old TCB", worker("a", { tcb: "out-of-date" }), "obligation:tcb"],
    ["no TCB", worker("a", { tcb: undefined }), "obligation:tcb"],
    ["no age", worker("a", { evidence_age_seconds: undefined }), "obligation:maxEvidenceAge"],
    ["an age below zero", worker("a", { evidence_age_seconds: -1 }), "obligation:maxEvidenceAge"],
    [
      "a fact of another origin",
      {
        ...worker("a", { tcb: undefined }),
        facts: [...worker("a", { tcb: undefined }).facts, { name: "backend.tcb", origin: "claim" as const, value: "up-to-date" }],
      },
      "facts:unusable",
    ],
    ["a fact given twice", { ...worker("a"), facts: [...worker("a").facts, ...worker("a").facts] }, "facts:unusable"],
    [
      "a fact that stands for its own id",
      { ...worker("a"), facts: [{ name: "backend.id", origin: "gateway" as const, value: "b" }] },
      "facts:unusable",
    ],
  ])("passes over a backend with %s", (_what, candidate, reason) => {
    const decision = decide(policy, input([caller("value_usd", 20_000)], [candidate, prover("p")]));
    expect(decision).toMatchObject({ effect: "deny", code: "UPSTREAM_NOT_VERIFIED" });
    expect(decision.candidates[0]?.removedBy).toBe(reason);
  });

  it.each(["simulated", "tpm2-simulated"])("refuses %s evidence under every rule that does not name it", (type) => {
    const candidate = worker("a", { evidence_type: type, simulated: true });
    const accepting = (evidence: string) =>
      parsePolicy(policyText({ rules: `  - { id: r, when: "true", require: { all: [tee], evidence: ${evidence} } }\n` }));
    expect(decide(accepting("{}"), input([], [candidate])).code).toBe("UPSTREAM_NOT_VERIFIED");
    expect(decide(accepting("{ from: [] }"), input([], [candidate])).code).toBe("UPSTREAM_NOT_VERIFIED");
    expect(decide(accepting("{ accept: [sev-snp] }"), input([], [candidate])).code).toBe("UPSTREAM_NOT_VERIFIED");
    expect(decide(accepting(`{ accept: [${type}] }`), input([], [candidate])).effect).toBe("allow");
  });

  it.each([
    ["an unknown name", { name: "request.nope", origin: "caller" as const, value: "x" }, "?"],
    ["an inherited name", { name: "request.constructor", origin: "caller" as const, value: "x" }, "?"],
    [
      "the caller's word for what the gateway observes",
      { name: "tenant.jurisdiction", origin: "caller" as const, value: "EU" },
      "tenant.jurisdiction",
    ],
    ["another type", caller("value_usd", "much"), "request.value_usd"],
    ["a number that is not finite", caller("value_usd", Number.NaN), "request.value_usd"],
    ["a lone surrogate", caller("kind", "\ud800"), "request.kind"],
    ["an empty text", caller("kind", ""), "request.kind"],
    ["a value outside the closed set", gateway("request.sealed", "nobody"), "request.sealed"],
    ["a fact about a backend", { name: "backend.tcb", origin: "evidence" as const, value: "up-to-date" }, "backend.tcb"],
    ["a fact given twice", gateway("tenant.tier", "gold"), "tenant.tier"],
  ])("denies where a fact cannot be used: %s", (_what, fact, name) => {
    const decision = decide(policy, input([fact], [worker("a")]));
    expect(decision).toMatchObject({ effect: "deny", code: "POLICY_DENIED", rejectedFacts: [name], chosen: [] });
    expect(parseDecision(encodeDecision(decision))).toEqual(decision);
  });

  it("leaves out candidates that cannot be named, and takes the first of one id", () => {
    const decision = decide(
      policy,
      input([], [{ ...worker("a"), path: "TEE" }, worker(""), worker("a"), worker("a", { tcb: "out-of-date" }), worker("b\n")]),
    );
    expect(decision.candidates.map(({ id }) => id)).toEqual(["a"]);
    const many = Array.from({ length: 300 }, (_, index) => worker(`w${index}`));
    expect(decide(policy, input([], many)).candidates).toHaveLength(256);
  });
});

describe("a decision document", () => {
  const decision = decide(policy, input([caller("value_usd", 20_000)], [worker("a"), prover("p")]));
  const bytes = encodeDecision(decision);

  it("is read back as it was, and its digest is that of its bytes", () => {
    expect(parseDecision(bytes)).toEqual(decision);
    expect(decisionDigest(decision)).toBe(digestOf(bytes));
  });

  it.each([
    ["white space", encode(` ${new TextDecoder().decode(bytes)}`)],
    ["a further member", encode(new TextDecoder().decode(bytes).replace('{"at"', '{"aa":1,"at"'))],
    ["a member less", encode(new TextDecoder().decode(bytes).replace('"v":1', '"w":1'))],
    ["another effect", encode(new TextDecoder().decode(bytes).replace('"allow"', '"permit"'))],
    ["a cut", bytes.subarray(0, bytes.length - 1)],
    ["a megabyte more", encode(new TextDecoder().decode(bytes) + " ".repeat(1024 * 1024))],
  ])("is refused with %s", (_what, document) => {
    expect(() => parseDecision(document)).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });
});

describe("explainDecision", () => {
  const explain = (...args: Parameters<typeof input>) => explainDecision(policy, decide(policy, input(...args))).join("\n");

  it("says who vouches for each fact, which guardrails and rules were evaluated, and why backends were passed over", () => {
    const text = explain(
      [caller("value_usd", 20_000), caller("classification", "personal")],
      [worker("us", { jurisdiction: "US" }), worker("a"), prover("p")],
    );
    expect(text).toMatch(/^allow at 2026-.*: rule `high-value` allows it$/m);
    expect(text).toContain("request.value_usd = 20000   stated by the caller");
    expect(text).toContain('backend.jurisdiction = "US"   claimed by the operator, not proven');
    expect(text).toContain('does not hold (request.classification = "personal")');
    expect(text).toContain("us (tee): passed over: guardrail eu-only forbids it");
    expect(text).toContain("a (tee): chosen");
    expect(text).toContain("evidence no older than 300 s");
    expect(text).toContain("answered by: tee\n  and confirmed later by: zk, within 900 s");
    expect(text).not.toContain("by-tier");
  });

  it("says why a request was denied", () => {
    expect(explain([caller("classification", "secret")], [worker("a")])).toContain("holds: the request is denied");
    expect(explain([caller("kind", "")], [worker("a")])).toContain("facts that could not be used, which denies");
    expect(explain([], [])).toContain("which has no live backend");
    const none = parsePolicy(policyWhen("request.kind == 'x'"));
    const lines = explainDecision(none, decide(none, { ...input([], []), at: unixSeconds(0) })).join("\n");
    expect(lines).toContain("cannot be evaluated, which denies (request.kind = absent)");
  });
});
