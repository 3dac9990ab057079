/** Tiles (C2SP tlog-tiles): paths, and bundles of entries. */
import { concatBytes } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";

/** Hashes or entries in a full tile. */
export const TILE_WIDTH = 256;
/** Levels of hashes that one tile spans: 2^8 = 256. */
export const TILE_HEIGHT = 8;

/** Address of a tile. `level` is `entries` or 0 to 5; `width` is 256 for a full tile and 1 to 255 for a partial one. */
export interface TileAddress {
  readonly level: number | "entries";
  readonly index: number;
  readonly width: number;
}

/** The path of a tile: `tile/<L>/<N>[.p/<W>]`, where N is in groups of three digits, all but the last behind an `x`. */
export function encodeTilePath({ level, index, width }: TileAddress): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.{3}/g) ?? [];
  const name = groups.map((group, place) => (place < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${level}/${name}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/**
 * Parses the path of a tile.
 * @throws TrisealError `NOT_FOUND` for anything that is not exactly such a path.
 */
export function parseTilePath(path: string): TileAddress {
  const match = /^tile\/(entries|[0-5])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  const index = Number((match?.[2] ?? "").replaceAll(/[x/]/g, ""));
  const width = match?.[3] === undefined ? TILE_WIDTH : Number(match[3]);
  const level = match?.[1] === "entries" ? "entries" : Number(match?.[1]);
  const address: TileAddress = { level, index, width };
  if (match === null || width > TILE_WIDTH || encodeTilePath(address) !== path) {
    throw new TrisealError("NOT_FOUND", "no such tile");
  }
  return address;
}

/** An entry bundle: every entry, of at most 65535 bytes, behind its length in two bytes, most significant first. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.some((entry) => entry.length > 0xffff)) throw new RangeError("an entry has at most 65535 bytes");
  return concatBytes(...entries.flatMap((entry) => [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]));
}

/**
 * The entries of an entry bundle.
 * @throws TrisealError `LOG_PROOF_INVALID` where it is cut short.
 */
export function parseEntries(bytes: Uint8Array): readonly Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
    if (offset + 2 + length > bytes.length) throw new TrisealError("LOG_PROOF_INVALID", "entry bundle is cut short");
    entries.push(bytes.slice(offset + 2, offset + 2 + length));
    offset += 2 + length;
  }
  return entries;
}
