/**
 * A signed token in compact form (RFC 7515 section 7.1), with ES384 and nothing else. The algorithm is not the token's to
 * choose: another name in its header is refused before any key is looked at. Keys and addresses in the header (`jwk`, `jku`,
 * `x5u`) are not used.
 */
import { parseBase64, utf8 } from "../../../../core/bytes.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../../core/json.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";

/** Longest token, in characters; a device token has 3000. */
const MAX_TOKEN_LENGTH = 64 * 1024;
const ALGORITHM = "ES384";

/** A token whose signature was not verified. */
export interface JsonWebToken {
  /** The token as it stands, which other tokens cite the digest of. */
  readonly text: string;
  /** Name of the signer's key; null where the token names none. */
  readonly keyId: string | null;
  readonly claims: JsonObject;
  /** The bytes under the signature. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Bytes of canonical base64url without padding (RFC 7515 section 2). @throws TrisealError `EVIDENCE_MALFORMED`. */
export function parseBase64Url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) malformed("base64url: another character or length");
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  try {
    return parseBase64(standard.padEnd(Math.ceil(text.length / 4) * 4, "="));
  } catch {
    return malformed("base64url: unused bits are set");
  }
}

function parseObject(part: string, what: string): JsonObject {
  const value = parseJson(parseBase64Url(part));
  return isJsonObject(value) ? value : malformed(`token ${what}: not an object`);
}

/**
 * The token in `text`, unverified.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`; `EVIDENCE_UNSUPPORTED` for another algorithm or a header that
 *   asks for more than a reader of RFC 7515 knows (`crit`).
 */
export function parseToken(text: string): JsonWebToken {
  if (text.length > MAX_TOKEN_LENGTH) malformed(`token: more than ${MAX_TOKEN_LENGTH} characters`);
  const [head = "", payload = "", signature, ...more] = text.split(".");
  if (signature === undefined || more.length > 0) malformed("token: not three parts");
  const header = parseObject(head, "header");
  if (header["alg"] !== ALGORITHM) unsupported(`token: an algorithm that is not ${ALGORITHM}`);
  if (header["crit"] !== undefined || header["b64"] !== undefined) unsupported("token: a header that must be understood");
  const keyId = header["kid"] ?? null;
  if (keyId !== null && typeof keyId !== "string") malformed("token header: `kid` is no text");
  const claims = parseObject(payload, "payload");
  return { text, keyId, claims, signed: utf8(`${head}.${payload}`), signature: parseBase64Url(signature) };
}
