/** Ed25519 keys on `node:crypto`: the private part stays in a key object and is never exported. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { concatBytes, encodeHex, parseHex } from "../core/bytes.ts";
import type { Signer } from "../core/ed25519.ts";

/** The fixed head of an Ed25519 private key in PKCS #8 (RFC 8410 section 7); the 32-byte seed follows. */
const PKCS8_HEAD = parseHex("302e020100300506032b657004220420");

/** Length of a raw Ed25519 public key, the tail of its SubjectPublicKeyInfo (RFC 8410 section 4). */
const PUBLIC_KEY_BYTES = 32;

/** The private key of a 32-byte seed. */
export function importSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concatBytes(PKCS8_HEAD, seed)), format: "der", type: "pkcs8" });
}

/** A new private key from the system's random source. */
export function generateKey(): KeyObject {
  return generateKeyPairSync("ed25519").privateKey;
}

/** A signer over a 32-byte seed (RFC 8032 section 5.1.5). */
export function createSeedSigner(keyId: string, seed: Uint8Array): Signer {
  return createSigner(keyId, importSeed(seed));
}

/** A signer under `keyId` with an Ed25519 private key. */
export function createSigner(keyId: string, privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    keyId,
    publicKey: encodeHex(spki.subarray(spki.length - PUBLIC_KEY_BYTES)),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}
