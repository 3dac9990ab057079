import { describe, expect, it } from "vitest";
import { challengeBody, readChallenge } from "../../../src/client/challenge.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { factsDigest } from "../../../src/core/oip.ts";
import { decide, type Fact, factsFromCaller, parsePolicy } from "../../../src/policy/index.ts";
import { at, NOW } from "../../fixtures/world.ts";

const POLICY = parsePolicy(
  new TextEncoder().encode(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
  - { id: any, when: 'request.classification != "secret"', require: { all: [zk], evidence: { accept: [groth16-dev-insecure] } } }
`),
);
const digest = digestOfJson("model");
const parameters = { classification: "personal", value_usd: 5, triseal_salt: "00".repeat(16) };
const call = { model: "risk", parameters };

function made(
  change: { facts?: readonly Fact[]; stated?: JsonObject; more?: JsonObject; decision?: JsonObject } = {},
): Uint8Array {
  const gateway: Readonly<Record<string, Fact["value"]>> = {
    "request.sealed": "gateway",
    "request.submits": "proof",
    "request.bytes": 40,
    "tenant.id": "acme",
    "model.name": "risk",
    "model.version": "1",
    "model.digest": digest,
    "model.paths": ["zk"],
  };
  const observed = Object.entries(gateway).map(([name, value]) => ({ name, origin: "gateway" as const, value }));
  const stated = factsFromCaller(change.stated ?? { classification: "personal", value_usd: 5 });
  const candidates = [
    {
      id: "zk-caller:risk",
      path: "zk",
      facts: [{ name: "backend.evidence_type", origin: "evidence" as const, value: "groth16-dev-insecure" }],
    },
  ];
  const facts = change.facts ?? [...observed, ...stated];
  const decision = { ...decide(POLICY, { at: NOW, nonce: "0".repeat(32), facts, candidates }), ...change.decision } as JsonObject;
  const named = { nonce: "0".repeat(32), model: "risk", modelDigest: digest, decisionDigest: digestOfJson(decision) };
  return encodeJcs({ v: 1, ...named, decision, exp: at(1300), terms: { key: 1 }, ...change.more });
}

const read = (body: Uint8Array, asked = {}) => readChallenge(body, { ...call, ...asked }, NOW);
const failed = (message: string) =>
  expect.objectContaining({ code: "VERIFICATION_FAILED", message: expect.stringContaining(message) });

describe("a challenge", () => {
  it("is asked for with the stated facts, and nothing else of the parameters", () => {
    expect(JSON.parse(new TextDecoder().decode(challengeBody(call)))).toEqual({
      model: "risk",
      parameters: { classification: "personal", value_usd: 5 },
    });
    expect(() => challengeBody({ model: "risk", parameters: { value_usd: -1 } })).toThrow(
      expect.objectContaining({ code: "REQUEST_MALFORMED" }),
    );
  });

  it("is taken with the decision that it names", () => {
    expect(read(made(), { modelDigest: digest })).toMatchObject({
      nonce: "0".repeat(32),
      modelDigest: digest,
      factsDigest: factsDigest({ classification: "personal", value_usd: 5 }),
      terms: { key: 1 },
    });
  });

  it.each<[string, string, Uint8Array, object?]>([
    ["names another decision than it shows", "not the one", made({ more: { decisionDigest: digest } })],
    ["is decided under another nonce", "not about this challenge", made({ more: { nonce: "1".repeat(32) } })],
    ["is denied", "not about this challenge", made({ stated: { classification: "secret" } })],
    ["is decided on other facts", "other facts", made({ stated: { classification: "public", value_usd: 5 } })],
    [
      "is decided on facts that were not stated",
      "other facts",
      made({ stated: { classification: "personal", value_usd: 5, kind: "x" } }),
    ],
    ["is about another model's name", "another model", made({ more: { model: "other" } })],
    ["is about another model than asked for", "another model", made(), { model: "other" }],
    ["is about another digest than it names", "another model", made({ more: { modelDigest: digestOfJson("x") } })],
    ["is about another digest than was wanted", "another model", made(), { modelDigest: digestOfJson("x") }],
    [
      "is for another kind of submission",
      "kind of submission",
      made(),
      { kind: { path: "zk", challenges: "c", submissions: "s", submits: "statement" } },
    ],
    ["has ended", "has ended", made({ more: { exp: NOW } })],
  ])("is refused that %s", (_, message, body, asked) => {
    expect(() => read(body, asked)).toThrow(failed(message));
  });

  it.each([
    ["a member too many", made({ more: { also: 1 } })],
    ["a decision that is none", made({ decision: { effect: "perhaps" } })],
    ["no terms", made({ more: { terms: null } })],
  ])("is refused with %s", (_, body) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });
});
