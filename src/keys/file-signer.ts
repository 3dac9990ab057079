/** Signs with an Ed25519 seed through `node:crypto`. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { concatBytes, encodeHex, parseHex } from "../core/bytes.ts";
import type { Signer } from "../core/ed25519.ts";

/** DER of a PKCS #8 Ed25519 private key, up to the 32-byte seed (RFC 8410 section 7). */
const PKCS8_PREFIX = parseHex("302e020100300506032b657004220420");
/** Length of the DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410 section 4). */
const SPKI_PREFIX_LENGTH = 12;

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concatBytes(PKCS8_PREFIX, seed)), format: "der", type: "pkcs8" });
}

/** A signer over `seed` (32 bytes, RFC 8032 section 5.1.5). */
export function createSeedSigner(keyId: string, seed: Uint8Array): Signer {
  const key = privateKeyOf(seed);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    keyId,
    publicKey: encodeHex(spki.subarray(SPKI_PREFIX_LENGTH)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}
