/** Ed25519 (RFC 8032): verification everywhere, signing behind an interface that a file, an HSM or a KMS can stand behind. */
import { parseHex } from "./bytes.ts";
import { verifyStrictly } from "./primitives.ts";

/** A private Ed25519 key that only signs. */
export interface Signer {
  /** Name of the key, unique among the keys of its owner. */
  readonly keyId: string;
  /** The 32-byte public key in lower-case hexadecimal. */
  readonly publicKey: string;
  /** The 64-byte signature over `message`. */
  sign(message: Uint8Array): Uint8Array;
}

/**
 * Whether `signature` (64 bytes) is one of `publicKey` (64 hexadecimal digits) over `message`. Strict: canonical
 * encodings only, no small-order key (RFC 8032 section 5.1.7, not ZIP 215). Never throws.
 */
export function verifyEd25519(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verifyStrictly(publicKey, parseHex(publicKey), message, signature);
  } catch {
    return false;
  }
}
