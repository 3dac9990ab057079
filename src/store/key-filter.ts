/**
 * Bloom filter over idempotency keys that were used up: nearly every key is new, and to know that needs no query.
 * A positive answer means "ask the database", a negative one is certain.
 */
import { parseHex } from "../core/bytes.ts";

/** 2^25 bits, 4 MiB: one query too many in about 100 new keys at 3.5 million used ones. */
const BITS = 2 ** 25;
/** Positions of one key. Its hash is SHA-256 already: seven words of it are seven independent hashes. */
const PROBES = 7;

/** A filter of fixed size. */
export class KeyFilter {
  private readonly words = new Uint32Array(BITS / 32);

  /** @param keyHash 64 hexadecimal digits. */
  add(keyHash: string): void {
    for (const bit of positions(keyHash)) this.words[bit >>> 5] = (this.words[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  /** False where the key was certainly never added. */
  mayHave(keyHash: string): boolean {
    return positions(keyHash).every((bit) => ((this.words[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0);
  }
}

function positions(keyHash: string): readonly number[] {
  const bytes = parseHex(keyHash);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: PROBES }, (_, probe) => view.getUint32(4 * probe) % BITS);
}
