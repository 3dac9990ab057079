import { describe, expect, it } from "vitest";
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../../src/core/bytes.ts";
import { encodeCborBytes, parseCbor, parseCborPrefix } from "../../../../src/paths/tee/evidence/nitro/cbor.ts";

/** Encodings of RFC 8949, appendix A, as far as documents have their types. */
describe("CBOR that is read", () => {
  it.each([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["20", -1],
    ["3863", -100],
    ["3903e7", -1000],
    ["f6", null],
    ["60", ""],
    ["6449455446", "IETF"],
    ["62c3bc", "ü"],
    ["80", []],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
  ])("%s", (encoded, value) => {
    expect(parseCbor(parseHex(encoded))).toEqual(value);
  });

  it("byte strings, maps in the order of the document, and what follows a value", () => {
    expect(parseCbor(parseHex("4401020304"))).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(parseCbor(parseHex("a201020304"))).toEqual(
      new Map([
        [1, 2],
        [3, 4],
      ]),
    );
    expect([...(parseCbor(parseHex("a2616201616102")) as ReadonlyMap<string, number>).keys()]).toEqual(["b", "a"]);
    expect(parseCborPrefix(parseHex("0102")).rest).toEqual(Uint8Array.of(2));
  });

  it.each([0, 23, 24, 255, 256, 65_535, 65_536, 70_000])("a byte string of %i bytes as it is encoded", (length) => {
    const bytes = new Uint8Array(length).fill(7);
    expect(encodeHex(parseCbor(encodeCborBytes(bytes)) as Uint8Array)).toBe(encodeHex(bytes));
  });
});

describe("CBOR that is refused", () => {
  it.each([
    ["nothing", ""],
    ["a number in a longer form, one byte", "1817"],
    ["a number in a longer form, two bytes", "1900ff"],
    ["a number in a longer form, four bytes", "1a0000ffff"],
    ["a number in a longer form, eight bytes", "1b00000000ffffffff"],
    ["a length in a longer form", "580100"],
    ["a number beyond what is exact", "1b0020000000000000"],
    ["a negative number beyond what is exact", "3bffffffffffffffff"],
    ["a reserved length", "1c"],
    ["an array of indefinite length", "9f01ff"],
    ["a map of indefinite length", "bf0102ff"],
    ["a byte string of indefinite length", "5f4101ff"],
    ["a text of indefinite length", "7f6161ff"],
    ["a break", "ff"],
    ["a tag", "c100"],
    ["a half float", "f93c00"],
    ["a float", "fb3ff0000000000000"],
    ["false", "f4"],
    ["undefined", "f7"],
    ["a simple value", "f820"],
    ["a key twice", "a201020103"],
    ["a text key twice", "a2616101616102"],
    ["a byte string as a key", "a1410100"],
    ["an array as a key", "a18000"],
    ["null as a key", "a1f600"],
    ["a text that is not UTF-8", "61ff"],
    ["a text with half a character", "63eda080"],
    ["a byte string that ends early", "4201"],
    ["an array that ends early", "8201"],
    ["a map that ends early", "a101"],
    ["an array of more items than bytes", "9b0000000fffffffff"],
    ["bytes behind the value", "0000"],
    ["deep nesting", `${"81".repeat(20)}00`],
  ])("%s", (_name, encoded) => {
    expect(() => parseCbor(parseHex(encoded))).toThrow(expect.objectContaining({ code: "EVIDENCE_MALFORMED" }));
  });

  it("nesting deep enough for a stack, and arrays of many items", () => {
    for (const bytes of [new Uint8Array(60_000).fill(0x81), concatBytes(parseHex("991000"), utf8("\0".repeat(4096)))]) {
      expect(() => parseCbor(bytes)).toThrow(expect.objectContaining({ code: "EVIDENCE_MALFORMED" }));
    }
  });
});
