/** Encryption by WebAssembly: a key of the library's own, since no native key is needed to see what is refused. */
import tfhe from "node-tfhe";
import { beforeAll, describe, expect, it } from "vitest";
import { type FheCipher, openCipher } from "../../../src/paths/fhe/client/tfhe-cipher.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });
let [cipher, stranger]: FheCipher[] = [];
let key: Uint8Array = new Uint8Array();

beforeAll(() => {
  const made = () => tfhe.TfheClientKey.generate(tfhe.TfheConfigBuilder.default().build()).safe_serialize(16n * 1024n * 1024n);
  key = made();
  [cipher, stranger] = [openCipher(tfhe, key), openCipher(tfhe, made())];
});

describe("a client key", () => {
  it("is refused where it is cut short, changed in its head, or too large", () => {
    for (const bytes of [
      new Uint8Array(),
      key.subarray(0, -1),
      key.map((byte, at) => (at < 8 ? byte ^ 255 : byte)),
      new Uint8Array(17_000_000),
    ])
      expect(() => openCipher(tfhe, bytes)).toThrow(malformed);
  });
});

describe("a value", () => {
  it.each([
    ["u8", "256"],
    ["u8", "-1"],
    ["u8", "08"],
    ["u8", ""],
    ["u8", "true"],
    ["u64", "18446744073709551616"],
    ["i8", "128"],
    ["i8", "-129"],
    ["bool", "1"],
    ["u7", "1"],
    ["FheUint8", "1"],
  ])("of type %s is refused as %s", (type, value) => {
    expect(() => cipher?.encrypt(type, value)).toThrow(malformed);
  });

  it.each([
    ["bool", "true"],
    ["bool", "false"],
    ["u2", "3"],
    ["u8", "255"],
    ["u10", "1023"],
    ["u32", "4294967295"],
    ["u64", "18446744073709551615"],
    ["i8", "-128"],
    ["i64", "-9223372036854775808"],
  ])("of type %s comes back as %s", (type, value) => {
    const ciphertext = cipher?.encrypt(type, value) ?? new Uint8Array();
    expect(cipher?.decrypt(type, ciphertext)).toBe(value);
  });
});

describe("a ciphertext", () => {
  it("of another width is refused, where the library would give a part of its value", () => {
    const wide = cipher?.encrypt("u32", "305419896") ?? new Uint8Array();
    expect(tfhe.FheUint16.safe_deserialize(wide, 1_000_000n)).toBeDefined();
    for (const type of ["u16", "u64", "u8", "bool"]) expect(() => cipher?.decrypt(type, wide)).toThrow(malformed);
  });

  it("is refused where it is cut short, empty or something else", () => {
    const bytes = cipher?.encrypt("u8", "7") ?? new Uint8Array();
    for (const changed of [bytes.subarray(0, -1), new Uint8Array(), bytes.map((byte, at) => (at < 8 ? byte ^ 255 : byte))])
      expect(() => cipher?.decrypt("u8", changed)).toThrow(malformed);
  });

  it("of another key gives some number, and nothing says so", () => {
    const foreign = Array.from({ length: 4 }, () => stranger?.encrypt("u64", "42") ?? new Uint8Array());
    const read = foreign.map((bytes) => cipher?.decrypt("u64", bytes));
    expect(read.every((value) => /^\d+$/.test(value ?? ""))).toBe(true);
    expect(read.every((value) => value === "42")).toBe(false);
  });
});
