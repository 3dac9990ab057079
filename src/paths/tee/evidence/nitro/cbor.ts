/**
 * The part of CBOR (RFC 8949) that attestation documents are written in: integers, byte strings, texts, arrays, maps and
 * null, in their shortest form and with definite lengths. Tags, floats and other simple values are refused, and so is a map
 * with a key twice or with a key that is neither a number nor a text: one document has one reading.
 */
import { concatBytes, parseUtf8 } from "../../../../core/bytes.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed } from "../appraisal/evidence-error.ts";

/** A value. Maps keep the order of the document. */
export type CborValue = number | string | Uint8Array | null | readonly CborValue[] | CborMap;

/** A map by numbers and texts. */
export type CborMap = ReadonlyMap<number | string, CborValue>;

const MAX_DEPTH = 8;
/** Most items of an array or map. */
const MAX_ITEMS = 256;
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5 } as const;
const NULL = 0xf6;

/** The argument of a head, which must not fit into a shorter one. */
function readArgument(cursor: ByteCursor, info: number): number {
  if (info < 24) return info;
  const [value, least] = longArgument(cursor, info);
  if (value < least) malformed("CBOR: not the shortest form");
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) malformed("CBOR: a number that is too large");
  return Number(value);
}

function longArgument(cursor: ByteCursor, info: number): readonly [value: bigint, least: bigint] {
  if (info === 24) return [BigInt(cursor.uint8()), 24n];
  if (info === 25) return [BigInt(cursor.uint16()), 1n << 8n];
  if (info === 26) return [BigInt(cursor.uint32()), 1n << 16n];
  return info === 27 ? [cursor.uint64(), 1n << 32n] : malformed("CBOR: an indefinite or unknown length");
}

function readMap(cursor: ByteCursor, size: number, depth: number): CborMap {
  const map = new Map<number | string, CborValue>();
  for (let member = 0; member < size; member++) {
    const key = readValue(cursor, depth + 1);
    if (typeof key !== "number" && typeof key !== "string") return malformed("CBOR: a key that is no number and no text");
    if (map.has(key)) malformed("CBOR: a key twice");
    map.set(key, readValue(cursor, depth + 1));
  }
  return map;
}

function readText(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch {
    return malformed("CBOR: a text that is not UTF-8");
  }
}

function readValue(cursor: ByteCursor, depth: number): CborValue {
  if (depth > MAX_DEPTH) malformed(`CBOR: nesting beyond ${MAX_DEPTH} levels`);
  const initial = cursor.uint8();
  if (initial === NULL) return null;
  const major = initial >> 5;
  if (major > MAJOR.map) malformed("CBOR: a tag, a float or another simple value");
  const argument = readArgument(cursor, initial & 0x1f);
  if (major === MAJOR.unsigned) return argument;
  if (major === MAJOR.negative) return -1 - argument;
  if (major === MAJOR.bytes) return cursor.take(argument);
  if (major === MAJOR.text) return readText(cursor.take(argument));
  if (argument > MAX_ITEMS) malformed(`CBOR: more than ${MAX_ITEMS} items`);
  if (major === MAJOR.map) return readMap(cursor, argument, depth);
  return Array.from({ length: argument }, () => readValue(cursor, depth + 1));
}

/** The value at the front of `bytes`, and what follows it. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function parseCborPrefix(bytes: Uint8Array): { readonly value: CborValue; readonly rest: Uint8Array } {
  const cursor = new ByteCursor(bytes, "big-endian");
  const value = readValue(cursor, 0);
  return { value, rest: cursor.rest() };
}

/** The one value that `bytes` are. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function parseCbor(bytes: Uint8Array): CborValue {
  const { value, rest } = parseCborPrefix(bytes);
  return rest.length === 0 ? value : malformed("CBOR: bytes after the value");
}

/** The encoding of a byte string of less than 2^32 bytes. */
export function encodeCborBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const type = MAJOR.bytes << 5;
  if (length < 24) return concatBytes(Uint8Array.of(type | length), bytes);
  if (length < 0x100) return concatBytes(Uint8Array.of(type | 24, length), bytes);
  if (length < 0x1_0000) return concatBytes(Uint8Array.of(type | 25, length >> 8, length & 0xff), bytes);
  const head = new Uint8Array(5);
  head[0] = type | 26;
  new DataView(head.buffer).setUint32(1, length);
  return concatBytes(head, bytes);
}
