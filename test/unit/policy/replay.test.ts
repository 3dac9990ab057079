import { describe, expect, it } from "vitest";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonValue, parseJson } from "../../../src/core/json.ts";
import { callerFacts, factsDigest } from "../../../src/core/oip.ts";
import {
  callerFactsOf,
  candidateOf,
  decide,
  encodeDecision,
  factsFromCaller,
  replayDecision,
} from "../../../src/policy/index.ts";
import { caller, encode, fullPolicy, fullPolicyText, input, prover, worker } from "./policy-fixture.ts";

const policy = fullPolicy();
const facts = [caller("value_usd", 20_000), caller("classification", "personal")];
const allowed = decide(policy, input(facts, [worker("us", { jurisdiction: "US" }), worker("a"), worker("b"), prover("p")]));
const refused = decide(policy, input([caller("classification", "secret")], [worker("a")]));
const unusable = decide(policy, input([caller("kind", "")], [{ ...worker("a"), facts: [] }]));
const replay = (document: JsonValue) => replayDecision(fullPolicyText, encodeJcs(document));

/** Every document that differs from `value` in one place: a leaf changed, a member or item taken away, doubled or added. */
function* tampered(value: JsonValue, place = ""): Generator<readonly [place: string, document: JsonValue]> {
  if (Array.isArray(value)) {
    const items: readonly JsonValue[] = value;
    for (const [index, item] of items.entries()) {
      for (const [at, changed] of tampered(item, `${place}[${index}]`)) yield [at, items.with(index, changed)];
      yield [`${place}[${index}] removed`, items.toSpliced(index, 1)];
      yield [`${place}[${index}] doubled`, items.toSpliced(index, 0, item)];
    }
    if (items.length > 1) yield [`${place} reversed`, items.toReversed()];
    yield [`${place} longer`, [...items, "x"]];
    return;
  }
  if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      for (const [at, changed] of tampered(member, `${place}.${name}`)) yield [at, { ...value, [name]: changed }];
      const { [name]: _gone, ...rest } = value;
      yield [`${place}.${name} removed`, rest];
    }
    yield [`${place} with another member`, { ...value, x: 1 }];
    return;
  }
  if (typeof value === "string") yield [place, value === "" ? "x" : `${value.slice(0, -1)}${value.endsWith("1") ? "2" : "1"}`];
  if (typeof value === "number") yield [place, value + 1];
  if (typeof value === "boolean") yield [place, !value];
  yield [`${place} nulled or filled`, value === null ? "x" : null];
}

/**
 * Changes that can leave a decision which follows from the policy: nonce and time, which are not the policy's; values of
 * facts that no condition tells apart; facts and backends that nothing rested on. What covers all of these is the digest
 * of the document, in receipt and leg.
 */
const FREE =
  /^\.(?:nonce|at|candidates reversed|candidates\[\d+\](?: removed|\.id|\.path)|(?:candidates\[\d+\])?\.?facts\[\d+\](?: removed|\.value(?:\[\d+\])?(?: removed| reversed| longer| doubled)?))$/;

describe("replayDecision", () => {
  it("accepts what decide made: an answer, a refusal, and facts that could not be used", () => {
    for (const decision of [allowed, refused, unusable]) {
      expect(replayDecision(fullPolicyText, encodeDecision(decision))).toEqual({ ok: true });
    }
  });

  it("accepts any eligible backend, because the ranking by load is the gateway's", () => {
    const chosen = [
      { path: "tee", backendId: "b" },
      { path: "zk", backendId: "p" },
    ];
    expect(replay({ ...allowed, chosen })).toEqual({ ok: true });
  });

  it.each([
    [
      "a backend that was removed",
      [
        { path: "tee", backendId: "us" },
        { path: "zk", backendId: "p" },
      ],
    ],
    [
      "a backend that is none",
      [
        { path: "tee", backendId: "z" },
        { path: "zk", backendId: "p" },
      ],
    ],
    [
      "a backend of another path",
      [
        { path: "tee", backendId: "p" },
        { path: "zk", backendId: "p" },
      ],
    ],
    ["one path less", [{ path: "tee", backendId: "a" }]],
    [
      "another order",
      [
        { path: "zk", backendId: "p" },
        { path: "tee", backendId: "a" },
      ],
    ],
  ])("refuses %s as the choice", (_what, chosen) => {
    expect(replay({ ...allowed, chosen })).toEqual({ ok: false, reason: expect.stringMatching(/chosen|path/) });
  });

  it.each([
    ["an answer", allowed],
    ["a refusal", refused],
    ["unusable facts", unusable],
  ])("refuses %s that is changed in any place the policy decides", (_what, decision) => {
    const accepted: string[] = [];
    let count = 0;
    for (const [place, document] of tampered(decision)) {
      count++;
      if (replay(document).ok && !FREE.test(place)) accepted.push(place);
    }
    expect(count).toBeGreaterThan(100);
    expect(accepted).toEqual([]);
  });

  it("refuses a fact that decided with another value, one of another origin, and one that no table has", () => {
    const lower = allowed.facts.map((fact) => (fact.name === "request.value_usd" ? { ...fact, value: 1 } : fact));
    expect(replay({ ...allowed, facts: lower })).toMatchObject({ ok: false });
    const claimed = allowed.facts.map((fact) => (fact.name === "tenant.tier" ? { ...fact, origin: "caller" } : fact));
    expect(replay({ ...allowed, facts: claimed })).toMatchObject({ ok: false, reason: expect.stringContaining("origin") });
    const known = [...allowed.facts, { name: "tenant.zone", origin: "gateway", value: "x" }];
    expect(replay({ ...allowed, facts: known })).toMatchObject({ ok: false });
  });

  it("refuses another policy, one that cannot be read, and bytes that are no decision", () => {
    const other = encode(`${new TextDecoder().decode(fullPolicyText)}# laxer\n`);
    expect(replayDecision(other, encodeDecision(allowed))).toEqual({
      ok: false,
      reason: expect.stringContaining("another policy"),
    });
    expect(replayDecision(encode("rules: []"), encodeDecision(allowed))).toEqual({
      ok: false,
      reason: expect.stringContaining("policy cannot be read"),
    });
    expect(replayDecision(fullPolicyText, encode("{}"))).toEqual({
      ok: false,
      reason: expect.stringContaining("decision cannot be read"),
    });
    for (let cut = 0; cut < 200; cut++) {
      expect(replayDecision(fullPolicyText, encodeDecision(allowed).subarray(0, cut)).ok).toBe(false);
    }
  });

  it("refuses a refusal that is made into an answer, and an answer into a refusal", () => {
    expect(replay({ ...refused, effect: "allow", code: null }).ok).toBe(false);
    expect(replay({ ...allowed, effect: "deny", code: "POLICY_DENIED", chosen: [] }).ok).toBe(false);
    expect(replay(parseJson(encodeDecision(allowed))).ok).toBe(true);
  });
});

describe("facts of the caller", () => {
  it("come back as the caller stated them, with the same digest", () => {
    for (const parameters of [
      {},
      { classification: "personal" },
      { value_usd: 0.1, kind: "k", assurance: "tee", seal: "caller", classification: "c" },
    ]) {
      const stated = callerFacts(parameters);
      const decision = decide(policy, input(factsFromCaller(stated), []));
      expect(callerFactsOf(decision)).toEqual(stated);
      expect(factsDigest(callerFactsOf(decision))).toBe(factsDigest(stated));
    }
  });

  it.each([
    ["an unknown name", { name: "request.nope", origin: "caller" as const, value: "x" }],
    ["another root", { name: "tenant.id", origin: "caller" as const, value: "x" }],
    ["a negative value", { name: "request.value_usd", origin: "caller" as const, value: -1 }],
    ["another type", { name: "request.kind", origin: "caller" as const, value: true }],
  ])("are refused with %s", (_what, fact) => {
    expect(() => callerFactsOf({ facts: [fact] })).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });

  it("do not mix with those of a backend", () => {
    const candidate = candidateOf({ id: "a", path: "tee", facts: [{ name: "tcb", origin: "evidence", value: "up-to-date" }] });
    expect(candidate.facts).toEqual([{ name: "backend.tcb", origin: "evidence", value: "up-to-date" }]);
  });
});
