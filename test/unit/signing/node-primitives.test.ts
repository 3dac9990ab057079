import { createHash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { concatBytes, encodeBase64, encodeHex, parseBase64, parseHex } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import { type Primitives, usePrimitives } from "../../../src/core/primitives.ts";
import { nodePrimitives, useNodePrimitives } from "../../../src/signing/node-primitives.ts";
import { code } from "../log-store/store-fixture.ts";

/** Encodings of points of small order, canonical and not, and of no point. */
const SMALL_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  `ec${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `00${"00".repeat(30)}80`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
  `${"ff".repeat(31)}7f`,
  `02${"00".repeat(31)}`,
];

const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const number = (bytes: Uint8Array) => bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
const bytesOf = (value: bigint) => Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn));

const seed = new Uint8Array(32).fill(3);
const { publicKey } = ed25519.keygen(seed);
const message = Uint8Array.of(1, 2, 3);
const signature = ed25519.sign(message, seed);
const strict = (key: Uint8Array, text: Uint8Array, signed: Uint8Array) => {
  try {
    return ed25519.verify(signed, text, key, { zip215: false });
  } catch {
    return false;
  }
};

describe("the primitives of node:crypto", () => {
  it("hash as the portable ones do", () => {
    useNodePrimitives();
    for (const length of [0, 1, 55, 56, 63, 64, 65, 1000, 70_000]) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
      expect(digestOf(bytes)).toBe(`sha256:${encodeHex(sha256(bytes))}`);
      expect(digestOf(bytes.subarray(length >> 1))).toBe(`sha256:${encodeHex(sha256(bytes.subarray(length >> 1)))}`);
    }
  });

  it("write and read base64 as the portable ones do, and no spelling more", () => {
    useNodePrimitives();
    for (const length of [0, 1, 2, 3, 4, 255, 70_001]) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
      expect(encodeBase64(bytes)).toBe(btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")));
      expect(parseBase64(encodeBase64(bytes))).toEqual(bytes);
      expect(parseBase64(encodeBase64(bytes.subarray(length >> 1)))).toEqual(bytes.slice(length >> 1));
    }
    for (const text of [
      "A",
      "AA",
      "AB==",
      "AAB=",
      "A===",
      "=AAA",
      "AA=A",
      "AA-_",
      "AAAA\n",
      "AA AA",
      "AAA",
      "====",
      "AAAA=",
      "é===",
    ]) {
      expect(() => parseBase64(text)).toThrow(code("FORMAT_INVALID"));
    }
  });

  it("accept a signature, and refuse it after a change of any bit", () => {
    useNodePrimitives();
    const hex = encodeHex(publicKey);
    expect(verifyEd25519(hex, message, signature)).toBe(true);
    for (let bit = 0; bit < 512; bit += 7) {
      const changed = signature.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(verifyEd25519(hex, message, changed)).toBe(false);
    }
    expect(verifyEd25519(hex, Uint8Array.of(1, 2, 4), signature)).toBe(false);
    expect(verifyEd25519(encodeHex(ed25519.keygen(new Uint8Array(32)).publicKey), message, signature)).toBe(false);
  });

  it("leave the strict rules as they are: small order, encodings that are not canonical, an S that is not reduced", () => {
    useNodePrimitives();
    const keys = [publicKey, ...SMALL_ORDER.map(parseHex)];
    const points = [signature.subarray(0, 32), ...SMALL_ORDER.map(parseHex)];
    const s = number(signature.subarray(32));
    const scalars = [s, s + L, 0n, 1n, L - 1n, L].filter((scalar) => scalar < 2n ** 256n);
    let accepted = 0;
    for (const key of keys) {
      for (const point of points) {
        for (const scalar of scalars) {
          const signed = concatBytes(point, bytesOf(scalar));
          const expected = strict(key, message, signed);
          expect(verifyEd25519(encodeHex(key), message, signed)).toBe(expected);
          if (expected) accepted++;
        }
      }
    }
    expect(accepted).toBe(1);
  });

  it("accept what only the rule with cofactor accepts, as the portable verifier does", () => {
    useNodePrimitives();
    // R with a part of order 8 added: made by the key's holder, true under the cofactored equation alone.
    const torsion = ed25519.Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true);
    const nonce = 12345n;
    const R = ed25519.Point.BASE.multiply(nonce).add(torsion).toBytes();
    const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seed);
    const hash = createHash("sha512")
      .update(concatBytes(R, pointBytes, message))
      .digest();
    const k = number(new Uint8Array(hash)) % L;
    const signed = concatBytes(R, bytesOf((nonce + k * scalar) % L));
    expect(strict(publicKey, message, signed)).toBe(true);
    expect(nodePrimitives.verifyEd25519(publicKey, message, signed)).toBe(false);
    expect(verifyEd25519(encodeHex(publicKey), message, signed)).toBe(true);
  });

  it.each<[string, Partial<Primitives>]>([
    ["hash otherwise", { sha256: (bytes) => sha256(bytes).map((byte) => byte ^ 1) }],
    ["hash some lengths otherwise", { sha256: (bytes) => (bytes.length === 56 ? new Uint8Array(32) : sha256(bytes)) }],
    ["write other base64", { encodeBase64: (bytes) => Buffer.from(bytes).toString("base64url") }],
    ["read other base64", { decodeBase64: (text) => new Uint8Array(Buffer.from(text, "hex")) }],
    ["accept everything", { verifyEd25519: () => true }],
    ["accept nothing", { verifyEd25519: () => false }],
    ["read no signature", { verifyEd25519: (_key, text) => text[2] === 3 }],
  ])("are not taken up where they %s", (_, wrong) => {
    expect(() => usePrimitives({ ...nodePrimitives, ...wrong })).toThrow(code("INTERNAL"));
    useNodePrimitives();
    expect(digestOf(message)).toBe(`sha256:${encodeHex(sha256(message))}`);
  });
});
