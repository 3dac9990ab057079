/** Mutations of valid examples: by the bytes, and by the structure that the bytes have. */
import { concatBytes } from "../../src/core/bytes.ts";
import type { Dice } from "./dice.ts";
import { mutateJson } from "./mutate-json.ts";
import { mutateLines } from "./mutate-lines.ts";

/** Largest case, in bytes: slow parsers show long before. */
const MAX_CASE_BYTES = 256 * 1024;

/** Bytes that end, open or escape something in one of the formats. */
const TELLING = [0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2e, 0x2f, 0x30, 0x5b, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xed, 0xff];

/** A range of `bytes`, mostly a short one. */
function range(bytes: Uint8Array, dice: Dice): readonly [from: number, to: number] {
  const from = dice.below(bytes.length + 1);
  const longest = bytes.length - from;
  return [from, from + dice.below(Math.min(longest, dice.oneIn(4) ? longest : 16) + 1)];
}

type Mutation = (bytes: Uint8Array, dice: Dice, others: readonly Uint8Array[]) => Uint8Array;

const flipBit: Mutation = (bytes, dice) => {
  const changed = Uint8Array.from(bytes);
  const place = dice.below(bytes.length);
  if (place < changed.length) changed[place] = (changed[place] ?? 0) ^ (1 << dice.below(8));
  return changed;
};

const setByte: Mutation = (bytes, dice) => {
  const changed = Uint8Array.from(bytes);
  const place = dice.below(bytes.length);
  if (place < changed.length) changed[place] = dice.oneIn(2) ? dice.pick(TELLING) : dice.below(256);
  return changed;
};

const insert: Mutation = (bytes, dice) => {
  const at = dice.below(bytes.length + 1);
  const length = dice.oneIn(50) ? dice.below(20_000) : 1 + dice.below(4);
  return concatBytes(bytes.subarray(0, at), new Uint8Array(length).fill(dice.pick(TELLING)), bytes.subarray(at));
};

const remove: Mutation = (bytes, dice) => {
  const [from, to] = range(bytes, dice);
  return concatBytes(bytes.subarray(0, from), bytes.subarray(to));
};

const repeat: Mutation = (bytes, dice) => {
  const [from, to] = range(bytes, dice);
  const part = bytes.subarray(from, to);
  const times = Math.min(1 + dice.below(dice.oneIn(10) ? 500 : 3), Math.ceil(MAX_CASE_BYTES / Math.max(1, part.length)));
  return concatBytes(bytes.subarray(0, to), ...Array.from({ length: times }, () => part), bytes.subarray(to));
};

const cut: Mutation = (bytes, dice) => bytes.slice(0, dice.below(bytes.length + 1));

const splice: Mutation = (bytes, dice, others) => {
  const other = dice.pick(others);
  const [from, to] = range(other, dice);
  const [start, end] = range(bytes, dice);
  return concatBytes(bytes.subarray(0, start), other.subarray(from, to), bytes.subarray(end));
};

const BYTEWISE: readonly Mutation[] = [flipBit, flipBit, setByte, insert, remove, repeat, cut, splice];

function once(bytes: Uint8Array, dice: Dice, others: readonly Uint8Array[]): Uint8Array {
  if (!dice.oneIn(3)) {
    const structured = mutateJson(bytes, dice) ?? mutateLines(bytes, dice);
    if (structured !== null) return structured;
  }
  return dice.pick(BYTEWISE)(bytes, dice, others);
}

/** A mutated example: one to four changes, by structure where the bytes have one, else by the bytes. */
export function mutate(examples: readonly Uint8Array[], dice: Dice): Uint8Array {
  let bytes = dice.pick(examples);
  const changes = dice.oneIn(3) ? 2 + dice.below(3) : 1;
  for (let change = 0; change < changes; change++) bytes = once(bytes, dice, examples).slice(0, MAX_CASE_BYTES);
  return bytes;
}
