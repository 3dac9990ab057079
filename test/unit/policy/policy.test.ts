import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/core/digest.ts";
import { ATTRIBUTES, checkPolicy, decide, MAX_POLICY_BYTES, parsePolicy, readPolicy } from "../../../src/policy/index.ts";
import { encode, fullPolicy, fullPolicyText, input, policyText, policyWhen, worker } from "./policy-fixture.ts";

const invalid = (message: RegExp) => expect.objectContaining({ code: "POLICY_INVALID", message: expect.stringMatching(message) });
const rule = (body: string) => policyText({ rules: `  - id: a\n    when: "true"\n${body}` });

describe("parsePolicy", () => {
  it("reads guardrails, rules and obligations, and names the policy by its exact bytes", () => {
    const policy = fullPolicy();
    expect(policy.digest).toBe(digestOf(fullPolicyText));
    expect(policy.forbid.map(({ id, because }) => [id, because])).toEqual([
      ["no-secret", "secret data stays out"],
      ["eu-only", null],
    ]);
    expect(policy.rules[0]?.obligations).toEqual({
      all: ["tee", "zk"],
      attested: ["tee"],
      tcb: ["up-to-date"],
      maxEvidenceAgeSeconds: 300,
      accept: ["sev-snp"],
      async: [{ path: "zk", deadlineSeconds: 900 }],
      sample: [],
    });
    expect(policy.rules[1]?.obligations).toMatchObject({ attested: ["tee"], accept: null, sample: [{ path: "zk", rate: 0.01 }] });
    expect(parsePolicy(encode(`${new TextDecoder().decode(fullPolicyText)}\n`)).digest).not.toBe(policy.digest);
  });

  it("names the line and the rule of the first problem in one line", () => {
    expect(() => parsePolicy(policyWhen("request.nope == 1.0"))).toThrow(invalid(/^line 7, `only`: unknown attribute/));
  });

  it.each([
    ["another version", encode("apiVersion: triseal.dev/v2\ndefaults: { effect: deny }\nrules: []\n"), /apiVersion/],
    ["an allowing default", encode("apiVersion: triseal.dev/v1\ndefaults: { effect: allow }\nrules: []\n"), /defaults\.effect/],
    ["no default", encode("apiVersion: triseal.dev/v1\nrules: []\n"), /defaults/],
    ["no rules", encode("apiVersion: triseal.dev/v1\ndefaults: { effect: deny }\n"), /rules/],
    ["an unknown key", encode("apiVersion: triseal.dev/v1\ndefaults: { effect: deny }\nrules: []\nallow: []\n"), /allow/],
    ["an unknown key in a rule", rule("    require: { all: [tee] }\n    effect: allow\n"), /effect/],
    ["an unknown key in require", rule("    require: { all: [tee], any: [zk] }\n"), /any/],
    ["no required path", rule("    require: { all: [] }\n"), /require\.all/],
    ["a path twice", rule("    require: { all: [tee, tee] }\n"), /twice/],
    ["a path id in capitals", rule("    require: { all: [TEE] }\n"), /path id/],
    ["evidence from a path that need not answer", rule("    require: { all: [tee], evidence: { from: [zk] } }\n"), /`zk`/],
    ["a revoked TCB", rule("    require: { all: [tee], tcb: revoked }\n"), /tcb/],
    ["a duration without unit", rule('    require: { all: [tee], maxEvidenceAge: "300" }\n'), /duration/],
    ["a deadline without path", rule("    require: { all: [tee] }\n    mode: { deadline: 5m }\n"), /no path/],
    ["an async path that need not answer", rule("    require: { all: [tee] }\n    mode: { zk: async, deadline: 5m }\n"), /`zk`/],
    ["an async path without deadline", rule("    require: { all: [tee] }\n    mode: { tee: async }\n"), /deadline/],
    ["a sample of a path that always answers", rule("    require: { all: [tee] }\n    sample: { tee: 0.5 }\n"), /always answers/],
    ["a sample above one", rule("    require: { all: [tee] }\n    sample: { zk: 1.5 }\n"), /sample/],
    ["a sample that is no number", rule("    require: { all: [tee] }\n    sample: { zk: .nan }\n"), /sample/],
    ["an id in capitals", policyText({ forbid: '  - { id: No, when: "false" }\n' }), /lower-case words/],
    ["an id twice", policyText({ forbid: '  - { id: any, when: "false" }\n' }), /given twice/],
    ["a condition that is no text", policyText({ forbid: "  - { id: b, when: true }\n" }), /forbid\.0\.when/],
    ["a reason of two lines", policyText({ forbid: '  - { id: b, when: "true", because: "a\\nb" }\n' }), /one line/],
    ["a rule that mentions a backend", policyWhen("backend.path == 'tee'"), /cannot mention `backend`/],
  ])("refuses %s", (_what, text, message) => {
    expect(() => parsePolicy(text)).toThrow(invalid(message));
  });

  it.each([
    ["a duplicate key", "a: 1\na: 2", /given twice/],
    ["a duplicate key in flow form", "{ a: 1, a: 2 }", /given twice/],
    ["an alias", "a: &x [1]\nb: *x", /anchors/],
    [
      "anchors that would unfold a million times",
      `a0: &a0 [x,x]\n${Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i},*a${i}]`).join("\n")}`,
      /anchors/,
    ],
    ["a custom tag", "a: !js 1", /tag/],
    ["a standard tag", "a: !!binary AAAA", /tags/],
    ["a tag on a key", "? !!str a\n: 1", /tags/],
    ["the key __proto__", "__proto__: { effect: allow }", /__proto__/],
    ["a merge key", "<<: { a: 1 }", /<</],
    ["two documents", "a: 1\n---\nb: 2", /more than one document/],
    ["a directive", "%YAML 1.1\n---\na: yes", /directives/],
    ["a key that is a list", "? [a]\n: 1", /YAML|keys/],
    ["nothing", "", /document/],
    ["a scalar", "deny", /document/],
    ["brackets without end", `a: ${"[".repeat(200_000)}`, /YAML/],
    ["lists in lists", `a: ${"[".repeat(40)}${"]".repeat(40)}`, /nesting/],
    ["dashes without end", "- ".repeat(100_000), /YAML|nesting/],
    ["maps without end", "a: {".repeat(50_000), /YAML/],
    ["twenty thousand keys", Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join("\n"), /values/],
    ["a text that is too long", `# ${"x".repeat(MAX_POLICY_BYTES)}`, /larger than/],
  ])("refuses YAML with %s", (_what, text, message) => {
    expect(() => parsePolicy(encode(text))).toThrow(invalid(message));
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => parsePolicy(Uint8Array.of(0x61, 0xff))).toThrow(invalid(/UTF-8/));
  });

  it("refuses too many rules, and conditions that are too expensive together", () => {
    const many = Array.from({ length: 65 }, (_, i) => `  - { id: r${i}, when: "false", require: { all: [tee] } }\n`).join("");
    expect(() => parsePolicy(policyText({ rules: many }))).toThrow(invalid(/rules/));
    const when = "model.paths.exists(p, [1.0,2.0,3.0,4.0].exists(v, v == 3.0 && p == tenant.id))";
    const costly = Array.from(
      { length: 60 },
      (_, i) => `  - { id: r${i}, when: ${JSON.stringify(when)}, require: { all: [tee] } }\n`,
    ).join("");
    expect(() => parsePolicy(policyText({ rules: costly }))).toThrow(invalid(/together/));
  });

  it("takes a longer table of attributes, and only with it the further attribute", () => {
    const text = policyText({ forbid: "  - { id: gpu, when: '!(has(backend.gpu) && backend.gpu == \"h200\")' }\n" });
    expect(() => parsePolicy(text)).toThrow(invalid(/unknown attribute `backend\.gpu`/));
    const further = { name: "backend.gpu", origin: "evidence", type: "string", optional: true, meaning: "GPU" } as const;
    const policy = parsePolicy(text, [...ATTRIBUTES, further]);
    const gpu = { name: "backend.gpu", origin: "evidence", value: "h200" } as const;
    const candidate = worker("a");
    expect(decide(policy, input([], [{ ...candidate, facts: [...candidate.facts, gpu] }])).effect).toBe("allow");
    expect(decide(policy, input([], [candidate])).effect).toBe("deny");
  });
});

describe("checkPolicy", () => {
  const messages = (text: Uint8Array) =>
    checkPolicy(text).map(({ severity, line, rule: id, message }) => `${severity} ${line} ${id}: ${message}`);

  it("reports every error with its line", () => {
    const text = policyText({ forbid: '  - { id: a, when: "request.nope == 1.0" }\n  - { id: b, when: "tenant.id" }\n' });
    expect(messages(text)).toEqual([
      "error 4 a: unknown attribute `request.nope`",
      "error 5 b: a condition must be true or false, this one is of type string",
    ]);
    expect(readPolicy(text).policy).toBeNull();
  });

  it("warns of a fact that is read without has(), and says what happens without it", () => {
    const found = messages(
      policyText({ forbid: "  - { id: a, when: 'request.kind == \"x\"' }\n  - { id: b, when: 'backend.tcb == \"x\"' }\n" }),
    );
    expect(found).toContainEqual(
      "warning 4 a: `request.kind` is read without `has(request.kind)`: a request without it is denied",
    );
    expect(found).toContainEqual(
      "warning 5 b: `backend.tcb` is read without `has(backend.tcb)`: a backend without it is removed",
    );
  });

  it("warns of rules that are never reached, and of conditions that are always or never true", () => {
    const rules = ['"true"', '"1.0 > 2.0"']
      .map((when, i) => `  - { id: r${i}, when: ${when}, require: { all: [tee], evidence: { accept: [tdx] } } }\n`)
      .join("");
    const found = messages(policyText({ forbid: '  - { id: a, when: "true" }\n  - { id: b, when: "false" }\n', rules }));
    expect(found).toEqual([
      "warning 4 a: always holds: every request is denied",
      "warning 5 b: never holds",
      "warning 8 r1: never reached: `r0` on line 7 always matches",
      "warning 8 r1: never matches",
    ]);
  });

  it("warns of evidence that is not named, that is simulated, and of a policy without rules", () => {
    expect(messages(policyText({}))).toEqual([expect.stringMatching(/no `evidence\.accept`/)]);
    expect(messages(rule("    require: { all: [tee], evidence: { accept: [simulated] } }\n"))).toEqual([
      expect.stringMatching(/no hardware/),
    ]);
    expect(messages(rule("    require: { all: [tee], tcb: up-to-date, evidence: { from: [] } }\n"))).toEqual([
      expect.stringMatching(/no path/),
    ]);
    expect(messages(policyText({ rules: "  []\n" }))).toEqual([expect.stringMatching(/no rules/)]);
  });
});
