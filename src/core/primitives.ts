/**
 * Primitives that a platform may do faster than portable JavaScript: SHA-256, Ed25519 verification, base64. A program takes
 * them up once, at its start; they are told apart from the portable ones by nothing but time. Portable code runs without.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { TrisealError } from "./errors.ts";

/** A platform's primitives. */
export interface Primitives {
  /** FIPS 180-4: the 32 bytes over `bytes`. */
  sha256(bytes: Uint8Array): Uint8Array;
  /**
   * Whether `signature` verifies under the 32-byte `publicKey`. It may refuse what the strict rules accept, and it is asked
   * only about keys that they accept; it must not accept a non-canonical `S` or `R`.
   */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Standard base64 with padding. */
  encodeBase64(bytes: Uint8Array): string;
  /** Bytes of standard base64 with padding; `text` holds nothing but its alphabet, in whole groups of four. */
  decodeBase64(text: string): Uint8Array;
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();
const BASE64_DIGITS = textEncoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const BASE64_PAD = 0x3d;

function encodeBase64(bytes: Uint8Array): string {
  // Written as bytes and decoded once: `btoa` on a string put together from parts took 94 ms for a megabyte.
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(BASE64_PAD);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const group = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    const digits = Math.min(4, bytes.length - from + 1);
    for (let digit = 0; digit < digits; digit++) text[to + digit] = BASE64_DIGITS[(group >> (18 - 6 * digit)) & 63] ?? BASE64_PAD;
  }
  return textDecoder.decode(text);
}

function decodeBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

const portable: Primitives = {
  sha256,
  verifyEd25519: (publicKey, message, signature) => ed25519.verify(signature, message, publicKey, { zip215: false }),
  encodeBase64,
  decodeBase64,
};

let platform: Primitives | null = null;

/** The primitives in use: the platform's, or those in JavaScript. */
export function primitives(): Primitives {
  return platform ?? portable;
}

/** Most public keys whose form is remembered; a service has a handful. */
const MAX_KEYS_KEPT = 1024;

/** Public keys that were decoded before, with whether the strict rules accept them: canonical, and not of small order. */
const soundKeys = new Map<string, boolean>();

function isSound(hex: string, publicKey: Uint8Array): boolean {
  const known = soundKeys.get(hex);
  if (known !== undefined) return known;
  let sound: boolean;
  try {
    sound = !ed25519.Point.fromBytes(publicKey, false).isSmallOrder();
  } catch {
    sound = false;
  }
  if (soundKeys.size >= MAX_KEYS_KEPT) soundKeys.clear();
  soundKeys.set(hex, sound);
  return sound;
}

/**
 * The verdict of the strict rules, whoever computes it: a platform's yes counts for keys that the rules accept, its no is
 * decided by the portable code. So every platform accepts the same signatures. May throw on bytes that are none.
 */
export function verifyStrictly(hex: string, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (platform !== null && isSound(hex, publicKey) && platform.verifyEd25519(publicKey, message, signature)) return true;
  return portable.verifyEd25519(publicKey, message, signature);
}

/** Lengths that end before, at and after a block of SHA-256. */
const PROBE_LENGTHS = [0, 1, 55, 56, 64, 1000];

/**
 * Takes up `offered` for this process, after trying them against the portable ones.
 * @throws TrisealError `INTERNAL` where they answer differently; nothing is taken up then.
 */
export function usePrimitives(offered: Primitives): void {
  const sameBytes = PROBE_LENGTHS.every((length) => {
    const probe = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
    const text = encodeBase64(probe);
    const sameText = offered.encodeBase64(probe) === text && offered.decodeBase64(text).join() === probe.join();
    return sameText && offered.sha256(probe).join() === sha256(probe).join();
  });
  const { secretKey, publicKey } = ed25519.keygen(new Uint8Array(32).fill(7));
  const message = Uint8Array.of(1, 2, 3);
  const signature = ed25519.sign(message, secretKey);
  const altered = signature.with(0, (signature[0] ?? 0) ^ 1);
  const sameVerdict =
    offered.verifyEd25519(publicKey, message, signature) &&
    !offered.verifyEd25519(publicKey, Uint8Array.of(1, 2, 4), signature) &&
    !offered.verifyEd25519(publicKey, message, altered);
  if (!sameBytes || !sameVerdict) throw new TrisealError("INTERNAL", "the platform's primitives compute something else");
  platform = offered;
}
