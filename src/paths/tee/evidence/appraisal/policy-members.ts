/** Decoders of policy members: absent and null mean the default, which for an expectation is null, "not compared". */
import type { Decoder } from "../../../../core/decode.ts";
import { matching, oneOf } from "../../../../core/decode.ts";
import { TrisealError } from "../../../../core/errors.ts";
import type { JsonValue } from "../../../../core/json.ts";

/** What may be absent or null; then `fallback`. */
export function orElse<T, F>(decode: Decoder<T>, fallback: F): Decoder<T | F> {
  return (value, place) => (value === undefined || value === null ? fallback : decode(value, place));
}

/** What may be absent or null; then nothing is compared. */
export function expected<T>(decode: Decoder<T>): Decoder<T | null> {
  return orElse(decode, null);
}

const hexDigits = matching(/(?:[0-9a-fA-F]{2})*/, "hexadecimal");

/** Hexadecimal in either case and of any length, as lower case. A length that the evidence does not have compares as different. */
export const hex: Decoder<string> = (value, place) => hexDigits(value, place).toLowerCase();

/** Most alternatives of one expectation. */
const MAX_ALTERNATIVES = 256;

/** One hexadecimal value, or a list of those that are allowed. */
export const hexAlternatives: Decoder<readonly string[]> = (value, place) => {
  if (!Array.isArray(value)) return [hex(value, place)];
  if (value.length > MAX_ALTERNATIVES) throw new TrisealError("FORMAT_INVALID", `${place}: more than ${MAX_ALTERNATIVES} values`);
  return value.map((item: JsonValue, index) => hex(item, `${place}[${index}]`));
};

/** Whether `actual`, in lower-case hexadecimal, is what is expected. */
export function meets(alternatives: readonly string[] | null, actual: string | null): boolean {
  return alternatives === null || (actual !== null && alternatives.includes(actual));
}

/** What may follow the end of evidence: nothing, zero bytes, or anything. */
export type Trailing = "none" | "zeros" | "any";

/** The member `trailing`: `none` by default. */
export const oneTrailing: Decoder<Trailing> = orElse(oneOf("none", "zeros", "any"), "none");

/** Whether `rest`, the bytes after the evidence's own end, may be there. */
export function mayTrail(rest: Uint8Array, trailing: Trailing): boolean {
  return rest.length === 0 || trailing === "any" || (trailing === "zeros" && rest.every((byte) => byte === 0));
}
