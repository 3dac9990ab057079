import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeLeaf, LEAF_KINDS, parseLeaf, SALT_LENGTH } from "../../../src/log/index.ts";

const REFUSED = expect.objectContaining({ code: "FORMAT_INVALID" });
const salt = new Uint8Array(32).map((_, index) => index);
const document = digestOf(utf8("a document"));
const leaf = encodeLeaf("receipt", document, salt);
const TEXT = new TextDecoder().decode(leaf);

describe("a leaf", () => {
  it("commits to domain, salt and digest, in canonical JSON", () => {
    const digest = Buffer.from(document.slice("sha256:".length), "hex");
    const commitment = createHash("sha256").update("triseal.leaf.v1\0").update(salt).update(digest).digest("hex");
    expect(TEXT).toBe(`{"commitment":"${commitment}","kind":"receipt","v":1}`);
  });

  it("is read back for every kind", () => {
    for (const kind of LEAF_KINDS) expect(parseLeaf(encodeLeaf(kind, document, salt)).kind).toBe(kind);
  });

  it("says nothing of the document: another salt, kind or document gives another leaf", () => {
    const otherSalt = salt.with(0, 255);
    const leaves = [
      leaf,
      encodeLeaf("receipt", document, otherSalt),
      encodeLeaf("session", document, salt),
      encodeLeaf("receipt", digestOf(utf8("another")), salt),
    ];
    expect(new Set(leaves.map((bytes) => new TextDecoder().decode(bytes))).size).toBe(4);
    expect(parseLeaf(encodeLeaf("receipt", document, otherSalt)).commitment).not.toBe(parseLeaf(leaf).commitment);
  });

  it("takes no salt of another length", () => {
    for (const length of [0, SALT_LENGTH - 1, SALT_LENGTH + 1]) {
      expect(() => encodeLeaf("receipt", document, new Uint8Array(length))).toThrow(RangeError);
    }
  });

  it.each([
    ["nothing", ""],
    ["another version", TEXT.replace('"v":1', '"v":2')],
    ["another kind", TEXT.replace('"receipt"', '"other"')],
    ["a short commitment", TEXT.replace(/[0-9a-f]{2}"/, '"')],
    ["a commitment in upper case", TEXT.replace(/[0-9a-f]{64}/, (digits) => digits.toUpperCase())],
    ["a further member", TEXT.replace("}", ',"x":1}')],
    ["a member twice", TEXT.replace("}", ',"v":1}')],
    ["a missing member", TEXT.replace('"kind":"receipt",', "")],
    ["text behind it", `${TEXT}x`],
  ])("is refused with %s", (_, text) => {
    expect(() => parseLeaf(utf8(text))).toThrow(REFUSED);
  });

  it("is refused where it is not UTF-8", () => {
    expect(() => parseLeaf(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(REFUSED);
  });
});
