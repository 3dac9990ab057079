/**
 * Strict DER (X.690 section 10): definite minimal lengths, one-byte tags, minimal integers. A laxer reader would let one
 * signed object have two readings, so nothing is repaired here.
 */
import { malformed } from "../appraisal/evidence-error.ts";

/** Universal tags, with the constructed bit where DER demands it. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of a context-specific member; `constructed` where it holds other elements. */
export function contextTag(number: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

/** One element: its tag, what it holds, and all of its bytes. Both arrays are views. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly raw: Uint8Array;
}

/** Reads the elements of one byte string in order. Everything throws `EVIDENCE_MALFORMED`. */
export class DerReader {
  private readonly bytes: Uint8Array;
  private offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.offset === this.bytes.length;
  }

  /** The tag of the next element, or null at the end. */
  get peek(): number | null {
    return this.bytes[this.offset] ?? null;
  }

  /** The next element, of the given tag if one is named. */
  next(tag?: number): DerElement {
    const start = this.offset;
    const found = this.byte();
    if ((found & 0x1f) === 0x1f) malformed("DER: a tag of several bytes");
    if (tag !== undefined && found !== tag) malformed(`DER: tag ${tag.toString(16)} expected, ${found.toString(16)} found`);
    const length = this.length();
    if (length > this.bytes.length - this.offset) malformed("DER: an element is longer than what holds it");
    const content = this.bytes.subarray(this.offset, this.offset + length);
    this.offset += length;
    return { tag: found, content, raw: this.bytes.subarray(start, this.offset) };
  }

  /** The next element if it has this tag, else null. */
  optional(tag: number): DerElement | null {
    return this.peek === tag ? this.next(tag) : null;
  }

  /** A reader of what the next element holds. */
  enter(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.next(tag).content);
  }

  /** Refuses bytes that are left over. */
  end(): void {
    if (!this.done) malformed("DER: bytes after the end");
  }

  private byte(): number {
    const byte = this.bytes[this.offset];
    if (byte === undefined) return malformed("DER: truncated");
    this.offset++;
    return byte;
  }

  private length(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) malformed("DER: an indefinite or enormous length");
    let length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + this.byte();
    if (length < 0x80 || length < 256 ** (count - 1)) malformed("DER: a length that is not minimal");
    return length;
  }
}

/** The one element that `bytes` are. @throws TrisealError `EVIDENCE_MALFORMED`, also for bytes after it. */
export function soleElement(bytes: Uint8Array, tag: number = TAG.sequence): DerElement {
  const reader = new DerReader(bytes);
  const element = reader.next(tag);
  reader.end();
  return element;
}

/** Big-endian two's complement of an INTEGER or ENUMERATED, in its minimal form. */
export function integerBytes({ content }: DerElement): Uint8Array {
  const [first, second] = content;
  if (first === undefined) return malformed("DER: an empty integer");
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    malformed("DER: an integer that is not minimal");
  return content;
}

/** The magnitude of an INTEGER that is not negative, without its leading zero byte. */
export function unsignedBytes(element: DerElement): Uint8Array {
  const bytes = integerBytes(element);
  if ((bytes[0] ?? 0) >= 0x80) malformed("DER: a negative integer");
  return bytes.length > 1 && bytes[0] === 0 ? bytes.subarray(1) : bytes;
}

/** An INTEGER from 0 to 2^31-1. */
export function smallInteger(element: DerElement): number {
  const bytes = unsignedBytes(element);
  if (bytes.length > 4 || (bytes.length === 4 && (bytes[0] ?? 0) >= 0x80)) malformed("DER: an integer out of range");
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** A BOOLEAN: 00 or FF. */
export function booleanOf({ content }: DerElement): boolean {
  const [byte] = content;
  if (content.length !== 1 || (byte !== 0 && byte !== 0xff)) malformed("DER: a boolean that is neither 00 nor FF");
  return byte === 0xff;
}

/** The bytes of a BIT STRING of whole bytes. */
export function wholeBits({ content }: DerElement): Uint8Array {
  if (content[0] !== 0) malformed("DER: a bit string that is not of whole bytes");
  return content.subarray(1);
}

/** The bits of a short BIT STRING (KeyUsage), bit 0 first; unused bits are zero as DER demands. */
export function namedBits({ content }: DerElement): readonly boolean[] {
  const [unused = 8, ...bytes] = content;
  const last = bytes.at(-1) ?? 0;
  if (unused > 7 || (bytes.length === 0 && unused > 0) || (last & ((1 << unused) - 1)) !== 0)
    malformed("DER: unused bits of a bit string are set");
  return bytes.flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte & (0x80 >> bit)) !== 0));
}

/** Dotted form of an OBJECT IDENTIFIER. */
export function oidOf({ content }: DerElement): string {
  if (content.length === 0 || (content.at(-1) ?? 0) >= 0x80) malformed("DER: a truncated object identifier");
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) malformed("DER: an object identifier that is not minimal");
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) malformed("DER: an object identifier out of range");
    fresh = byte < 0x80;
    if (fresh) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}

const TIME = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** Seconds since 1970 of a UTCTime or GeneralizedTime in the one form of RFC 5280 section 4.1.2.5; may be negative. */
export function timeOf({ tag, content }: DerElement): number {
  const text = String.fromCharCode(...content.subarray(0, 16));
  const [, year = "", month, day, hour, minute, second] = TIME.exec(text) ?? [];
  const digits = tag === TAG.utcTime ? 2 : 4;
  if ((tag !== TAG.utcTime && tag !== TAG.generalizedTime) || year.length !== digits || content.length !== text.length)
    malformed("DER: a time of another form");
  const century = digits === 4 ? "" : Number(year) >= 50 ? "19" : "20";
  const iso = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const milliseconds = Date.parse(iso);
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== iso) malformed("DER: no such date");
  return milliseconds / 1000;
}
