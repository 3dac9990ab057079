import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../../src/core/json.ts";
import {
  accountName,
  assertDistinct,
  clearValue,
  typeName,
  unsignedDecimal,
  valueName,
} from "../../../src/paths/fhe/wire/document.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("names and numbers in documents of the fhe path", () => {
  it.each([
    ["a value's name", valueName, ["", "A", "1a", "a-b", `a${"b".repeat(32)}`, 1], ["a", "a_1", `a${"b".repeat(31)}`]],
    ["a type's name", typeName, ["u7", "u128", "i1", "Bool", "bool ", null], ["bool", "u2", "i14", "u64"]],
    ["an account's name", accountName, ["", "-a", "A", "a/b", "a".repeat(65)], ["a", "0.a_-"]],
    ["a clear value", clearValue, ["", "01", "-0", "+1", "1.0", "0x1", 1, "yes"], ["0", "-1", "true", "18446744073709551615"]],
    ["a number of 64 bits", unsignedDecimal, ["-1", "00", "18446744073709551616", 1], ["0", "18446744073709551615"]],
  ] as const)("%s has one spelling", (_, decode, wrong, right) => {
    for (const value of wrong) expect(() => decode(value as JsonValue, "place")).toThrow(malformed);
    for (const value of right) expect(decode(value, "place")).toBe(value);
  });

  it("stand in a list once", () => {
    expect(() => assertDistinct(["a", "b", "a"], "place")).toThrow(malformed);
    expect(() => assertDistinct(["a", "b"], "place")).not.toThrow();
  });
});
