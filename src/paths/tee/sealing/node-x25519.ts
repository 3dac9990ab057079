/** X25519 on synchronous `node:crypto`, and raw keys of it, for both key encapsulations of the node suites. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { concatBytes } from "../../../core/bytes.ts";

/** Bytes of a raw key, public or private, and of a shared secret. */
export const X25519_LENGTH = 32;

/** What stands before the 32 raw bytes in the DER form of X25519 private keys (RFC 8410 section 7). */
const PKCS8_HEAD = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20);

/** As a JWK (RFC 8037): OpenSSL takes raw keys nine times faster than it searches a decoder for DER. @throws RangeError. */
export function publicFromRaw(raw: Uint8Array): KeyObject {
  if (raw.length !== X25519_LENGTH) throw new RangeError("an X25519 public key has 32 bytes");
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x: Buffer.from(raw).toString("base64url") }, format: "jwk" });
}

/** The private key of 32 raw bytes, which are clamped on use (RFC 7748 section 5). */
export function privateFromRaw(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concatBytes(PKCS8_HEAD, raw)), format: "der", type: "pkcs8" });
}

/** The 32 raw bytes of a private key. */
export function rawPrivate(keyObject: KeyObject): Uint8Array {
  return new Uint8Array(keyObject.export({ format: "der", type: "pkcs8" }).subarray(PKCS8_HEAD.length));
}

/** Raw public keys of key objects that were asked for before: the recipient's is needed with every request. */
const rawKeys = new WeakMap<KeyObject, Uint8Array>();

/** The 32 raw bytes of a public key, a copy each time. */
export function rawPublic(keyObject: KeyObject): Uint8Array {
  const known = rawKeys.get(keyObject);
  if (known !== undefined) return known.slice();
  const raw = new Uint8Array(Buffer.from(keyObject.export({ format: "jwk" }).x ?? "", "base64url"));
  rawKeys.set(keyObject, raw);
  return raw.slice();
}

/** The shared secret. RFC 9180 section 7.1.4: an all-zero one means a key of small order, and has to be refused. @throws Error. */
export function agree(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  const shared = new Uint8Array(diffieHellman({ privateKey, publicKey }));
  if (shared.every((byte) => byte === 0)) throw new RangeError("the X25519 public key is of small order");
  return shared;
}
