/** SHA-256 digests and the one way they are written: `sha256:` and 64 lower-case hexadecimal digits (ACI Appendix A). */
import { encodeHex, parseHex } from "./bytes.ts";
import { TrisealError } from "./errors.ts";
import { encodeJcs } from "./jcs.ts";
import type { JsonValue } from "./json.ts";
import { primitives } from "./primitives.ts";

declare const digestBrand: unique symbol;

/** A SHA-256 digest in its text form, `sha256:<64 lower-case hexadecimal digits>`. */
export type Sha256Digest = string & { readonly [digestBrand]: true };

/** The 32 bytes of SHA-256 over `bytes` (FIPS 180-4). */
export function sha256Bytes(bytes: Uint8Array): Uint8Array {
  return primitives().sha256(bytes);
}

/** SHA-256 of `bytes`, in text form. */
export function digestOf(bytes: Uint8Array): Sha256Digest {
  return `sha256:${encodeHex(sha256Bytes(bytes))}` as Sha256Digest;
}

const bodyDigests = new WeakMap<Uint8Array, Sha256Digest>();

/**
 * `digestOf(body)` for bytes that nobody changes once they are there, such as a body that has arrived: computed once for each
 * array, however many documents name it.
 */
export function digestOfBody(body: Uint8Array): Sha256Digest {
  const known = bodyDigests.get(body);
  if (known !== undefined) return known;
  const digest = digestOf(body);
  bodyDigests.set(body, digest);
  return digest;
}

/** SHA-256 of the JCS form (RFC 8785) of `value`, in text form. */
export function digestOfJson(value: JsonValue): Sha256Digest {
  return digestOf(encodeJcs(value));
}

/** Whether `text` is a digest in its only spelling. */
export function isDigest(text: string): text is Sha256Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/**
 * `text` as a digest.
 * @throws TrisealError `FORMAT_INVALID` for any other spelling.
 */
export function parseDigest(text: string): Sha256Digest {
  if (!isDigest(text)) throw new TrisealError("FORMAT_INVALID", "expected `sha256:` and 64 hexadecimal digits");
  return text;
}

/** The digest with these 64 hexadecimal digits. @throws TrisealError `FORMAT_INVALID` for any other text. */
export function digestFromHex(hex: string): Sha256Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The 32 bytes that `digest` names. */
export function digestBytes(digest: Sha256Digest): Uint8Array {
  return parseHex(digest.slice("sha256:".length));
}

/** The 64 hexadecimal digits of `digest`, without its prefix. */
export function digestHex(digest: Sha256Digest): string {
  return digest.slice("sha256:".length);
}
