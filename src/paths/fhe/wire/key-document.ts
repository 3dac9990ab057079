/** The public document of a key set (SPEC 4): what its keys are, and their digests. It holds no key. */
import { type Decoded, digest, hexText, integer, nullable, object, oneOf, seconds, text } from "../../../core/decode.ts";
import { digestHex } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { readDocument } from "./document.ts";

/** Largest document, in bytes. */
export const MAX_KEY_DOCUMENT_BYTES = 4096;

/** Largest server key, in bytes: the compressed one of the shipped parameters has less than half of it. */
export const MAX_SERVER_KEY_BYTES = 256 * 1024 * 1024;

/** Largest compact public key, in bytes. */
export const MAX_PUBLIC_KEY_BYTES = 1024 * 1024;

const decodeFields = object({
  v: oneOf(1),
  /** `integer`: for programs (SPEC 2); `lwe`: for inference (SPEC 9). */
  kind: oneOf("integer", "lwe"),
  /** SHA-256 of the server key's bytes. */
  keyId: hexText(32),
  /** Carried by every key and ciphertext of the set. */
  tag: hexText(16),
  parameters: text(128),
  serverKey: object({ digest, bytes: integer(1, MAX_SERVER_KEY_BYTES) }),
  publicKey: nullable(object({ digest, bytes: integer(1, MAX_PUBLIC_KEY_BYTES) })),
  created: seconds,
});

/** A parsed document. That the keys have these digests is not checked. */
export type KeyDocument = Decoded<typeof decodeFields>;

/**
 * Parses the document of a key set.
 * @throws TrisealError `FORMAT_INVALID`, also where `keyId` is not the server key's digest.
 */
export function parseKeyDocument(bytes: Uint8Array): KeyDocument {
  const key = decodeFields(readDocument(bytes, MAX_KEY_DOCUMENT_BYTES, "a key document"), "key");
  if (key.keyId !== digestHex(key.serverKey.digest)) {
    throw new TrisealError("FORMAT_INVALID", "key.keyId: expected the digest of the server key");
  }
  return key;
}

/** The bytes of a document, in JCS form. */
export function encodeKeyDocument(key: KeyDocument): Uint8Array {
  return encodeJcs(key);
}
