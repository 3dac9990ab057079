import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  concatBytes,
  encodeBase64,
  encodeHex,
  equalBytes,
  parseBase64,
  parseHex,
  parseUtf8,
  uint32BE,
  utf8,
} from "../../../src/core/bytes.ts";
import { digestBytes, digestHex, digestOf, digestOfJson, isDigest, parseDigest, sha256Bytes } from "../../../src/core/digest.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("hexadecimal", () => {
  it("has one spelling for every byte string", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
        expect(parseHex(encodeHex(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(["0", "AB", "0x00", "0g", " 00", "00 ", "00\n", "٠٠"])("is refused as `%s`", (text) => {
    expect(() => parseHex(text)).toThrow(malformed);
  });
});

describe("base64", () => {
  it.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ])("of `%s` is that of RFC 4648 section 10", (text, encoded) => {
    expect(encodeBase64(utf8(text))).toBe(encoded);
    expect(parseBase64(encoded)).toEqual(utf8(text));
  });

  it("has one spelling for every byte string", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(parseBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
    const long = new Uint8Array(100_001).map((_, index) => index);
    expect(parseBase64(encodeBase64(long))).toEqual(long);
  });

  it("of another spelling is refused: whatever is read is written the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."AQgwZz09+/=-_ \n".split("")), maxLength: 12 }), (text) => {
        let bytes: Uint8Array;
        try {
          bytes = parseBase64(text);
        } catch (error) {
          expect(error).toEqual(malformed);
          return;
        }
        expect(encodeBase64(bytes)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(["Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "Zm 8", "Zm8=\n", "Zm8-", "_m8=", "=", "====", "Z===", "Zg==Zg=="])(
    "is refused as `%s`",
    (text) => {
      expect(() => parseBase64(text)).toThrow(malformed);
    },
  );
});

describe("bytes", () => {
  it("are joined, compared and counted", () => {
    expect(concatBytes()).toEqual(new Uint8Array());
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    for (const other of [[1], [1, 3], [1, 2, 3], []]) expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.from(other))).toBe(false);
    expect([...uint32BE(0x01020304)]).toEqual([1, 2, 3, 4]);
    expect([...uint32BE(2 ** 32 - 1)]).toEqual([255, 255, 255, 255]);
  });

  it("spell a text only in UTF-8, and keep a byte order mark", () => {
    expect(parseUtf8(utf8("é😀"))).toBe("é😀");
    expect(parseUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\ufeffA");
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]])
      expect(() => parseUtf8(Uint8Array.from(bytes))).toThrow(malformed);
  });
});

describe("a digest", () => {
  const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

  it("is SHA-256, in its one text form", () => {
    expect(digestOf(new Uint8Array())).toBe(empty);
    expect(digestOf(utf8("abc"))).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(encodeHex(digestBytes(parseDigest(empty)))).toBe(digestHex(parseDigest(empty)));
    expect(digestBytes(digestOf(utf8("abc")))).toEqual(sha256Bytes(utf8("abc")));
    expect(digestOfJson({ b: 1, a: [] })).toBe(digestOf(utf8('{"a":[],"b":1}')));
  });

  it.each([
    empty.toUpperCase(),
    empty.slice(7),
    empty.slice(0, -1),
    `${empty}0`,
    ` ${empty}`,
    `${empty}\n`,
    empty.replace("256", "512"),
    "",
  ])("is refused as `%s`", (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(malformed);
  });
});
