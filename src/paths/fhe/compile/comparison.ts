/** Comparisons of digits: no more nodes than blocks. */
import { coded, type Digits, pairOf, tabulate } from "./blocks.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { constant, type Linear, minus, plus, times, ZERO } from "./linear.ts";

/** A comparison's digits, and how the highest one is read. */
export interface Compared {
  readonly left: Digits;
  readonly right: Digits;
  readonly signed: boolean;
}

/** Less, equal, greater: 0, 1, 2. */
function order(difference: number): number {
  return Math.sign(difference) + 1;
}

/** A number whose highest bit, `sign`, was flipped orders signed numbers as unsigned ones. */
function ordered(value: number, sign: number): number {
  return value ^ sign;
}

/** From -1 to 1, of an outcome of `order`. */
function signOf(outcome: Linear): Linear {
  return minus(outcome, constant(1));
}

/** Whether `left` is more than `right`, or as much where not `strict`: 1 or 0. */
export function isMore(builder: CircuitBuilder, { left, right, signed }: Compared, strict: boolean): Linear {
  const isClear = (digits: Digits) => digits.every((digit) => builder.isClear(digit));
  if (isClear(left) && !isClear(right)) {
    return minus(constant(1), isMore(builder, { left: right, right: left, signed }, !strict));
  }
  const start = constant(strict ? 0 : 1);
  if (isClear(right)) return againstClear(builder, { left, right, signed }, start);
  const tops = left.length - (signed ? 1 : 0);
  const differences = left.slice(0, tops).map((digit, place) => minus(digit, right[place] ?? ZERO));
  const lower = chain(builder, differences, start);
  if (!signed) return lower;
  const top = [left[tops] ?? ZERO, right[tops] ?? ZERO];
  const sign = tabulate(builder, top, (x = 0, y = 0) => order(ordered(x, 2) - ordered(y, 2)));
  return builder.lookUp(plus(signOf(sign), lower), (value) => (value >= 1 ? 1 : 0));
}

/**
 * From the lowest block up. `state` is whether the blocks so far are in order; a node takes the state, the outcome of a side
 * chain of the next blocks, and the difference of one more. Side chains grow by one, so that each is ready when it is needed:
 * 32 blocks are 32 nodes, 8 deep.
 */
function chain(builder: CircuitBuilder, differences: readonly Linear[], start: Linear): Linear {
  let state = start;
  let at = 0;
  for (let side = 0; at < differences.length; side += 1) {
    const length = Math.min(side, differences.length - at - 1);
    const own = differences[at + length] ?? ZERO;
    const aside = length === 0 ? null : sideChain(builder, differences.slice(at, at + length));
    const value = aside === null ? plus(own, state) : plus(times(2, own), signOf(aside), state);
    state = builder.lookUp(value, (sum) => (sum >= 1 ? 1 : 0));
    at += length + 1;
  }
  return state;
}

function sideChain(builder: CircuitBuilder, differences: readonly Linear[]): Linear {
  return differences
    .slice(1)
    .reduce(
      (lower, own) => builder.lookUp(plus(times(2, own), signOf(lower)), order),
      builder.lookUp(differences[0] ?? ZERO, order),
    );
}

/** Against a known number two blocks fit into one node; then three outcomes at a time, and the state, into one. */
function againstClear(builder: CircuitBuilder, { left, right, signed }: Compared, start: Linear): Linear {
  const outcomes: Linear[] = [];
  let state = start;
  for (let at = 0; at < left.length; at += 2) {
    const sign = !signed || at + 2 < left.length ? 0 : left.length % 2 === 0 ? 8 : 2;
    const pair = [pairOf(left, at), pairOf(right, at)];
    if (at === 0) {
      state = tabulate(builder, pair, (x = 0, y = 0) => (ordered(x, sign) - ordered(y, sign) + start.constant >= 1 ? 1 : 0));
    } else outcomes.push(tabulate(builder, pair, (x = 0, y = 0) => order(ordered(x, sign) - ordered(y, sign))));
  }
  for (let at = 0; at < outcomes.length; at += 3) {
    const group = outcomes.slice(at, at + 3).map((outcome, place) => times(2 ** place, signOf(outcome)));
    state = builder.lookUp(plus(...group, state), (sum) => (sum >= 1 ? 1 : 0));
  }
  return state;
}

/** Where blocks differ, what two branches say that differ is added to what they say of themselves: 4 is no difference. */
const DIFFERENT = 4;
/** Conditions that one node can count. */
const MANY = 15;

/** Whether they are equal: 1 or 0. */
export function isEqual(builder: CircuitBuilder, left: Digits, right: Digits): Linear {
  const clear = (digits: Digits) => digits.every((digit) => builder.isClear(digit));
  if (clear(left) !== clear(right))
    return isKnown(builder, ...(clear(left) ? ([right, left] as const) : ([left, right] as const)));
  const differences = left.map((digit, place) => minus(digit, right[place] ?? ZERO));
  /** A tree in which every node has a block of its own and what its two branches found. */
  const differ = (at: number): Linear => {
    const own = differences[at];
    if (own === undefined) return ZERO;
    const branches = [2 * at + 1, 2 * at + 2].map((child) => coded(builder, differ(child), DIFFERENT));
    return builder.lookUp(plus(own, ...branches), (sum) => (sum === 0 ? 0 : 1));
  };
  return builder.lookUp(differ(0), (found) => 1 - found);
}

function isKnown(builder: CircuitBuilder, value: Digits, wanted: Digits): Linear {
  let found: Linear[] = [];
  for (let at = 0; at < value.length; at += 2) {
    found.push(tabulate(builder, [pairOf(value, at), pairOf(wanted, at)], (x, y) => (x === y ? 0 : 1)));
  }
  while (found.length > 1) {
    const rest = found.slice(MANY);
    found = [...rest, builder.lookUp(plus(...found.slice(0, MANY)), (sum) => (sum === 0 ? 0 : 1))];
  }
  return builder.lookUp(found[0] ?? ZERO, (differs) => 1 - differs);
}
