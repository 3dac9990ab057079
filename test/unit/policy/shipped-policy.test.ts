import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import {
  ATTRIBUTES,
  type Candidate,
  checkPolicy,
  decide,
  encodeDecision,
  type Fact,
  parsePolicy,
  policyJsonSchema,
  replayDecision,
} from "../../../src/policy/index.ts";
import { input } from "./policy-fixture.ts";

const folder = new URL("../../../policies/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder));

const values = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]));
const backendsFile = z.record(z.string(), z.strictObject({ path: z.string(), facts: values }));
const casesFile = z.strictObject({
  policy: z.string(),
  cases: z
    .array(
      z.strictObject({
        name: z.string(),
        facts: values.default({}),
        backends: z.array(z.string()),
        expect: z.strictObject({
          effect: z.enum(["allow", "deny"]),
          code: z.string().optional(),
          rules: z.array(z.string()),
          chosen: z.array(z.string()).default([]),
        }),
      }),
    )
    .min(3),
});

const originOf = (name: string): Fact["origin"] => ATTRIBUTES.find((attribute) => attribute.name === name)?.origin ?? "claim";
const backends = backendsFile.parse(parseYaml(read("cases/backends.yaml").toString()));
const factsOf = (named: z.output<typeof values>, prefix = ""): Fact[] =>
  Object.entries(named).map(([name, value]) => ({ name: `${prefix}${name}`, origin: originOf(`${prefix}${name}`), value }));
function candidate(id: string): Candidate {
  const backend = backends[id];
  if (backend === undefined) throw new Error(`no backend ${id}`);
  return { id, path: backend.path, facts: factsOf(backend.facts, "backend.") };
}

const files = readdirSync(new URL("cases/", folder)).filter((name) => name.endsWith(".cases.yaml"));

describe.each(files)("%s", (name) => {
  const file = casesFile.parse(parseYaml(read(`cases/${name}`).toString()));
  const text = read(file.policy);
  const policy = parsePolicy(text);

  it.each(file.cases.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const stated = factsOf(row.facts);
    const { facts, ...rest } = input([], row.backends.map(candidate));
    // A case that names a fact of the gateway has it in place of the usual one.
    const usual = facts.filter(({ name }) => !stated.some((fact) => fact.name === name));
    const decision = decide(policy, { ...rest, facts: [...usual, ...stated] });
    expect({
      effect: decision.effect,
      code: decision.code ?? undefined,
      rules: decision.ruleIds,
      chosen: decision.chosen.map(({ backendId }) => backendId),
    }).toEqual({ ...row.expect, code: row.expect.code });
    expect(replayDecision(text, encodeDecision(decision))).toEqual({ ok: true });
  });

  it("has a case for every rule and guardrail", () => {
    const named = new Set(file.cases.flatMap((row) => row.expect.rules));
    if (file.policy === "default.policy.yaml")
      expect([...policy.forbid, ...policy.rules].map(({ id }) => id).filter((id) => !named.has(id))).toEqual([]);
  });
});

describe("the shipped policies", () => {
  it("have no errors, and warnings only about the simulated evidence of the demo", () => {
    const names = readdirSync(folder).filter((name) => name.endsWith(".policy.yaml"));
    expect(names.sort()).toEqual(["default.policy.yaml", "demo.policy.yaml"]);
    expect(checkPolicy(read("default.policy.yaml"))).toEqual([]);
    for (const finding of checkPolicy(read("demo.policy.yaml")))
      expect(finding).toMatchObject({ severity: "warning", message: expect.stringContaining("no hardware") });
  });

  it("have the same guardrails, apart from the assurance that each offers", () => {
    const guardrails = (name: string) =>
      parsePolicy(read(name)).forbid.map(({ id, when }) => [id, id === "assurance-not-offered" ? "" : when.source]);
    expect(guardrails("demo.policy.yaml")).toEqual(guardrails("default.policy.yaml"));
  });

  it("come with the JSON Schema of the current form", () => {
    expect(JSON.parse(read("policy.schema.json").toString())).toEqual(policyJsonSchema());
  });

  it("come with a reference that lists every attribute", () => {
    const reference = read("README.md").toString().replace(/ +/g, " ");
    for (const { name, origin, type, optional, meaning } of ATTRIBUTES) {
      expect(reference).toContain(
        `| \`${name}\` | ${origin} | ${type} | ${optional ? "can be absent" : "always"} | ${meaning} |`,
      );
    }
  });
});

describe("the policy library", () => {
  it("bundles for a browser: nothing that it imports needs Node", async () => {
    const entry = fileURLToPath(new URL("../../../src/policy/index.ts", import.meta.url));
    const { errors, warnings, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      platform: "browser",
      format: "esm",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    expect([errors, warnings]).toEqual([[], []]);
    expect(Object.keys(metafile.inputs).length).toBeGreaterThan(20);
    expect(
      Object.values(metafile.inputs).flatMap(({ imports }) => imports.filter((item) => item.external).map((item) => item.path)),
    ).toEqual([]);
  });
});
