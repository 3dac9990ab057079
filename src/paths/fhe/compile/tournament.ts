/**
 * The largest of several values, and which one it is: digit by digit from the top. Whoever is behind drops out; the largest
 * digit of those that are left is a tree of two-block lookups. The smallest is the largest of the complements.
 */
import { choose, type Digits, tabulate } from "./blocks.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { constant, type Linear, minus, plus, times, ZERO } from "./linear.ts";

/** What is compared. */
export interface Contest {
  readonly values: readonly Digits[];
  readonly signed: boolean;
  /** Whether the smallest is sought. */
  readonly least: boolean;
}

/** The outcome. */
export interface Winner {
  readonly digits: Digits;
  /** For each value 0 where it is as large as any, else 7. */
  readonly behind: readonly Linear[];
}

/** A code of "dropped out" that adds to a digit, or to a difference of digits, without meeting it. */
const BEHIND = 7;

function flipped(builder: CircuitBuilder, digit: Linear): Linear {
  return builder.lookUp(digit, (value) => value ^ 2);
}

/** The largest digit: a tree, each node of which takes two. */
function largest(builder: CircuitBuilder, digits: readonly Linear[]): Linear {
  let level = digits;
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, index) => {
      const [left = ZERO, right] = level.slice(2 * index, 2 * index + 2);
      return right === undefined ? left : tabulate(builder, [left, right], (x = 0, y = 0) => Math.max(x, y));
    });
  }
  return level[0] ?? ZERO;
}

/** The largest value, or the smallest, and who has it. */
export function winnerOf(builder: CircuitBuilder, { values, signed, least }: Contest): Winner {
  const places = values[0]?.length ?? 0;
  let behind: readonly Linear[] = values.map(() => ZERO);
  const digits: Linear[] = [];
  for (let place = places - 1; place >= 0; place -= 1) {
    const isSign = signed && place === places - 1;
    const ranked = values.map((value) => {
      const digit = value[place] ?? ZERO;
      const unsigned = isSign ? flipped(builder, digit) : digit;
      return least ? minus(constant(3), unsigned) : unsigned;
    });
    const running = ranked.map((digit, index) =>
      builder.lookUp(plus(digit, behind[index] ?? ZERO), (value) => (value < BEHIND && value <= 3 ? value : 0)),
    );
    const best = largest(builder, running);
    behind = ranked.map((digit, index) =>
      builder.lookUp(plus(minus(digit, best), behind[index] ?? ZERO), (value) => (value === 0 ? 0 : BEHIND)),
    );
    const unsigned = least ? minus(constant(3), best) : best;
    digits[place] = isSign ? flipped(builder, unsigned) : unsigned;
  }
  return { digits, behind };
}

/** Values whose places one node can look up. */
const GROUP = 4;

/** The index of the first that is not behind, as `blocks` digits: ties go to the first. */
export function firstOf(builder: CircuitBuilder, behind: readonly Linear[], blocks: number): Digits {
  const groups = Array.from({ length: Math.ceil(behind.length / GROUP) }, (_, group) => {
    const members = behind.slice(GROUP * group, GROUP * (group + 1));
    return plus(...members.map((member, index) => builder.lookUp(member, (value) => (value === 0 ? 2 ** index : 0))));
  });
  const [last = ZERO, ...before] = groups.toReversed();
  const firstIn = (set: Linear) =>
    builder.lookUp(set, (bits) =>
      Math.max(
        0,
        [0, 1, 2, 3].findIndex((bit) => ((bits >> bit) & 1) === 1),
      ),
    );
  let low = firstIn(last);
  let high: Linear = constant(groups.length - 1);
  for (const [index, set] of before.entries()) {
    const isNone = builder.lookUp(set, (bits) => (bits === 0 ? 1 : 0));
    low = choose(builder, isNone, low, firstIn(set));
    high = choose(builder, isNone, high, constant(groups.length - 2 - index));
  }
  return [low, high].slice(0, blocks);
}

/** The largest or smallest of two: a comparison and a choice, which is less than a contest. */
export function betterOf(builder: CircuitBuilder, isFirst: Linear, first: Digits, second: Digits): Digits {
  return first.map((digit, place) => choose(builder, isFirst, digit, second[place] ?? times(0, digit)));
}
