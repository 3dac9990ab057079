import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../../src/core/json.ts";
import { parseTeeLeg, signTeeLeg, verifyTeeLeg } from "../../../src/paths/tee/wire/leg.ts";
import { createSigner, generateKey, importSeed } from "../../../src/signing/ed25519-signer.ts";

const signer = createSigner("leg-1", importSeed(new Uint8Array(32).fill(7)));
const digest = digestOf(utf8("x"));
const statement = {
  binding: {
    v: 1 as const,
    requestDigest: digest,
    responseDigest: digest,
    modelDigest: digest,
    decisionDigest: digest,
    nonce: "00".repeat(16),
  },
  factsDigest: digest,
  wire: { requestDigest: digest, responseDigest: digest },
  inputCommitment: null,
  outputs: null,
};

/** Every document that differs from `value` in one leaf. */
function mutations(value: JsonValue): JsonValue[] {
  if (typeof value === "string") return [value.replace(/.$/, (last) => (last === "0" ? "1" : "0"))];
  if (typeof value === "number") return [value + 1];
  if (value === null) return ["x"];
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => mutations(member).map((changed) => ({ ...value, [name]: changed })));
}

describe("a tee leg", () => {
  it("verifies under the key that signed it, and is one byte string", () => {
    const bytes = signTeeLeg(statement, signer);
    expect(signTeeLeg(statement, signer)).toEqual(bytes);
    expect(verifyTeeLeg(parseTeeLeg(bytes), signer.publicKey)).toBe(true);
  });

  it("verifies under no other key, and not after a change of any leaf", () => {
    const leg = parseJson(signTeeLeg(statement, signer)) as JsonObject;
    expect(verifyTeeLeg(parseTeeLeg(encodeJcs(leg)), createSigner("leg-1", generateKey()).publicKey)).toBe(false);
    const changed = mutations(leg["statement"] ?? null).map((part) => ({ ...leg, statement: part }));
    expect(changed.length).toBeGreaterThan(9);
    for (const document of [
      ...changed,
      ...mutations({ signature: leg["signature"] ?? null }).map((part) => ({ ...leg, ...(part as JsonObject) })),
    ]) {
      const accepted = () => verifyTeeLeg(parseTeeLeg(encodeJcs(document)), signer.publicKey);
      let result = false;
      try {
        result = accepted();
      } catch (error) {
        expect(error).toEqual(expect.objectContaining({ code: "FORMAT_INVALID" }));
      }
      expect(result, JSON.stringify(document)).toBe(false);
    }
  });

  it("is refused in any other form", () => {
    const leg = parseJson(signTeeLeg(statement, signer)) as JsonObject;
    const { signature, ...unsigned } = leg;
    expect(signature).toBeDefined();
    const bad = expect.objectContaining({ code: "FORMAT_INVALID" });
    for (const form of [
      unsigned,
      { ...leg, v: 2 },
      { ...leg, more: 1 },
      { ...leg, signature: "00" },
      { ...leg, statement: {} },
      [],
    ]) {
      expect(() => parseTeeLeg(encodeJcs(form as JsonValue))).toThrow(bad);
    }
  });
});
