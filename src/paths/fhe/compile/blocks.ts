/** Functions of a few blocks, and the numbers that blocks make up. */
import { MAX_NOISE, SPACE } from "../wire/circuit.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { constant, isSame, type Linear, minus, plus, times, ZERO } from "./linear.ts";

/** The blocks of a value, the least significant first; each is one wire, its complement, or known. */
export type Digits = readonly Linear[];

/** A code of a condition that adds to a difference of two blocks without meeting it. */
const APART = 7;

interface Layout {
  readonly of: Linear;
  readonly digits: readonly { readonly radix: number; readonly size: number; readonly least: number }[];
}

/** Writes digits into one number: the encrypted ones with the smallest radices, few values first, since these cost noise. */
function layOut(builder: CircuitBuilder, parts: readonly Linear[]): Layout {
  const sized = parts.map((part, index) => {
    const { least, most } = builder.range(part);
    return { part, index, least, size: most - least + 1, clear: builder.isClear(part) };
  });
  const order = sized.toSorted((left, right) => Number(left.clear) - Number(right.clear) || left.size - right.size);
  const digits: { radix: number; size: number; least: number }[] = [];
  let radix = 1;
  let of = ZERO;
  for (const { part, index, least, size } of order) {
    digits[index] = { radix, size, least };
    of = plus(of, times(radix, minus(part, constant(least))));
    radix *= size;
  }
  return { of, digits };
}

/** Whether one node can look these up together. */
export function fitsTogether(builder: CircuitBuilder, parts: readonly Linear[]): boolean {
  const { of } = layOut(builder, parts);
  const { terms } = builder.encrypted(of);
  const noise = [...terms.values()].reduce((sum, coefficient) => sum + coefficient ** 2, 0);
  return noise <= MAX_NOISE && builder.size(of) <= SPACE;
}

/** `map` of several blocks, which must fit together: one node. */
export function tabulate(builder: CircuitBuilder, parts: readonly Linear[], map: (...values: number[]) => number): Linear {
  const { of, digits } = layOut(builder, parts);
  return builder.lookUp(of, (value) =>
    map(...digits.map(({ radix, size, least }) => least + (Math.floor(value / radix) % size))),
  );
}

/** The number that two blocks make up, or one: 0 to 15. */
export function pairOf(digits: Digits, at: number): Linear {
  return plus(digits[at] ?? ZERO, times(4, digits[at + 1] ?? ZERO));
}

/** A condition in another code: 0, or `code` where it holds. */
export function coded(builder: CircuitBuilder, flag: Linear, code: number): Linear {
  return builder.lookUp(flag, (value) => value * code);
}

/** `flag ? whenTrue : whenFalse`: one node where all fit, two otherwise. */
export function choose(builder: CircuitBuilder, flag: Linear, whenTrue: Linear, whenFalse: Linear): Linear {
  if (isSame(whenTrue, whenFalse)) return whenTrue;
  const parts = [flag, whenTrue, whenFalse];
  if (fitsTogether(builder, parts)) return tabulate(builder, parts, (holds = 0, yes = 0, no = 0) => (holds === 1 ? yes : no));
  // The difference where the flag holds, else none; what is added to it then gives either value.
  const gap = plus(minus(whenTrue, whenFalse), coded(builder, flag, APART));
  const kept = builder.lookUp(gap, (value) => (value > 3 ? value - APART : 0) + 3);
  return builder.lookUp(plus(kept, whenFalse), (value) => Math.min(Math.max(value - 3, 0), 3));
}
