/** Leaves: salted commitments, so that the log itself says nothing, and forgetting a salt forgets its document. */
import { concatBytes, encodeHex, utf8 } from "../core/bytes.ts";
import { type Decoded, hexText, object, oneOf } from "../core/decode.ts";
import { digestBytes, type Sha256Digest, sha256Bytes } from "../core/digest.ts";
import { encodeJcs } from "../core/jcs.ts";
import { parseJson } from "../core/json.ts";

/** What a leaf can stand for. */
export const LEAF_KINDS = ["receipt", "session", "policy", "key", "accepted", "supplement", "account"] as const;

/** What a leaf stands for. */
export type LeafKind = (typeof LEAF_KINDS)[number];

/** Length of a leaf's salt, in bytes. */
export const SALT_LENGTH = 32;

const DOMAIN = utf8("triseal.leaf.v1\0");

const decodeLeaf = object({ v: oneOf(1), kind: oneOf(...LEAF_KINDS), commitment: hexText(32) });

/** A leaf's content. */
export type Leaf = Decoded<typeof decodeLeaf>;

/**
 * The bytes of the leaf that commits to a document: the JCS form of `{v, kind, commitment}`, where the commitment is
 * SHA-256("triseal.leaf.v1" ‖ 0x00 ‖ salt ‖ digest).
 * @param salt 32 random bytes.
 */
export function encodeLeaf(kind: LeafKind, document: Sha256Digest, salt: Uint8Array): Uint8Array {
  if (salt.length !== SALT_LENGTH) throw new RangeError(`a salt has ${SALT_LENGTH} bytes`);
  return encodeJcs({ v: 1, kind, commitment: encodeHex(sha256Bytes(concatBytes(DOMAIN, salt, digestBytes(document)))) });
}

/**
 * Parses the bytes of a leaf.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseLeaf(bytes: Uint8Array): Leaf {
  return decodeLeaf(parseJson(bytes), "leaf");
}
