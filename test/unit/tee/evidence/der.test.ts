/** DER that no strict reader may take, and what it takes. */
import { describe, expect, it } from "vitest";
import { concatBytes, parseHex } from "../../../../src/core/bytes.ts";
import {
  booleanOf,
  DerReader,
  integerBytes,
  namedBits,
  oidOf,
  smallInteger,
  soleElement,
  TAG,
  timeOf,
  unsignedBytes,
  wholeBits,
} from "../../../../src/paths/tee/evidence/x509/der.ts";
import { parseEcdsaDer } from "../../../../src/paths/tee/evidence/x509/signature.ts";
import { element, oid, time } from "../../../fixtures/evidence/der.ts";

const MALFORMED = expect.objectContaining({ code: "EVIDENCE_MALFORMED" });
const sole = (hex: string, tag: number) => soleElement(parseHex(hex), tag);

describe("an element", () => {
  it.each([
    ["nothing", ""],
    ["a tag alone", "30"],
    ["a truncated length", "3081"],
    ["content that is cut", "300200"],
    ["an indefinite length", "30800000"],
    ["a length in a longer form than needed", "30810100"],
    ["a length with a leading zero", "3082008000"],
    ["an enormous length", "3085010000000000"],
    ["a tag of several bytes", "3f8100"],
    ["another tag", "0400"],
    ["a byte after its end", "300000"],
  ])("%s is refused", (_, hex) => {
    expect(() => sole(hex, TAG.sequence)).toThrow(MALFORMED);
  });

  it("is read with its content and all of its bytes", () => {
    const long = element(0x30, new Uint8Array(300));
    expect(soleElement(long).content.length).toBe(300);
    expect(soleElement(long).raw).toEqual(long);
    const reader = new DerReader(concatBytes(element(0x02, Uint8Array.of(1)), element(0x05)));
    expect(reader.optional(0x05)).toBeNull();
    expect(smallInteger(reader.next())).toBe(1);
    expect(reader.optional(0x05)?.raw).toEqual(Uint8Array.of(5, 0));
    expect(reader.done).toBe(true);
  });
});

describe("a value", () => {
  it.each([
    ["an empty integer", () => integerBytes(sole("0200", TAG.integer))],
    ["a positive integer with a needless zero", () => integerBytes(sole("0202007f", TAG.integer))],
    ["a negative integer with a needless FF", () => integerBytes(sole("0202ff80", TAG.integer))],
    ["a negative integer where none may be", () => unsignedBytes(sole("020180", TAG.integer))],
    ["an integer that is too large", () => smallInteger(sole("02050080000000", TAG.integer))],
    ["a boolean that is neither", () => booleanOf(sole("010101", TAG.boolean))],
    ["a boolean of two bytes", () => booleanOf(sole("0102ffff", TAG.boolean))],
    ["an empty bit string", () => wholeBits(sole("0300", TAG.bitString))],
    ["a bit string of part of a byte", () => wholeBits(sole("03020780", TAG.bitString))],
    ["unused bits that are set", () => namedBits(sole("03020781", TAG.bitString))],
    ["eight unused bits", () => namedBits(sole("03020880", TAG.bitString))],
    ["unused bits of nothing", () => namedBits(sole("030107", TAG.bitString))],
    ["an empty object identifier", () => oidOf(sole("0600", TAG.oid))],
    ["an object identifier that is cut", () => oidOf(sole("06022a81", TAG.oid))],
    ["an object identifier with a leading zero", () => oidOf(sole("06032a8001", TAG.oid))],
    ["a time without seconds", () => timeOf(soleElement(element(0x17, parseHex("323630313031303030305a")), TAG.utcTime))],
    [
      "a time with an offset",
      () => timeOf(soleElement(element(0x17, new TextEncoder().encode("260101000000+0100")), TAG.utcTime)),
    ],
    ["a 30th of February", () => timeOf(soleElement(time("2026-02-30T00:00:00Z"), TAG.utcTime))],
    ["a time of another type", () => timeOf(soleElement(element(0x04, new TextEncoder().encode("260101000000Z")), 0x04))],
  ])("%s is refused", (_, read) => {
    expect(read).toThrow(MALFORMED);
  });

  it("is read", () => {
    expect(oidOf(soleElement(oid("1.3.6.1.4.1.3704.1.3.8"), TAG.oid))).toBe("1.3.6.1.4.1.3704.1.3.8");
    expect(oidOf(soleElement(oid("2.5.29.19"), TAG.oid))).toBe("2.5.29.19");
    expect(timeOf(soleElement(time("1999-12-31T23:59:59Z"), TAG.utcTime))).toBe(Date.parse("1999-12-31T23:59:59Z") / 1000);
    expect(timeOf(soleElement(time("9999-12-31T23:59:59Z"), TAG.generalizedTime))).toBe(253402300799);
    expect(namedBits(sole("03020106", TAG.bitString)).slice(5, 7)).toEqual([true, true]);
    expect(unsignedBytes(sole("02020080", TAG.integer))).toEqual(Uint8Array.of(0x80));
  });
});

describe("an ECDSA signature", () => {
  it.each(["30060201010201", "3006020101020101", "300702020001020101"].map((hex) => [hex] as const))("%s", (hex) => {
    const isGood = hex === "3006020101020101";
    if (isGood) expect(parseEcdsaDer(parseHex(hex), "P-256")?.length).toBe(64);
    else expect(() => parseEcdsaDer(parseHex(hex), "P-256")).toThrow(MALFORMED);
  });

  it("with a half longer than its curve is none of that curve, and bytes after it are refused", () => {
    const long = element(0x30, element(0x02, new Uint8Array(33).fill(1)), element(0x02, Uint8Array.of(1)));
    expect(parseEcdsaDer(long, "P-256")).toBeNull();
    expect(parseEcdsaDer(long, "P-384")?.length).toBe(96);
    expect(() => parseEcdsaDer(concatBytes(long, Uint8Array.of(0)), "P-384")).toThrow(MALFORMED);
    expect(() => parseEcdsaDer(parseHex("30060201ff020101"), "P-256")).toThrow(MALFORMED);
  });
});
