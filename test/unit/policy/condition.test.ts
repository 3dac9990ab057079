import { describe, expect, it } from "vitest";
import { ATTRIBUTES } from "../../../src/policy/attribute.ts";
import { ConditionCompiler, MAX_CONDITION_LENGTH } from "../../../src/policy/condition.ts";
import { MAX_CONDITION_COST } from "../../../src/policy/condition-cost.ts";
import { conditionContext } from "../../../src/policy/fact.ts";
import { unguardedReads } from "../../../src/policy/guard.ts";
import { caller, GATEWAY_FACTS } from "./policy-fixture.ts";

const compiler = new ConditionCompiler(ATTRIBUTES);
const evaluate = (source: string, ...facts: Parameters<typeof conditionContext>[0]) =>
  compiler.compile(source).evaluate(conditionContext([...GATEWAY_FACTS, ...facts], null));
const invalid = (message: RegExp) => expect.objectContaining({ code: "POLICY_INVALID", message: expect.stringMatching(message) });

describe("conditions", () => {
  it.each([
    ['model.paths.exists(p, p == "zk")', true],
    ['model.paths.all(p, p == "zk")', false],
    ['model.paths.exists_one(p, p.startsWith("z"))', true],
    ["size(model.paths) >= 2 && model.paths.size() < 3.0", true],
    ['"tee" in model.paths', true],
    ['tenant.id.contains("cm") && tenant.id.endsWith("me")', true],
    ['has(request.classification) && request.classification == "x"', false],
    ["request.bytes / 2.0 + 1.0 == 257.0", true],
    ["request.bytes > 500 ? true : false", true],
  ])("evaluate %s to %s", (source, result) => {
    expect(evaluate(source)).toBe(result);
  });

  it("have no result where a fact is absent, unless the other side of && or || decides", () => {
    expect(evaluate('request.classification == "a"')).toBeNull();
    expect(evaluate('request.classification == "a" || request.bytes > 0.0')).toBe(true);
    expect(evaluate('request.classification == "a" && request.bytes < 0.0')).toBe(false);
    expect(evaluate('request.classification == "a" || request.bytes < 0.0')).toBeNull();
    expect(evaluate('!(request.classification == "a")')).toBeNull();
  });

  it("compare a double with an integer literal in order, and refuse it in equality with advice", () => {
    expect(evaluate("request.value_usd >= 10000", caller("value_usd", 10_000))).toBe(true);
    expect(evaluate("request.value_usd >= 10000", caller("value_usd", 9999.5))).toBe(false);
    for (const source of ["request.value_usd == 10000", "request.value_usd in [10000]", "request.value_usd + 1 > 2.0"]) {
      expect(() => compiler.compile(source)).toThrow(invalid(/write `10000\.0`/));
    }
  });

  it.each([
    ["request.nope == 1.0", /unknown attribute `request\.nope`/],
    ["request.toString == 'x'", /unknown attribute/],
    ["request.__proto__ == 'x'", /unknown attribute|not a condition/],
    ["has(request.nope)", /unknown attribute/],
    ["clock > 1.0", /unknown name/],
    ["request", /alone is no value/],
    ["request['bytes'] > 1.0", /no indexes/],
    ["model.paths[0] == 'tee'", /no indexes/],
    ["{'a': 1.0} == {'a': 1.0}", /no maps/],
    ["tenant.id", /type string/],
    ["tenant.id == 1.0", /type error/],
    ["tenant.id.matches('(a+)+$')", /regular expression/],
    ["model.paths.map(p, p) == model.paths", /`map` is not part/],
    ["model.paths.filter(p, true) == model.paths", /`filter` is not part/],
    ["dyn(tenant.id) == 1.0", /`dyn` is not part/],
    ["timestamp('2026-01-01T00:00:00Z') == timestamp('2026-01-01T00:00:00Z')", /`timestamp` is not part/],
    ["google.protobuf.Timestamp == google.protobuf.Timestamp", /only attributes|unknown/],
    ["cel.bind(x, true, x)", /./],
    ["b'a' == b'a'", /can be written/],
    ["[[1.0]] == [[1.0]]", /holds texts/],
    ["[model.paths].exists(l, l.exists(p, true))", /holds texts/],
    ["[model.paths + model.paths].exists(l, true)", /holds texts/],
    ["tenant.id.exists(p, true)", /type error/],
    ["null == null", /can be written/],
    ["99999999999999999999 > 1", /2\^53/],
    ["1e400 > 1.0", /not a condition/],
    ["model.paths.exists(request, true)", /hides another name/],
    ["model.paths.exists(p, model.paths.exists(p, true))", /hides another name/],
    ["model.paths.exists(p, true) && p == 'x'", /unknown name/],
    ["true &&", /not a condition/],
  ])("refuse %s", (source, message) => {
    expect(() => compiler.compile(source)).toThrow(invalid(message));
  });

  it.each([
    ["parentheses", `${"(".repeat(900)}true${")".repeat(900)}`],
    ["negations", `${"!".repeat(1900)}true`],
    ["minus signs", `${"-".repeat(1900)}1.0 > 0.0`],
    ["brackets", `${"[".repeat(900)}${"]".repeat(900)} == []`],
    ["ternaries", `${"true ? ".repeat(200)}true${" : true".repeat(200)}`],
    ["members", `request${".a".repeat(900)} == 1.0`],
    ["operands", `true${"||1==1".repeat(300)}`],
    ["text", `"${"a".repeat(MAX_CONDITION_LENGTH)}" == "a"`],
    ["list items", `1.0 in [${"1.0,".repeat(100)}1.0]`],
  ])("refuse too many %s", (_what, source) => {
    expect(() => compiler.compile(source)).toThrow(invalid(/not a condition|longer than/));
  });

  it("refuse macros that could take too many steps, and allow one within another", () => {
    const nested = (depth: number, body: string): string =>
      depth === 0 ? body : `model.paths.exists(v${depth}, ${nested(depth - 1, body)})`;
    expect(() => compiler.compile(nested(3, "v1 == v3"))).toThrow(invalid(/steps/));
    expect(() => compiler.compile(nested(6, "v1 == v6"))).toThrow(invalid(/steps/));
    const joined = `(${Array.from({ length: 20 }, () => "model.paths").join(" + ")}).exists(p, model.paths.exists(q, p == q))`;
    expect(() => compiler.compile(joined)).toThrow(invalid(/steps|not a condition/));
    const list = `[${Array.from({ length: 20 }, (_, index) => `"${index}"`).join(",")}]`;
    const twice = compiler.compile(`${list}.all(a, ${list}.exists(b, a == b))`);
    expect(twice.cost).toBeLessThanOrEqual(MAX_CONDITION_COST);
    expect(twice.evaluate(conditionContext([], null))).toBe(true);
  });

  it("list the attributes that they name, also inside has() and macros", () => {
    const condition = compiler.compile('has(request.kind) && ["a"].exists(v, v == tenant.id) || backend.path == "tee"');
    expect(condition.attributes).toEqual(["backend.path", "request.kind", "tenant.id"]);
    expect(condition.mentionsBackend).toBe(true);
    expect(compiler.compile("true").mentionsBackend).toBe(false);
  });
});

describe("unguarded reads", () => {
  it.each([
    ['request.kind == "a"', ["request.kind"]],
    ['has(request.kind) && request.kind == "a"', []],
    ['request.kind == "a" && has(request.kind)', []],
    ['!has(request.kind) || request.kind == "a"', []],
    ['has(request.kind) || request.kind == "a"', ["request.kind"]],
    ['has(request.kind) ? request.kind == "a" : request.classification == "b"', ["request.classification"]],
    ['!(!has(request.kind) || has(request.seal)) && request.kind == "a" && request.seal == "caller"', ["request.seal"]],
    ['(has(request.kind) || has(request.seal)) && request.kind == "a"', ["request.kind"]],
    ['["a"].exists(v, v == request.kind)', ["request.kind"]],
  ])("of %s are %j", (source, names) => {
    expect(unguardedReads(compiler.compile(source).ast)).toEqual(names);
  });
});
