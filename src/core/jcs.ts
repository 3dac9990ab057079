/** JSON Canonicalization Scheme, RFC 8785. */
import { utf8 } from "./bytes.ts";
import { TrisealError } from "./errors.ts";
import type { JsonValue } from "./json.ts";

/**
 * The JCS text of `value`: members sorted by UTF-16 code units (section 3.2.3), numbers as ECMAScript writes them
 * (section 3.2.2.3), no white space.
 * @throws TrisealError `FORMAT_INVALID` for a number that is not finite, a lone surrogate, or a value JSON cannot hold.
 */
export function canonicalJson(value: JsonValue): string {
  switch (typeof value) {
    case "boolean":
      return String(value);
    case "number":
      if (!Number.isFinite(value)) throw new TrisealError("FORMAT_INVALID", "JCS has no form for this number");
      return JSON.stringify(value);
    case "string":
      if (!value.isWellFormed()) throw new TrisealError("FORMAT_INVALID", "JCS has no form for a lone surrogate");
      return JSON.stringify(value);
    case "object":
      return value === null ? "null" : canonicalContainer(value);
    default:
      throw new TrisealError("FORMAT_INVALID", `JCS has no form for ${typeof value}`);
  }
}

function canonicalContainer(value: Exclude<JsonValue, null | boolean | number | string>): string {
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonicalJson(item)).join(",")}]`;
  const object = value as Readonly<Record<string, JsonValue | undefined>>;
  const members: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) members.push(`${canonicalJson(key)}:${canonicalJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

/** The JCS form of `value` in UTF-8: what every Triseal and ACI digest and signature covers. */
export function encodeJcs(value: JsonValue): Uint8Array {
  return utf8(canonicalJson(value));
}
