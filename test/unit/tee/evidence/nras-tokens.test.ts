import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { issueDevice } from "../../../fixtures/evidence/device-chain.ts";
import { encodeBundle, encodeKeySet, encodeToken, KEY_ID, makeBundle, submodulesOf } from "../../../fixtures/evidence/eat.ts";
import { appraise, bundle, chain, keys, signer } from "../../../fixtures/evidence/nras.ts";
import { AT } from "../../../fixtures/evidence/question.ts";

describe("algorithm confusion", () => {
  const withHeader = (header: Readonly<Record<string, unknown>>) => bundle({ header: { kid: KEY_ID, ...header } });
  it.each([
    ["none", { alg: "none" }],
    ["None", { alg: "None" }],
    ["no algorithm", {}],
    ["ES256", { alg: "ES256" }],
    ["HS384", { alg: "HS384" }],
    ["RS384", { alg: "RS384" }],
    ["a list of algorithms", { alg: ["ES384"] }],
    ["a critical header", { alg: "ES384", crit: ["exp"], exp: 1 }],
    ["an unencoded payload", { alg: "ES384", b64: false }],
  ])("%s is refused", async (_name, header) => {
    expect((await appraise(withHeader(header))).code).toBe("EVIDENCE_UNSUPPORTED");
  });

  it("a token that is signed with the public key as a secret is refused", async () => {
    const { overall, devices } = makeBundle(signer);
    const head = Buffer.from(JSON.stringify({ alg: "HS384", kid: KEY_ID })).toString("base64url");
    const signed = `${head}.${overall.split(".")[1]}`;
    const mac = createHmac("sha384", JSON.stringify(keys)).update(signed).digest("base64url");
    expect((await appraise({ eat: encodeBundle({ overall: `${signed}.${mac}`, devices }) })).code).toBe("EVIDENCE_UNSUPPORTED");
  });

  it("a key that the token brings along is not used", async () => {
    const own = issueDevice("x", null);
    const { keys: brought } = encodeKeySet([[own]]) as { keys: readonly JsonObject[] };
    const header = { alg: "ES384", kid: KEY_ID, jwk: brought[0], x5c: brought[0]?.["x5c"], jku: "https://example.org" };
    expect((await appraise({ eat: encodeBundle(makeBundle(own, { header })) })).code).toBe("EVIDENCE_SIGNATURE_INVALID");
  });

  it.each([
    ["another curve", { crv: "P-256" }],
    ["a symmetric key", { kty: "oct" }],
    ["another algorithm", { alg: "ES256" }],
    ["a key for encryption", { use: "enc" }],
  ])("a key of the set for %s is refused", async (_name, changes) => {
    expect((await appraise({ jwks: encodeKeySet([chain], changes) as JsonObject })).code).toBe("EVIDENCE_UNSUPPORTED");
  });
});

describe("malformed answers of the attestation service", () => {
  const text = () => new TextDecoder().decode(encodeBundle(makeBundle(signer)));
  const cases: readonly (readonly [string, () => string])[] = [
    ["cut", () => text().slice(0, -1)],
    ["with text behind it", () => `${text()}x`],
    ["no JSON", () => "x"],
    ["an object", () => "{}"],
    ["of another form", () => text().replace("JWT", "CWT")],
    ["with a third part", () => text().replace(/]$/, ",{}]")],
    ["with a device twice (duplicate JSON keys)", () => text().replace('"GPU-1"', '"GPU-0"')],
    ["with a device of the name __proto__", () => text().replace('"GPU-1"', '"__proto__"')],
    ["with a token that is no text", () => text().replace(/"GPU-0":"[^"]*"/, '"GPU-0":1')],
    ["with a token of two parts", () => text().replace(/("GPU-0":"[^".]*)\./, "$1")],
    ["with a token of four parts", () => text().replace(/("GPU-0":")/, "$1e30.")],
    ["with base64 and not base64url", () => text().replace(/("GPU-0":"[^"]{8})[^"]/, "$1+")],
    ["with padded base64url", () => text().replace(/("GPU-0":"[^".]*)\./, "$1=.")],
    [
      "with more devices than anyone has",
      () => JSON.stringify([["JWT", "a.b.c"], Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`GPU-${at}`, "a"]))]),
    ],
    ["oversize", () => `[["JWT","${"a".repeat(2_000_000)}"],{}]`],
  ];
  it.each(cases)("%s", async (_name, made) => {
    expect((await appraise({ eat: utf8(made()) })).code).toBe("EVIDENCE_MALFORMED");
  });

  it.each([
    ["no end", { exp: undefined }],
    ["an end that is no number", { exp: "1795780000" }],
    ["an end with a fraction", { exp: AT + 0.5 }],
    ["no beginning", { nbf: undefined, iat: undefined }],
    ["a nonce that is no text", { eat_nonce: 1 }],
    ["no submodules", { submods: undefined }],
    ["a submodule that is no digest", { submods: { "GPU-0": "x" } }],
    ["a submodule by another hash", { submods: { "GPU-0": ["DIGEST", ["SHA-1", "00".repeat(20)]] } }],
    ["a digest of another length", { submods: { "GPU-0": ["DIGEST", ["SHA-256", "00"]] } }],
  ])("a token with %s", async (_name, overall) => {
    expect((await appraise(bundle({ overall }))).code).toBe("EVIDENCE_MALFORMED");
  });

  it("claims with a key twice", async () => {
    const made = makeBundle(signer);
    const twice = '{"iss":"https://nras.attestation.nvidia.com","measres":"fail","measres":"success"}';
    const devices = { ...made.devices, "GPU-0": encodeToken(signer, twice) };
    const { overall } = makeBundle(signer, { submodules: submodulesOf(devices) });
    expect((await appraise({ eat: encodeBundle({ overall, devices }) })).code).toBe("EVIDENCE_MALFORMED");
  });

  it.each([
    ["no list of keys", {}],
    ["a key that is no object", { keys: [1] }],
    ["an id twice", { keys: [{ kid: "a" }, { kid: "a" }] }],
    ["a key without coordinates", { keys: [{ kid: KEY_ID }] }],
    ["a coordinate of another length", { keys: [{ kid: KEY_ID, x: "AA", y: "AA" }] }],
    ["a certificate that is no base64", { keys: [{ kid: KEY_ID, x5c: ["*"] }] }],
    ["too many keys", { keys: Array.from({ length: 1000 }, (_, at) => ({ kid: `${at}` })) }],
  ])("a key set with %s", async (_name, jwks) => {
    expect((await appraise({ jwks })).code).toBe("EVIDENCE_MALFORMED");
  });

  it("a key set with a key twice (duplicate JSON keys), or that is no JSON", async () => {
    for (const jwks of ['{"keys":[],"keys":[]}', "x"])
      expect((await appraise({ jwks: utf8(jwks) })).code).toBe("EVIDENCE_MALFORMED");
  });
});
