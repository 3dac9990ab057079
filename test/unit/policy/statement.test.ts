import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { encodeHex } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { Signer } from "../../../src/core/ed25519.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { isInForce, parsePolicyStatement, signPolicyStatement, verifyPolicyStatement } from "../../../src/policy/index.ts";
import { encode, fullPolicyText } from "./policy-fixture.ts";

function signerOf(seed: number): Signer {
  const secret = new Uint8Array(32).fill(seed);
  return {
    keyId: `policy-${seed}`,
    publicKey: encodeHex(ed25519.getPublicKey(secret)),
    sign: (message) => ed25519.sign(message, secret),
  };
}

const signer = signerOf(1);
const statement = {
  v: 1,
  policyDigest: digestOf(fullPolicyText),
  sequence: 3,
  notBefore: unixSeconds(1000),
  notAfter: unixSeconds(2000),
} as const;
const bytes = signPolicyStatement(statement, signer);
const signed = parsePolicyStatement(bytes);

describe("a policy statement", () => {
  it("is read back and verifies under the key that signed it", () => {
    expect(signed.statement).toEqual(statement);
    expect(verifyPolicyStatement(signed, signer.publicKey)).toBe(true);
  });

  it("does not verify under another key, or with any member changed", () => {
    const other = signerOf(2);
    expect(verifyPolicyStatement(signed, other.publicKey)).toBe(false);
    expect(verifyPolicyStatement({ ...signed, publicKey: other.publicKey }, other.publicKey)).toBe(false);
    expect(verifyPolicyStatement({ ...signed, publicKey: other.publicKey }, signer.publicKey)).toBe(false);
    for (const change of [
      { sequence: 4 },
      { notBefore: unixSeconds(999) },
      { notAfter: unixSeconds(2001) },
      { policyDigest: digestOf(encode("x")) },
    ]) {
      expect(verifyPolicyStatement({ ...signed, statement: { ...statement, ...change } }, signer.publicKey)).toBe(false);
    }
    expect(verifyPolicyStatement({ ...signed, signature: "00".repeat(64) }, signer.publicKey)).toBe(false);
    expect(verifyPolicyStatement({ ...signed, signature: "zz" }, signer.publicKey)).toBe(false);
  });

  it("does not verify where the signature lacks the domain", () => {
    const bare = encodeHex(signer.sign(encodeJcs(statement)));
    expect(verifyPolicyStatement({ ...signed, signature: bare }, signer.publicKey)).toBe(false);
  });

  it.each([
    ["an unknown member", { ...signed, x: 1 }],
    ["an unknown member inside", { ...signed, statement: { ...statement, x: 1 } }],
    ["no key", { statement, keyId: signed.keyId, signature: signed.signature }],
    ["a sequence below zero", { ...signed, statement: { ...statement, sequence: -1 } }],
    ["a sequence that is no integer", { ...signed, statement: { ...statement, sequence: 1.5 } }],
    ["another version", { ...signed, statement: { ...statement, v: 2 } }],
    ["an empty period", { ...signed, statement: { ...statement, notAfter: statement.notBefore } }],
    ["a signature in capitals", { ...signed, signature: signed.signature.toUpperCase() }],
    ["a long name", { ...signed, keyId: "k".repeat(5000) }],
  ])("is refused with %s", (_what, document) => {
    expect(() => parsePolicyStatement(encodeJcs(document))).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });

  it("is not signed for an empty period", () => {
    expect(() => signPolicyStatement({ ...statement, notAfter: unixSeconds(1) }, signer)).toThrow(
      expect.objectContaining({ code: "FORMAT_INVALID" }),
    );
  });

  it("is in force from its first second until just before its end", () => {
    expect([999, 1000, 1999, 2000].map((at) => isInForce(statement, unixSeconds(at)))).toEqual([false, true, true, false]);
  });
});
