import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { isJsonObject, MAX_JSON_DEPTH, parseJson } from "../../../src/core/json.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("strict JSON", () => {
  it.each([
    ["null", null],
    [" \t\r\n true \n", true],
    ["false", false],
    ["0", 0],
    ["-0", -0],
    ["1e3", 1000],
    ["1E+3", 1000],
    ["-1.5e-2", -0.015],
    ["1e-400", 0],
    ["9007199254740993", 9007199254740992],
    ['""', ""],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041"', '"\\/\b\f\n\r\tA'],
    ['"\\ud83d\\ude00 \u{1f600}"', "😀 😀"],
    ['"\u2028\u2029\u007f"', "\u2028\u2029\u007f"],
    ["[]", []],
    ['[1,[2,{}],"x"]', [1, [2, {}], "x"]],
    ["{}", {}],
    ['{"b":1,"a":{"b":[null]}}', { b: 1, a: { b: [null] } }],
    ['{"":1," ":2}', { "": 1, " ": 2 }],
    ['{"constructor":1,"toString":2}', { constructor: 1, toString: 2 }],
  ] as const)("reads %s", (text, value) => {
    expect(parseJson(text)).toEqual(value);
    expect(parseJson(utf8(text))).toEqual(value);
  });

  it.each([
    ["a duplicate key", '{"a":1,"a":1}'],
    ["a duplicate key in another spelling", '{"a":1,"\\u0061":2}'],
    ["a duplicate key further in", '[{"x":{"y":1,"z":2,"y":3}}]'],
    ["the key __proto__", '{"__proto__":1}'],
    ["the key __proto__ in another spelling", '{"__pr\\u006fto__":{}}'],
    ["a lone high surrogate", '"\\ud83d"'],
    ["a lone low surrogate", '"\\ude00"'],
    ["surrogates in the wrong order", '"\\ude00\\ud83d"'],
    ["a lone surrogate in a key", '{"\\ud800":1}'],
    ["a number beyond doubles", "1e309"],
    ["a negative number beyond doubles", "[-1e999]"],
    ["NaN", "NaN"],
    ["Infinity", "-Infinity"],
    ["a leading zero", "01"],
    ["a plus sign", "+1"],
    ["a point without digits behind it", "1."],
    ["a point without digits before it", ".5"],
    ["an exponent without digits", "1e"],
    ["a hexadecimal number", "0x10"],
    ["a minus alone", "-"],
    ["a comma at the end of an array", "[1,]"],
    ["a comma at the end of an object", '{"a":1,}'],
    ["a missing comma", "[1 2]"],
    ["a missing colon", '{"a" 1}'],
    ["a key without quotes", "{a:1}"],
    ["single quotes", "'a'"],
    ["a comment", "1 // one"],
    ["text after the document", "{} {}"],
    ["a closing bracket of the other kind", "[1}"],
    ["an unfinished array", "[1"],
    ["an unfinished string", '"abc'],
    ["an unfinished escape", '"\\u12'],
    ["an unknown escape", '"\\x41"'],
    ["an escape with other digits", '"\\u00g0"'],
    ["a control character", '"\u0001"'],
    ["a newline in a string", '"a\nb"'],
    ["a word cut short", "tru"],
    ["a word in upper case", "True"],
    ["another kind of white space", "\u00a01"],
    ["a form feed", "\f1"],
    ["a byte order mark", "\ufeff1"],
    ["nothing", ""],
    ["white space alone", " \n"],
    ["undefined", "undefined"],
  ])("refuses %s", (_, text) => {
    expect(() => parseJson(text)).toThrow(malformed);
    if (text.isWellFormed()) expect(() => parseJson(utf8(text))).toThrow(malformed);
  });

  it.each([
    ["a byte order mark", [0xef, 0xbb, 0xbf, 0x31]],
    ["a byte that is no UTF-8", [0x22, 0xff, 0x22]],
    ["a surrogate in UTF-8", [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ["an overlong form", [0x22, 0xc0, 0xaf, 0x22]],
    ["a cut sequence", [0x22, 0xe2, 0x82, 0x22]],
    ["UTF-16", [0x31, 0x00]],
  ])("refuses %s in bytes", (_, bytes) => {
    expect(() => parseJson(Uint8Array.from(bytes))).toThrow(malformed);
  });

  it("follows nesting to its bound and no further", () => {
    const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`;
    expect(() => parseJson(nested(MAX_JSON_DEPTH, "[", "]"))).not.toThrow();
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1, "[", "]"))).toThrow(malformed);
    expect(() => parseJson(nested(MAX_JSON_DEPTH, '{"a":', "}"))).not.toThrow();
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1, '{"a":', "}"))).toThrow(malformed);
    expect(() => parseJson("[".repeat(1_000_000))).toThrow(malformed);
  });

  it("names the place and shows none of the content", () => {
    expect(() => parseJson('{"secret":tru}')).toThrow(/^JSON: unexpected character at offset 10$/);
  });

  it("makes objects whose members are their own", () => {
    const value = parseJson('{"a":1}');
    expect(isJsonObject(value) && Object.hasOwn(value, "a")).toBe(true);
    expect(isJsonObject([])).toBe(false);
    expect(isJsonObject(null)).toBe(false);
    expect(isJsonObject(undefined)).toBe(false);
  });
});
