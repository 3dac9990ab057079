/** Secrets that a test plants, and every place where one of them must not turn up, in every spelling. */
import { readFileSync, statSync } from "node:fs";
import { filesUnder } from "./gateway-harness.ts";

/** A secret, as it is known to the test. */
export interface Planted {
  readonly name: string;
  readonly bytes: Buffer;
  /** Ends of paths of the files that may hold it. */
  readonly home?: RegExp;
}

/** A text secret. */
export const plantedText = (name: string, text: string, home?: RegExp): Planted => ({
  name,
  bytes: Buffer.from(text),
  ...(home === undefined ? {} : { home }),
});

/** Base64 of the bytes at each of the three offsets that they can have in a longer text; the characters at both ends depend on their neighbours. */
function base64Forms(bytes: Buffer, encoding: "base64" | "base64url"): readonly string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString(encoding);
    return encoded.slice(shift === 0 ? 0 : 4, -4).replace(/=+$/, "");
  });
}

/** Every spelling in which it could lie somewhere: as it is, in hexadecimal of either case, in both kinds of base64, and as UTF-16. */
export function spellings(secret: string | Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(secret as Uint8Array);
  const hex = bytes.toString("hex");
  const texts = [hex, hex.toUpperCase(), ...base64Forms(bytes, "base64"), ...base64Forms(bytes, "base64url")];
  const wide = typeof secret === "string" ? [Buffer.from(secret, "utf16le")] : [];
  return [bytes, ...wide, ...texts.filter((text) => text.length >= 8).map((text) => Buffer.from(text))];
}

/** Something that was said: a log, an answer. */
export interface Said {
  readonly place: string;
  readonly bytes: Uint8Array;
}

/** Where planted secrets occur outside their homes, as `secret in place`. */
export function leaks(planted: readonly Planted[], folder: string, said: readonly Said[]): readonly string[] {
  const files = filesUnder(folder).map(({ path, bytes }) => ({ place: path, bytes }));
  return planted.flatMap(({ name, bytes, home }) => {
    const wanted = spellings(bytes);
    const places = [...files, ...said].filter((place) => wanted.some((spelling) => Buffer.from(place.bytes).includes(spelling)));
    return places.filter(({ place }) => home === undefined || !home.test(place)).map(({ place }) => `${name} in ${place}`);
  });
}

/** Largest file that is looked at as one that may be a key. */
const MAX_KEY_FILE_BYTES = 8192;

/** The private keys of a data folder, each with the one file that may hold it: seeds of signing keys, and secrets of bare bytes. */
export function privateKeysUnder(dataDir: string): readonly Planted[] {
  return filesUnder(dataDir).flatMap(({ path, bytes }): readonly Planted[] => {
    if ((statSync(path).mode & 0o077) !== 0 || bytes.length > MAX_KEY_FILE_BYTES) return [];
    const own = path.slice(dataDir.length).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const home = new RegExp(`${own}$`);
    const text = readFileSync(path, "utf8");
    const seed = /"(?:seed|privateKey)":\s*"([0-9a-f]{64})"/.exec(text)?.[1] ?? /^([0-9a-f]{64})\s*$/.exec(text)?.[1];
    if (seed !== undefined) return [{ name: `key ${own}`, bytes: Buffer.from(seed, "hex"), home }];
    return path.endsWith(".key") && bytes.length === 32 ? [{ name: `key ${own}`, bytes, home }] : [];
  });
}
