/** Reads roles: one byte string, a list of certificates, or a JSON document. */
import { type JsonValue, parseJson } from "../../../../core/json.ts";
import type { Certificate } from "../x509/certificate.ts";
import { parseCertificate } from "../x509/certificate.ts";
import type { Roles } from "./appraiser.ts";
import { malformed } from "./evidence-error.ts";
import type { Findings } from "./findings.ts";

function isList(value: object): value is readonly Uint8Array[] {
  return Array.isArray(value);
}

/** Most certificates in one role; the longest real chain has five. */
const MAX_CERTIFICATES = 16;

/** Whether a role holds something: an empty list is as good as none. */
export function isGiven(roles: Roles, name: string): boolean {
  const value = roles.get(name);
  return value !== undefined && !(isList(value) && value.length === 0);
}

/** The byte strings of a role, in order; none where the role is absent. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function listOf(roles: Roles, name: string): readonly Uint8Array[] {
  const value = roles.get(name);
  if (value === undefined) return [];
  if (value instanceof Uint8Array) return [value];
  if (!isList(value)) return malformed("undecodable" in value ? value.undecodable : "JSON in place of bytes");
  if (value.length > MAX_CERTIFICATES) malformed(`more than ${MAX_CERTIFICATES} byte strings`);
  return value;
}

/** The byte string of a role, or null where the role is absent. @throws TrisealError `EVIDENCE_MALFORMED` for several or JSON, and beyond `maxBytes`. */
export function bytesOf(roles: Roles, name: string, maxBytes: number): Uint8Array | null {
  if (!roles.has(name)) return null;
  const [only, ...others] = listOf(roles, name);
  if (only === undefined || others.length > 0) return malformed("not one byte string");
  return only.length <= maxBytes ? only : malformed(`more than ${maxBytes} bytes`);
}

/** The JSON value of a role, strictly read, or null where the role is absent. @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`. */
export function jsonOf(roles: Roles, name: string, maxBytes: number): JsonValue | null {
  const value = roles.get(name);
  if (value !== undefined && "json" in value) return value.json;
  const bytes = bytesOf(roles, name, maxBytes);
  return bytes === null ? null : parseJson(bytes);
}

/** The certificates of a role, each in its own DER; null where one does not parse, and that is recorded. */
export function certificatesOf(roles: Roles, name: string, findings: Findings): readonly Certificate[] | null {
  const ders = findings.read(`\`${name}\``, () => listOf(roles, name));
  if (ders === null) return null;
  const certificates = ders.map((der, index) => findings.read(`\`${name}\`[${index}]`, () => parseCertificate(der)));
  return certificates.includes(null) ? null : certificates.filter((certificate) => certificate !== null);
}

/** One part that the evidence cannot be without; null where it is absent or unreadable, and that is recorded. */
export function requiredPart<T>(findings: Findings, name: string, parse: (name: string) => T | null): T | null {
  return findings.read(`\`${name}\``, () => parse(name) ?? malformed("the role is absent"));
}
