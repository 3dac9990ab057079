import { describe, expect, it } from "vitest";
import {
  anyJson,
  array,
  base64Bytes,
  boolean,
  type Decoder,
  digest,
  finite,
  hexBytes,
  hexText,
  integer,
  jsonObject,
  map,
  matching,
  nullable,
  object,
  oneOf,
  seconds,
  text,
} from "../../../src/core/decode.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { formatTime, parseTime, unixSeconds } from "../../../src/core/time.ts";

const malformed = (message?: string) =>
  expect.objectContaining({ code: "FORMAT_INVALID", ...(message === undefined ? {} : { message }) });
const SHA = `sha256:${"0a".repeat(32)}`;

describe("decoders", () => {
  it.each<[string, Decoder<unknown>, readonly JsonValue[], readonly (JsonValue | undefined)[]]>([
    ["text", text(3), ["a", "abc", "é😀", "~"], ["", "abcd", "a\n", "\u007f", "\u0000", 1, null, undefined, [], {}]],
    ["matching", matching(/a|b/, "a or b"), ["a", "b"], ["ab", "", "a\n", "xa", 1, null]],
    ["hexText", hexText(2), ["00ff"], ["00FF", "00f", "00fff", "", "0x00", 1, null]],
    ["hexBytes", hexBytes(1), ["00", "ff"], ["0", "FF", "000", null]],
    ["base64Bytes", base64Bytes(3), ["", "AAAA", "AA=="], ["AAAAAA==", "AA", "AB==", "AAA", 1, null]],
    ["digest", digest, [SHA], [SHA.toUpperCase(), SHA.slice(1), `${SHA}0`, "", null]],
    ["integer", integer(-2, 3), [-2, 0, 3], [-3, 4, 1.5, "1", null, 2 ** 60]],
    ["integer by default", integer(), [0, Number.MAX_SAFE_INTEGER], [-1, 2 ** 53, 0.5, true]],
    ["finite", finite, [0, -1.5], ["1", null, [], undefined]],
    ["seconds", seconds, [0, 1_790_000_000], [-1, 0.5, "0", null]],
    ["boolean", boolean, [true, false], [0, 1, "true", null]],
    ["oneOf", oneOf<string | number>("a", 1), ["a", 1], ["1", "b", null, undefined, true]],
    ["nullable", nullable(integer()), [null, 0], ["null", undefined, -1]],
    ["array", array(integer(), 2), [[], [1], [1, 2]], [[1, 2, 3], [-1], {}, "12", null]],
    [
      "map",
      map(matching(/[a-z]/, "a letter"), integer(), 2),
      [{}, { a: 1, b: 2 }],
      [{ a: 1, b: 2, c: 3 }, { A: 1 }, { a: -1 }, [], null],
    ],
    ["jsonObject", jsonObject, [{}, { a: 1 }], [[], null, "{}", undefined]],
    ["anyJson", anyJson, [null, 0, [], {}], [undefined]],
    [
      "object",
      object({ a: integer() }, { b: text() }),
      [{ a: 1 }, { a: 1, b: "x" }],
      [{}, { b: "x" }, { a: 1, c: 1 }, { a: 1, b: 1 }, { a: null }, [], null],
    ],
  ])("%s", (_, decode, accepted, refused) => {
    for (const value of accepted) expect(() => decode(value, "x")).not.toThrow();
    for (const value of refused) expect(() => decode(value, "x")).toThrow(malformed());
  });

  it("name the place of what they refuse", () => {
    const decode = object({ list: array(object({ id: integer() }), 4) }, { names: map(text(), integer(), 4) });
    expect(() => decode({ list: [{ id: 1 }, { id: "x" }] }, "doc")).toThrow(
      malformed(`doc.list[1].id: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}`),
    );
    expect(() => decode({ list: [], more: 1 }, "doc")).toThrow(malformed("doc.more: expected no such member"));
    expect(() => decode({ list: [], names: { a: "x" } }, "doc")).toThrow(/^doc\.names\.a: /);
    expect(() => decode({ list: "x" }, "doc")).toThrow(/^doc\.list: /);
    expect(() => decode(null, "doc")).toThrow(malformed("doc: expected an object"));
  });

  it("show no more than the beginning of a name that a stranger chose", () => {
    const decode = object({}, {});
    try {
      decode({ [`${"n".repeat(200)}`]: 1 }, "doc");
    } catch (error) {
      expect(String(error).length).toBeLessThan(140);
    }
    expect(() => decode({ constructor: 1 }, "doc")).toThrow(malformed());
    expect(() => object({ a: integer() })({ toString: 1, a: 1 }, "doc")).toThrow(malformed());
  });

  it("take no inherited member for one of the document's", () => {
    expect(() => object({ constructor: anyJson })({}, "doc")).toThrow(malformed());
    expect(() => object({ toString: anyJson })({}, "doc")).toThrow(malformed());
    expect(object({}, { valueOf: integer() })({}, "doc")).toEqual({});
  });

  it("give the value back in its type", () => {
    expect(hexBytes(2)("00ff", "x")).toEqual(Uint8Array.of(0, 255));
    expect(base64Bytes(3)("AAEC", "x")).toEqual(Uint8Array.of(0, 1, 2));
    expect(map(text(), integer(), 2)({ a: 1 }, "x")).toEqual(new Map([["a", 1]]));
  });
});

describe("time", () => {
  it.each([
    ["0", 0, "1970-01-01T00:00:00Z"],
    ["1790000000", 1_790_000_000, "2026-09-21T14:13:20Z"],
    ["2026-11-21T08:00:00Z", 1_795_248_000, "2026-11-21T08:00:00Z"],
    ["2024-02-29T23:59:59Z", 1_709_251_199, "2024-02-29T23:59:59Z"],
  ])("%s is %d seconds", (written, value, formatted) => {
    expect(parseTime(written)).toBe(value);
    expect(formatTime(unixSeconds(value))).toBe(formatted);
  });

  it.each([
    "",
    "now",
    "-1",
    "1.5",
    "2026-11-21",
    "2026-11-21T08:00:00",
    "2026-11-21T08:00:00+00:00",
    "2026-11-21T08:00:00.5Z",
    "2026-13-01T00:00:00Z",
    "2026-11-21 08:00:00Z",
    "2026-11-21t08:00:00z",
    "1e9",
    " 1",
    "9999999999999999",
  ])("`%s` is refused", (written) => {
    expect(() => parseTime(written)).toThrow(malformed());
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("%d is no time", (value) => {
    expect(() => unixSeconds(value)).toThrow(malformed());
  });
});
