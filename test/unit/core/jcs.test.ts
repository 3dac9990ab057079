import { describe, expect, it } from "vitest";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { canonicalJson, encodeJcs } from "../../../src/core/jcs.ts";
import { type JsonValue, parseJson } from "../../../src/core/json.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

/** A double by the 64 bits of its IEEE 754 form. */
function double(hex: string): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${hex}`));
  return view.getFloat64(0);
}

describe("the JCS form", () => {
  it("is that of RFC 8785 section 3.2.2", () => {
    const input = String.raw`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`;
    const expected = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`;
    expect(canonicalJson(parseJson(input))).toBe(expected);
    expect(encodeHex(encodeJcs(parseJson(input)))).toContain(encodeHex(utf8('"string":"€$')));
  });

  it("sorts members as the example of RFC 8785 section 3.2.3 does", () => {
    const input = String.raw`{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}`;
    const names = [...canonicalJson(parseJson(input)).matchAll(/:"([^"]+)"/g)].map((match) => match[1]);
    expect(names).toEqual([
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
  });

  it.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ])("writes the number %s of RFC 8785 appendix B as %s", (hex, text) => {
    expect(canonicalJson(double(hex))).toBe(text);
  });

  it.each<[string, unknown]>([
    ["NaN", double("7fffffffffffffff")],
    ["infinity", double("7ff0000000000000")],
    ["an infinity further in", { a: [-Infinity] }],
    ["a lone surrogate", "\udead"],
    ["a lone surrogate in a key", { "\ud800": 1 }],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["an undefined item", [undefined]],
    ["a symbol", { a: Symbol("x") }],
  ])("does not exist for %s", (_, value) => {
    expect(() => canonicalJson(value as JsonValue)).toThrow(malformed);
  });

  it("leaves out members that are undefined, and no others", () => {
    expect(canonicalJson({ b: undefined, a: null } as unknown as JsonValue)).toBe('{"a":null}');
  });
});
