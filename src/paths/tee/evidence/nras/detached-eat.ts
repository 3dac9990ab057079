/**
 * What NVIDIA's remote attestation service answers: a detached EAT bundle (RFC 9711 section 5), that is one token about the
 * whole and one about each device, which the first cites by digest.
 */
import { anyJson, array, type Decoder, integer, jsonObject, matching, oneOf, text } from "../../../../core/decode.ts";
import type { JsonObject, JsonValue } from "../../../../core/json.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { type JsonWebToken, parseToken } from "./json-web-token.ts";

/** Largest bundle: 64 devices of 8 kB. */
export const MAX_EAT_BYTES = 1024 * 1024;
const MAX_DEVICES = 64;

/** A token with its window. A token without a beginning begins when it was issued. */
export interface EatToken extends JsonWebToken {
  readonly issuer: string | null;
  /** What the requester chose, lower-case hexadecimal; null where the token repeats none. */
  readonly nonce: string | null;
  /** Seconds since 1970: the first in which it holds, and the first in which it no longer does. */
  readonly notBefore: number;
  readonly expires: number;
}

/** A bundle. Nothing is verified. */
export interface DetachedEat {
  readonly overall: EatToken;
  /** Tokens about devices by name, in the order of the bundle. */
  readonly devices: ReadonlyMap<string, EatToken>;
  /** SHA-256 of device tokens, lower-case hexadecimal, by name, as the overall token states them. */
  readonly digests: ReadonlyMap<string, string>;
}

const pair = array(anyJson, 2);
const shortText = text(512);
const seconds = integer();
const sha256Hex = matching(/[0-9a-fA-F]{64}/, "64 hexadecimal digits");
const deviceName = matching(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/, "the name of a device");

function optional<T>(decode: Decoder<T>, value: JsonValue | undefined, place: string): T | null {
  return value === undefined || value === null ? null : decode(value, place);
}

function readToken(value: JsonValue | undefined, name: string): EatToken {
  if (typeof value !== "string") return malformed(`bundle: the token ${name} is no text`);
  const token = parseToken(value);
  const { claims } = token;
  return {
    ...token,
    issuer: optional(shortText, claims["iss"], `${name}.iss`),
    nonce: optional(shortText, claims["eat_nonce"], `${name}.eat_nonce`)?.toLowerCase() ?? null,
    notBefore: seconds(claims["nbf"] ?? claims["iat"], `${name}.nbf`),
    expires: seconds(claims["exp"], `${name}.exp`),
  };
}

/** `["DIGEST", ["SHA-256", hex]]` (RFC 9711 section 4.2.18.2). */
function readDigest(value: JsonValue, name: string): string {
  const [form, stated] = pair(value, `submods.${name}`);
  const [algorithm, digest] = pair(stated, `submods.${name}`);
  if (form !== "DIGEST") malformed(`bundle: submodule ${name} is no digest`);
  oneOf("SHA-256", "SHA256")(algorithm, `submods.${name}`);
  return sha256Hex(digest, `submods.${name}`).toLowerCase();
}

function namedEntries(object: JsonObject): readonly (readonly [name: string, value: JsonValue])[] {
  const entries = Object.entries(object);
  if (entries.length > MAX_DEVICES) malformed(`bundle: more than ${MAX_DEVICES} devices`);
  return entries.map(([name, value]) => [deviceName(name, "device"), value]);
}

/**
 * The bundle that `document` is: `[["JWT", overall], {name: token, …}]`.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`, `EVIDENCE_UNSUPPORTED` as of `parseToken`.
 */
export function parseDetachedEat(document: JsonValue): DetachedEat {
  const [head, tokens] = pair(document, "bundle");
  const [form, overallText] = pair(head, "bundle[0]");
  if (form !== "JWT") malformed("bundle: of another form");
  const overall = readToken(overallText, "overall");
  const devices = new Map(namedEntries(jsonObject(tokens, "bundle[1]")).map(([name, value]) => [name, readToken(value, name)]));
  const submodules = namedEntries(jsonObject(overall.claims["submods"], "submods"));
  const digests = new Map(submodules.map(([name, value]) => [name, readDigest(value, name)]));
  return { overall, devices, digests };
}
