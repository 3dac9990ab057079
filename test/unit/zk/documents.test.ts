import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import {
  parseProof,
  parsePublicSignals,
  parseVerificationKey,
  proofDocument,
  verificationKeyDocument,
} from "../../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";

const vector = JSON.parse(readFileSync(new URL("../../vectors/zk/groth16.json", import.meta.url), "utf8"));
const bytesOf = (value: JsonValue) => utf8(JSON.stringify(value));
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });
const BASE_ORDER = "21888242871839275222246405745257275088696311157297823662689037894645226208583";

describe("documents of snarkjs", () => {
  it("are written as they were read", () => {
    const { vk_alphabeta_12: _, ...key } = vector.key;
    expect(verificationKeyDocument(parseVerificationKey(bytesOf(vector.key)))).toEqual(key);
    expect(verificationKeyDocument(parseVerificationKey(bytesOf(key)))).toEqual(key);
    expect(proofDocument(parseProof(bytesOf(vector.proofs.rust)))).toEqual(vector.proofs.rust);
    expect(parsePublicSignals(bytesOf(["0", "1"]))).toEqual([0n, 1n]);
  });

  it.each(["", "01", "+1", "-1", "1.0", "1e3", "0x1", " 1", "1\n", "１", String(FIELD_ORDER), "9".repeat(78)])(
    "refuse the signal `%s`",
    (text) => expect(() => parsePublicSignals(bytesOf([text]))).toThrow(malformed),
  );

  it.each([1, null, true, [], {}, [["1"]]])("refuse the signal %j, which is no text", (value) => {
    expect(() => parsePublicSignals(bytesOf([value as JsonValue]))).toThrow(malformed);
  });

  it("accept the largest signal and coordinate and no larger one", () => {
    expect(parsePublicSignals(bytesOf([String(FIELD_ORDER - 1n)]))).toEqual([FIELD_ORDER - 1n]);
    const { proofs } = structuredClone(vector);
    proofs.rust.pi_a[0] = BASE_ORDER;
    expect(() => parseProof(bytesOf(proofs.rust))).toThrow(malformed);
    proofs.rust.pi_a[0] = String(BigInt(BASE_ORDER) - 1n);
    expect(parseProof(bytesOf(proofs.rust)).a.x).toBe(BigInt(BASE_ORDER) - 1n);
  });

  it.each<[string, (proof: Record<string, JsonValue[] | string>) => void]>([
    ["a projective point", (proof) => Object.assign(proof["pi_a"] ?? [], { 2: "2" })],
    ["the point at infinity", (proof) => Object.assign(proof["pi_c"] ?? [], { 2: "0" })],
    ["a projective point of G2", (proof) => Object.assign(proof["pi_b"] ?? [], { 2: ["0", "1"] })],
    ["a short point", (proof) => Object.assign(proof, { pi_a: ["1", "2"] })],
    ["a missing point", (proof) => delete proof["pi_c"]],
    ["another protocol", (proof) => Object.assign(proof, { protocol: "plonk" })],
    ["another curve", (proof) => Object.assign(proof, { curve: "bls12381" })],
    ["a further member", (proof) => Object.assign(proof, { note: "x" })],
  ])("refuse a proof with %s", (_, change) => {
    const proof = structuredClone(vector.proofs.rust);
    change(proof);
    expect(() => parseProof(bytesOf(proof))).toThrow(malformed);
  });

  it("refuse a key whose `IC` does not fit its signals", () => {
    for (const change of [{ nPublic: 2 }, { nPublic: 4 }, { nPublic: -1 }, { IC: [] }, { IC: null }, { extra: 1 }]) {
      expect(() => parseVerificationKey(bytesOf({ ...vector.key, ...change }))).toThrow(malformed);
    }
  });

  it("refuse more bytes than any such document has", () => {
    const padding = " ".repeat(5000);
    expect(() => parseProof(utf8(JSON.stringify(vector.proofs.rust) + padding))).toThrow(malformed);
    expect(() => parsePublicSignals(utf8(`["1"]${" ".repeat(400_000)}`))).toThrow(malformed);
    expect(() => parseVerificationKey(utf8(JSON.stringify(vector.key) + " ".repeat(2_000_000)))).toThrow(malformed);
  });
});
