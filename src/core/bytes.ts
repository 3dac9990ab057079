/** Byte strings and their text forms. Every decoder is strict: one value has one spelling. */
import { TrisealError } from "./errors.ts";
import { primitives } from "./primitives.ts";

const textEncoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return textEncoder.encode(text);
}

/**
 * The text that `bytes` spell in UTF-8.
 * @throws TrisealError `FORMAT_INVALID` where the bytes are not well-formed UTF-8.
 */
export function parseUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new TrisealError("FORMAT_INVALID", "the bytes are not UTF-8", { cause });
  }
}

/** One byte string made of `parts` in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether both byte strings have the same content. Not constant time: for public values only. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal form of `bytes`, without prefix. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX_PAIRS[byte];
  return text;
}

/**
 * Bytes of a lower-case hexadecimal string.
 * @throws TrisealError `FORMAT_INVALID` for upper case, an odd length or another character.
 */
export function parseHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new TrisealError("FORMAT_INVALID", "expected lower-case hexadecimal digits");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(text.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  return primitives().encodeBase64(bytes);
}

function decodePadded(text: string): Uint8Array {
  try {
    return primitives().decodeBase64(text);
  } catch (cause) {
    throw new TrisealError("FORMAT_INVALID", "expected standard base64 with padding", { cause });
  }
}

/**
 * Bytes of canonical standard base64: padding present, no white space, unused bits zero (RFC 4648 sections 3.2, 3.5).
 * @throws TrisealError `FORMAT_INVALID` for any other spelling.
 */
export function parseBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new TrisealError("FORMAT_INVALID", "expected standard base64 with padding");
  }
  const bytes = decodePadded(text);
  const tail = text.slice(-4);
  if (tail !== "" && encodeBase64(bytes.subarray(bytes.length - (bytes.length % 3 || 3))) !== tail) {
    throw new TrisealError("FORMAT_INVALID", "base64 is not canonical: unused bits are set");
  }
  return bytes;
}

/** `value` as four bytes, most significant first. `value` is an integer from 0 to 2^32-1. */
export function uint32BE(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
