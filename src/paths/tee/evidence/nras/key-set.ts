/** A JSON Web Key Set (RFC 7517), frozen at the time of the tokens: the service changes its keys within days. */
import { concatBytes } from "../../../../core/bytes.ts";
import { array, base64Bytes, jsonObject } from "../../../../core/decode.ts";
import type { JsonObject, JsonValue } from "../../../../core/json.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import type { PublicKey } from "../x509/algorithm.ts";
import { type Certificate, MAX_CERTIFICATE_BYTES, parseCertificate } from "../x509/certificate.ts";
import { parseBase64Url } from "./json-web-token.ts";

/** Largest key set; the real one has 32 keys and 81 kB. */
export const MAX_KEY_SET_BYTES = 1024 * 1024;
const MAX_KEYS = 256;
const MAX_CERTIFICATES = 8;
const COORDINATE_BYTES = 48;

/** A key of the set that ES384 can be verified with. */
export interface TokenKey {
  /** Uncompressed point of P-384, 97 bytes; null where only the certificate has the key. */
  readonly point: Uint8Array | null;
  /** Certificates of the key, leaf first; none where the set has none. */
  readonly certificates: readonly Certificate[];
}

/** Keys by their id, not yet read: only the one that signed is looked at. */
export type KeySet = ReadonlyMap<string, JsonObject>;

/** The keys of a set. Those without an id can sign nothing that is accepted. @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`. */
export function parseKeySet(document: JsonValue): KeySet {
  const set = new Map<string, JsonObject>();
  for (const key of array(jsonObject, MAX_KEYS)(jsonObject(document, "key set")["keys"], "keys")) {
    const id = key["kid"];
    if (id === undefined) continue;
    if (typeof id !== "string" || set.has(id)) return malformed("key set: an id twice, or no text");
    set.set(id, key);
  }
  return set;
}

function coordinate(key: JsonObject, name: string): Uint8Array {
  const text = key[name];
  const bytes = typeof text === "string" ? parseBase64Url(text) : malformed(`key: no ${name}`);
  return bytes.length === COORDINATE_BYTES ? bytes : malformed(`key: ${name} is not ${COORDINATE_BYTES} bytes`);
}

function readCertificates(chain: JsonValue | undefined): readonly Certificate[] {
  if (chain === undefined) return [];
  return array(base64Bytes(MAX_CERTIFICATE_BYTES), MAX_CERTIFICATES)(chain, "x5c").map((der) => parseCertificate(der));
}

/**
 * One key of the set.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`; `EVIDENCE_UNSUPPORTED` for a key that is not for ES384.
 */
export function parseTokenKey(key: JsonObject): TokenKey {
  const certificates = readCertificates(key["x5c"]);
  const stated = { kty: "EC", crv: "P-384", alg: "ES384", use: "sig" };
  for (const [name, value] of Object.entries(stated)) {
    if (key[name] !== undefined && key[name] !== value) unsupported(`key: \`${name}\` is not ${value}`);
  }
  const bare = key["x"] === undefined && key["y"] === undefined && certificates.length > 0;
  const point = bare ? null : concatBytes(Uint8Array.of(4), coordinate(key, "x"), coordinate(key, "y"));
  return { point, certificates };
}

/** The public key: that of the set, or else that of its certificate. The caller compares both where there are both. */
export function publicKeyOf({ point, certificates }: TokenKey): PublicKey | null {
  if (point === null) return certificates[0]?.publicKey ?? null;
  return { type: "EC", curve: "P-384", point, spki: point };
}
