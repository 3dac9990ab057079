import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";
import {
  encodeCredential,
  encodeStatement,
  parseCredential,
  parseStatement,
  signCredential,
  statementSignals,
  THRESHOLD_STATEMENT,
  type UnprovenStatement,
  verifyCredential,
} from "../../../src/paths/zk/wire/statement.ts";
import { bank, credentialOf, proveStatement, stranger } from "../../fixtures/statement.ts";

const digest = (name: string) => digestOfJson(name);
const signed = signCredential(credentialOf({ commitment: "ab".padStart(64, "0") }), bank);
const stated: UnprovenStatement = {
  modelDigest: THRESHOLD_STATEMENT.digest,
  decisionDigest: digest("decision"),
  factsDigest: digest("facts"),
  nonce: "0123456789abcdef0123456789abcdef",
  threshold: 10_000,
  expiry: unixSeconds(1_790_002_000),
  signed,
};
const bytes = encodeStatement(proveStatement(stated));
const text = new TextDecoder().decode(bytes);
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("a credential", () => {
  it("is signed, handed out and read without loss", () => {
    expect(parseCredential(encodeCredential(signed))).toMatchObject(signed);
    expect(verifyCredential(signed)).toBe(true);
  });

  it("does not verify with any member changed, or under another key", () => {
    const { credential } = signed;
    for (const change of [
      { issuer: "Second Bank" },
      { subject: "other" },
      { unit: "eur" },
      { commitment: "ac".padStart(64, "0") },
      { issuedAt: unixSeconds(credential.issuedAt - 1) },
      { notAfter: unixSeconds(credential.notAfter + 1) },
    ])
      expect(verifyCredential({ ...signed, credential: { ...credential, ...change } })).toBe(false);
    expect(verifyCredential({ ...signed, publicKey: stranger.publicKey })).toBe(false);
  });

  it.each([
    ["a commitment beyond the field", { commitment: FIELD_ORDER.toString(16) }],
    ["a commitment in capitals", { commitment: "AB".padStart(64, "0") }],
    ["a unit in capitals", { unit: "USD" }],
    ["a subject of many characters", { subject: "x".repeat(65) }],
    ["no issuer", { issuer: "" }],
  ])("is refused with %s", (_, change) => {
    expect(() => parseCredential(encodeCredential(signCredential(credentialOf(change), bank)))).toThrow(malformed);
  });
});

describe("the document of a statement", () => {
  it("is encoded and parsed without loss", () => {
    expect(encodeStatement(parseStatement(bytes))).toEqual(bytes);
  });

  it.each([
    ["another version", text.replace(/"v":1}$/, '"v":2}')],
    ["another kind", text.replace('"triseal.zk.statement.v1"', '"triseal.zk.caller.v1"')],
    ["a member too many", text.replace(/"v":1}$/, '"v":1,"w":1}')],
    ["a threshold below zero", text.replace('"threshold":10000', '"threshold":-1')],
    ["a threshold that no double holds", text.replace('"threshold":10000', '"threshold":9007199254740993')],
    ["a threshold that is no integer", text.replace('"threshold":10000', '"threshold":0.5')],
    ["a threshold as a text", text.replace('"threshold":10000', '"threshold":"10000"')],
    ["a projective point", text.replace(',"1"]', ',"2"]')],
    ["a short signature", text.replace(/"signature":"[0-9a-f]{2}/, '"signature":"')],
    ["nothing", ""],
  ])("is refused with %s", (_, changed) => {
    expect(changed).not.toBe(text);
    expect(() => parseStatement(utf8(changed))).toThrow(malformed);
  });

  it("is refused beyond its size", () => {
    expect(() => parseStatement(utf8(`${text}${" ".repeat(20_000)}`))).toThrow(malformed);
  });
});

describe("the public signals of a statement", () => {
  it("of a known statement are known numbers, below the field order", () => {
    const [commitment, threshold, tenant, nonce, expiry, context] = statementSignals(stated);
    expect([commitment, threshold, expiry]).toEqual([0xabn, 10_000n, 1_790_002_000n]);
    expect(nonce).toBe(0x0123456789abcdef0123456789abcdefn);
    expect(tenant).toBe(982388354390761938906981108625434599566736333271018433826497569734557630717n);
    expect(context).toBeLessThan(2n ** 253n);
  });

  it.each<[string, Partial<UnprovenStatement>, number]>([
    ["threshold", { threshold: 10_001 }, 1],
    ["nonce", { nonce: "f".repeat(32) }, 3],
    ["end", { expiry: unixSeconds(1_790_002_001) }, 4],
    ["model", { modelDigest: digest("other") }, 5],
    ["decision", { decisionDigest: digest("other") }, 5],
    ["list of facts", { factsDigest: digest("other") }, 5],
    ["credential", { signed: signCredential(credentialOf({ ...signed.credential, unit: "eur" }), bank) }, 5],
    ["tenant", { signed: signCredential({ ...signed.credential, subject: "other" }, bank) }, 2],
  ])("are others for another %s", (_, change, signal) => {
    const [before, after] = [statementSignals(stated), statementSignals({ ...stated, ...change })];
    expect(after[signal]).not.toBe(before[signal]);
    // Whatever changes changes the context, but for what has a signal of its own.
    expect(after[5] === before[5]).toBe(signal === 1 || signal === 4);
  });
});
