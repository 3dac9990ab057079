/**
 * Strict decoders of parsed JSON: each returns the value in its type, or throws `FORMAT_INVALID` and names the place.
 * Unknown members are refused, so that nothing unauthenticated can ride along.
 */
import { parseBase64, parseHex } from "./bytes.ts";
import { isDigest, type Sha256Digest } from "./digest.ts";
import { TrisealError } from "./errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { type UnixSeconds, unixSeconds } from "./time.ts";

/** Reads one JSON value; `place` is its position, for the message. */
export type Decoder<T> = (value: JsonValue | undefined, place: string) => T;

/** The type that a decoder returns. */
export type Decoded<D> = D extends Decoder<infer T> ? T : never;

function refuse(place: string, expected: string): never {
  throw new TrisealError("FORMAT_INVALID", `${place}: expected ${expected}`);
}

/** A string of 1 to `maxLength` UTF-16 code units without control characters. */
export function text(maxLength = 256): Decoder<string> {
  return (value, place) => {
    const ok = typeof value === "string" && value.length > 0 && value.length <= maxLength;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
    if (!ok || /[\u0000-\u001f\u007f]/.test(value)) refuse(place, `a text of 1 to ${maxLength} printable characters`);
    return value;
  };
}

/** A string that matches `pattern` as a whole. */
export function matching(pattern: RegExp, expected: string): Decoder<string> {
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags);
  return (value, place) => (typeof value === "string" && whole.test(value) ? value : refuse(place, expected));
}

/** Lower-case hexadecimal of exactly `byteLength` bytes; the text is returned. */
export function hexText(byteLength: number): Decoder<string> {
  return matching(new RegExp(`[0-9a-f]{${byteLength * 2}}`), `${byteLength} bytes in lower-case hexadecimal`);
}

/** Lower-case hexadecimal of exactly `byteLength` bytes; the bytes are returned. */
export function hexBytes(byteLength: number): Decoder<Uint8Array> {
  const decode = hexText(byteLength);
  return (value, place) => parseHex(decode(value, place));
}

/** Canonical base64 of at most `maxBytes` bytes; the bytes are returned. */
export function base64Bytes(maxBytes: number): Decoder<Uint8Array> {
  return (value, place) => {
    if (typeof value !== "string" || value.length > Math.ceil(maxBytes / 3) * 4)
      refuse(place, `base64 of at most ${maxBytes} bytes`);
    try {
      return parseBase64(value);
    } catch (cause) {
      throw new TrisealError("FORMAT_INVALID", `${place}: expected canonical base64`, { cause });
    }
  };
}

/** A digest, `sha256:` and 64 hexadecimal digits. */
export const digest: Decoder<Sha256Digest> = (value, place) =>
  typeof value === "string" && isDigest(value) ? value : refuse(place, "`sha256:` and 64 hexadecimal digits");

/** An integer from `least` to `most`, by default any safe integer that is not negative. */
export function integer(least = 0, most = Number.MAX_SAFE_INTEGER): Decoder<number> {
  return (value, place) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most
      ? value
      : refuse(place, `an integer from ${least} to ${most}`);
}

/** Any finite number. */
export const finite: Decoder<number> = (value, place) => (typeof value === "number" ? value : refuse(place, "a number"));

/** Whole seconds since the epoch. */
export const seconds: Decoder<UnixSeconds> = (value, place) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? unixSeconds(value)
    : refuse(place, "whole seconds since the epoch");

/** `true` or `false`. */
export const boolean: Decoder<boolean> = (value, place) =>
  typeof value === "boolean" ? value : refuse(place, "`true` or `false`");

/** One of the given strings or numbers. */
export function oneOf<const T extends string | number>(...allowed: readonly T[]): Decoder<T> {
  return (value, place) => allowed.find((item) => item === value) ?? refuse(place, `one of ${allowed.join(", ")}`);
}

/** `null`, or what `inner` reads. */
export function nullable<T>(inner: Decoder<T>): Decoder<T | null> {
  return (value, place) => (value === null ? null : inner(value, place));
}

/** An array of at most `maxItems` items. */
export function array<T>(item: Decoder<T>, maxItems: number): Decoder<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value) || value.length > maxItems) refuse(place, `an array of at most ${maxItems} items`);
    return value.map((entry: JsonValue, index) => item(entry, `${place}[${index}]`));
  };
}

/** An object whose keys all satisfy `key`, with at most `maxEntries` members, as a map. */
export function map<K extends string, T>(key: Decoder<K>, item: Decoder<T>, maxEntries: number): Decoder<ReadonlyMap<K, T>> {
  return (value, place) => {
    if (!isJsonObject(value) || Object.keys(value).length > maxEntries) {
      refuse(place, `an object of at most ${maxEntries} members`);
    }
    return new Map(
      Object.entries(value).map(([name, entry]) => [key(name, `${place} key`), item(entry, `${place}.${name.slice(0, 80)}`)]),
    );
  };
}

/** Any JSON object, as it is: for parts whose form another decoder knows. */
export const jsonObject: Decoder<JsonObject> = (value, place) => (isJsonObject(value) ? value : refuse(place, "an object"));

/** Any JSON value, as it is. */
export const anyJson: Decoder<JsonValue> = (value, place) => (value === undefined ? refuse(place, "a value") : value);

type Members = Readonly<Record<string, Decoder<unknown>>>;
type ObjectOf<Required extends Members, Optional extends Members> = {
  readonly [K in keyof Required]: Decoded<Required[K]>;
} & { readonly [K in keyof Optional]?: Decoded<Optional[K]> };

/** A member that the document itself has: `constructor` and the like stand in every object and in no document. */
function ownMember(value: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** An object with exactly the `required` members and any of the `optional` ones. */
export function object<Required extends Members, Optional extends Members = Record<never, never>>(
  required: Required,
  optional: Optional = {} as Optional,
): Decoder<ObjectOf<Required, Optional>> {
  return (value, place) => {
    if (!isJsonObject(value)) refuse(place, "an object");
    const decoded: Record<string, unknown> = {};
    for (const [name, decode] of Object.entries(required)) decoded[name] = decode(ownMember(value, name), `${place}.${name}`);
    for (const [name, member] of Object.entries(value)) {
      if (Object.hasOwn(required, name)) continue;
      const decode = Object.hasOwn(optional, name) ? optional[name] : undefined;
      if (decode === undefined) refuse(`${place}.${name.slice(0, 80)}`, "no such member");
      decoded[name] = decode(member, `${place}.${name}`);
    }
    return decoded as ObjectOf<Required, Optional>;
  };
}
