/** A policy, facts and backends that the tests of this folder share. */
import { unixSeconds } from "../../../src/core/time.ts";
import type { Candidate, DecisionInput, Fact } from "../../../src/policy/index.ts";
import { type Policy, parsePolicy } from "../../../src/policy/index.ts";

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The text of a policy with the given lists. */
export function policyText(parts: { readonly forbid?: string; readonly rules?: string }): Uint8Array {
  const rules = parts.rules ?? `  - id: any\n    when: "true"\n    require: { all: [tee] }\n`;
  return encode(`apiVersion: triseal.dev/v1\ndefaults: { effect: deny }\nforbid:\n${parts.forbid ?? "  []\n"}rules:\n${rules}`);
}

/** The text of a policy with one rule of the given condition. */
export function policyWhen(when: string): Uint8Array {
  return policyText({ rules: `  - id: only\n    when: ${JSON.stringify(when)}\n    require: { all: [tee] }\n` });
}

export const fullPolicyText = policyText({
  forbid: `  - id: no-secret
    when: has(request.classification) && request.classification == "secret"
    because: secret data stays out
  - id: eu-only
    when: has(request.classification) && request.classification == "personal" && !(has(backend.jurisdiction) && backend.jurisdiction == "EU")
`,
  rules: `  - id: high-value
    when: has(request.value_usd) && request.value_usd >= 10000.0 && model.paths.exists(p, p == "zk")
    require:
      all: [tee, zk]
      tcb: up-to-date
      maxEvidenceAge: 5m
      evidence: { accept: [sev-snp], from: [tee] }
    mode: { zk: async, deadline: 15m }
  - id: by-tier
    when: tenant.tier in ["gold", "silver"]
    require: { all: [tee] }
    sample: { zk: 0.01 }
`,
});

export const fullPolicy = (): Policy => parsePolicy(fullPolicyText);

export const caller = (name: string, value: Fact["value"]): Fact => ({ name: `request.${name}`, origin: "caller", value });
export const gateway = (name: string, value: Fact["value"]): Fact => ({ name, origin: "gateway", value });

export const GATEWAY_FACTS: readonly Fact[] = [
  gateway("request.sealed", "caller"),
  gateway("request.bytes", 512),
  gateway("tenant.id", "acme"),
  gateway("tenant.tier", "gold"),
  gateway("model.name", "risk"),
  gateway("model.version", "1"),
  gateway("model.paths", ["tee", "zk"]),
];

/** A worker whose evidence is fresh and good, unless `changes` says otherwise; undefined leaves a fact out. */
export function worker(id: string, changes: Readonly<Record<string, Fact["value"] | undefined>> = {}): Candidate {
  const good = { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date", evidence_age_seconds: 10, jurisdiction: "EU" };
  const facts = Object.entries({ ...good, ...changes }).flatMap(([name, value]): Fact[] =>
    value === undefined ? [] : [{ name: `backend.${name}`, origin: name === "jurisdiction" ? "claim" : "evidence", value }],
  );
  return { id, path: "tee", facts };
}

export const prover = (id: string): Candidate => ({
  id,
  path: "zk",
  facts: [{ name: "backend.jurisdiction", origin: "claim", value: "EU" }],
});

export const NONCE = "000102030405060708090a0b0c0d0e0f";

export function input(facts: readonly Fact[], candidates: readonly Candidate[]): DecisionInput {
  return { at: unixSeconds(1_790_000_000), nonce: NONCE, facts: [...GATEWAY_FACTS, ...facts], candidates };
}
