import { describe, expect, it } from "vitest";
import { encodeHex, parseHex } from "../../../src/core/bytes.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import { seedSigner, testSigner } from "../../fixtures/signer.ts";

/** RFC 8032 section 7.1: seed, public key, message, signature. */
const RFC_8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
] as const;

/** The order of the base point (RFC 8032 section 5.1). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}

/** Encodings of the points of small order, canonical and not. */
const SMALL_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

const signer = testSigner("k", 9);
const message = Uint8Array.of(1, 2, 3);
const signature = signer.sign(message);

describe("an Ed25519 signature", () => {
  it.each(RFC_8032)("of the seed %s is that of RFC 8032 section 7.1", (seed, publicKey, text, expected) => {
    const made = seedSigner("rfc", parseHex(seed));
    expect(made.publicKey).toBe(publicKey);
    expect(encodeHex(made.sign(parseHex(text)))).toBe(expected);
    expect(verifyEd25519(publicKey, parseHex(text), parseHex(expected))).toBe(true);
    expect(verifyEd25519(publicKey, parseHex(`${text}00`), parseHex(expected))).toBe(false);
  });

  it("is refused after a change of any bit of it, and of any byte of message and key", () => {
    for (let bit = 0; bit < 512; bit++) {
      const changed = signature.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(verifyEd25519(signer.publicKey, message, changed)).toBe(false);
    }
    expect(verifyEd25519(signer.publicKey, Uint8Array.of(1, 2, 4), signature)).toBe(false);
    expect(verifyEd25519(testSigner("k", 8).publicKey, message, signature)).toBe(false);
  });

  it("is refused where S is not reduced", () => {
    const s = fromLittleEndian(signature.subarray(32));
    for (const factor of [1n, 2n, 7n, 15n]) {
      const larger = s + factor * L;
      if (larger >= 2n ** 256n) continue;
      expect(
        verifyEd25519(signer.publicKey, message, Uint8Array.from([...signature.subarray(0, 32), ...littleEndian(larger)])),
      ).toBe(false);
    }
  });

  it("is refused under a key of small order, which would accept many messages", () => {
    for (const key of SMALL_ORDER) {
      for (const point of SMALL_ORDER) {
        for (const s of [0n, 1n, L - 1n]) {
          expect(verifyEd25519(key, message, Uint8Array.from([...parseHex(point), ...littleEndian(s)]))).toBe(false);
        }
      }
    }
  });

  it.each([0, 1, 32, 63, 65, 128])("of %d bytes is refused", (length) => {
    const other = new Uint8Array(length);
    other.set(signature.subarray(0, length));
    expect(verifyEd25519(signer.publicKey, message, other)).toBe(false);
  });

  it("is refused under what is no key, without an exception", () => {
    const { publicKey } = signer;
    const beyondTheField = `${"ff".repeat(31)}7f`;
    for (const key of [
      "",
      "zz",
      publicKey.toUpperCase(),
      publicKey.slice(2),
      `${publicKey}00`,
      ` ${publicKey.slice(1)}`,
      beyondTheField,
      "02".padEnd(64, "0"),
    ]) {
      expect(verifyEd25519(key, message, signature)).toBe(false);
    }
  });
});
