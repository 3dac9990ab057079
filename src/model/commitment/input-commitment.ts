/**
 * The salted commitment to a quantised input: `Poseidon(salt, packed input)`. A TEE signs it, a proof opens it inside its
 * circuit, and whoever knows input and salt can compute it. Without the salt, inputs of few possible values could be guessed.
 */
import { TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../integer/integer-model.ts";
import { type PowerRecorder, poseidon } from "./poseidon.ts";
import { MAX_POSEIDON_INPUTS } from "./poseidon-parameters.ts";

/** Bits that surely fit in one field element. */
const ELEMENT_BITS = 253;

/** Least and most bytes of a salt: 128 to 248 bits, so that it is one field element. */
export const SALT_BYTES: { readonly least: number; readonly most: number } = { least: 16, most: 31 };

/** How an input of `count` integers from 0 to `max` is packed into field elements. */
export interface Packing {
  readonly count: number;
  /** Bits of each integer: those of `max`. */
  readonly bits: number;
  /** Integers in one field element, the first in the lowest bits. */
  readonly perElement: number;
  readonly elements: number;
}

/** The packing of `count` integers from 0 to `max` (1 to 65,535). */
export function packingOf(count: number, max: number): Packing {
  const bits = 32 - Math.clz32(max);
  const perElement = Math.floor(ELEMENT_BITS / bits);
  return { count, bits, perElement, elements: Math.ceil(count / perElement) };
}

/** The packing of a model's input: wide enough for the largest element. */
export function inputPacking({ values }: CheckedModel): Packing {
  const hi = values[0]?.hi ?? new Float64Array();
  return packingOf(
    hi.length,
    hi.reduce((most, item) => Math.max(most, item), 1),
  );
}

/**
 * The packed field elements of an input.
 * @throws TrisealError `INTERNAL` for another number of integers or one beyond its bits.
 */
export function packInput(packing: Packing, input: ArrayLike<number>): bigint[] {
  const { count, bits, perElement, elements } = packing;
  if (input.length !== count) throw new TrisealError("INTERNAL", `expected ${count} integers, got ${input.length}`);
  const digits = Math.ceil((perElement * bits) / 4);
  return Array.from({ length: elements }, (_, element) => {
    // 16 bits at a time into hexadecimal: one BigInt per element instead of one per integer.
    const words = new Uint16Array(Math.ceil(digits / 4) + 1);
    const from = element * perElement;
    for (let at = 0; at < perElement && from + at < count; at++) {
      const value = input[from + at] ?? 0;
      if (!(value >= 0 && value < 2 ** bits)) throw new TrisealError("INTERNAL", "an integer is beyond its bits");
      const [word, shift] = [(at * bits) >>> 4, (at * bits) & 15];
      words[word] = (words[word] ?? 0) | (value << shift);
      if (shift + bits > 16) words[word + 1] = (words[word + 1] ?? 0) | (value >>> (16 - shift));
    }
    return BigInt(`0x${Array.from(words.toReversed(), (word) => word.toString(16).padStart(4, "0")).join("")}`);
  });
}

/**
 * How `elements` field elements are hashed: the first call takes up to 16, every further one the hash so far and up to 15.
 * Their number is fixed by the model, so that no two lists give one sequence of calls.
 */
export function hashCalls(elements: number): readonly number[] {
  const calls = [Math.min(elements, MAX_POSEIDON_INPUTS)];
  for (let left = elements - MAX_POSEIDON_INPUTS; left > 0; left -= MAX_POSEIDON_INPUTS - 1) {
    calls.push(Math.min(left, MAX_POSEIDON_INPUTS - 1) + 1);
  }
  return calls;
}

/** The hash of any number of field elements, in the calls of `hashCalls`. `record` is that of `poseidon`. */
export function hashElements(elements: readonly bigint[], record?: PowerRecorder): bigint {
  let hash = 0n;
  let next = 0;
  hashCalls(elements.length).forEach((inputs, call) => {
    const taken = call === 0 ? inputs : inputs - 1;
    const chunk = elements.slice(next, next + taken);
    hash = poseidon(call === 0 ? chunk : [hash, ...chunk], record);
    next += taken;
  });
  return hash;
}

/**
 * The salt as a field element, most significant byte first.
 * @throws TrisealError `FORMAT_INVALID` for fewer than 16 or more than 31 bytes.
 */
export function saltElement(salt: Uint8Array): bigint {
  if (salt.length < SALT_BYTES.least || salt.length > SALT_BYTES.most) {
    throw new TrisealError("FORMAT_INVALID", `a salt has ${SALT_BYTES.least} to ${SALT_BYTES.most} bytes`);
  }
  return salt.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * The commitment to an input of integers from 0 to the packing's largest.
 * @throws TrisealError `FORMAT_INVALID` for a salt of another size, `INTERNAL` for an input that does not fit the packing.
 */
export function commitInput(packing: Packing, salt: Uint8Array, input: ArrayLike<number>): bigint {
  return hashElements([saltElement(salt), ...packInput(packing, input)]);
}
