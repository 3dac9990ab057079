/** Shifts and rotations. Only the low bits of an amount count: as many as number the bits of the value. */
import { choose, type Digits, tabulate } from "./blocks.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { type Linear, plus, ZERO } from "./linear.ts";

/** Which way, and what comes in at the end. */
export interface Direction {
  /** Towards the higher blocks. */
  readonly up: boolean;
  /** Whether what goes out at one end comes in at the other. */
  readonly around: boolean;
  /** Whether the highest bit is a sign, which then comes in from above. */
  readonly signed: boolean;
}

/** Bits of an amount that count, for values of `width` bits. */
export function amountBits(width: number): number {
  return Math.ceil(Math.log2(width));
}

/** A block twice what its highest bit says: what fills a signed number from above. */
export function signFill(builder: CircuitBuilder, top: Linear): Linear {
  return builder.lookUp(top, (digit) => (digit >> 1) * 3);
}

/** Where each block comes from when all move by `blocks`. */
function sources(
  builder: CircuitBuilder,
  digits: Digits,
  blocks: number,
  { up, around, signed }: Direction,
): (at: number) => Linear {
  const { length } = digits;
  const fill = signed && !up && !around ? signFill(builder, digits[length - 1] ?? ZERO) : ZERO;
  return (at) => {
    const from = up ? at - blocks : at + blocks;
    return digits[around ? ((from % length) + length) % length : from] ?? fill;
  };
}

/** One block of a value moved by one bit, from the block there and the one that it gets a bit from. */
function oneBit(up: boolean, own: number, next: number): number {
  return up ? ((own << 1) & 3) | (next >> 1) : (own >> 1) | ((next & 1) << 1);
}

/** Moved by a number that stands in the program: blocks are renamed for nothing, and an odd bit costs a node each. */
export function shiftBy(builder: CircuitBuilder, digits: Digits, amount: number, direction: Direction): Digits {
  const source = sources(builder, digits, amount >> 1, direction);
  const { up } = direction;
  if (amount % 2 === 0) return digits.map((_, at) => source(at));
  return digits.map((_, at) =>
    tabulate(builder, [source(at), source(up ? at - 1 : at + 1)], (own = 0, next = 0) => oneBit(up, own, next)),
  );
}

/** Both outcomes of a condition for each block in one node; what comes of it is their sum, since one of them is nothing. */
function moved(builder: CircuitBuilder, digits: Digits, bit: Linear, blocks: number, direction: Direction): Digits {
  const source = sources(builder, digits, blocks, direction);
  return digits.map((digit, at) => {
    const from = source(at);
    if (builder.isClear(bit)) return choose(builder, bit, from, digit);
    const kept = tabulate(builder, [bit, digit], (holds, value = 0) => (holds === 1 ? 0 : value));
    const taken = tabulate(builder, [bit, from], (holds, value = 0) => (holds === 1 ? value : 0));
    return builder.lookUp(plus(kept, taken), (sum) => Math.min(sum, 3));
  });
}

/** Moved by an encrypted amount, or one that only the run says: bit by bit of the amount, whole blocks first. */
export function shiftByDigits(
  builder: CircuitBuilder,
  { digits, width }: { readonly digits: Digits; readonly width: number },
  amount: Digits,
  direction: Direction,
): Digits {
  const { up } = direction;
  const bit = (index: number) => builder.lookUp(amount[index >> 1] ?? ZERO, (digit) => (digit >> (index & 1)) & 1);
  let value = digits;
  for (let index = amountBits(width) - 1; index >= 1; index -= 1) {
    value = moved(builder, value, bit(index), 2 ** (index - 1), direction);
  }
  const source = sources(builder, value, 0, direction);
  return value.map((own, at) => {
    const next = builder.lookUp(source(up ? at - 1 : at + 1), (digit) => (up ? digit >> 1 : digit & 1));
    return tabulate(builder, [bit(0), next, own], (odd, incoming = 0, digit = 0) =>
      odd === 1 ? oneBit(up, digit, up ? incoming << 1 : incoming) : digit,
    );
  });
}
