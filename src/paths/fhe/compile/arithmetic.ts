/** Sums, differences and products of digits. */
import { MAX_NOISE, SPACE } from "../wire/circuit.ts";
import { type Digits, tabulate } from "./blocks.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { type Linear, minus, plus, ZERO } from "./linear.ts";

/** The sum, wrapped: one node each block, since digit and carry of a value below 8 are two tables of it. */
export function sumOf(builder: CircuitBuilder, left: Digits, right: Digits): Digits {
  let carry = ZERO;
  return left.map((digit, place) => {
    const value = plus(digit, right[place] ?? ZERO, carry);
    carry = builder.lookUp(value, (sum) => sum >> 2);
    return builder.lookUp(value, (sum) => sum & 3);
  });
}

/** The difference, wrapped: one node each block. */
export function differenceOf(builder: CircuitBuilder, left: Digits, right: Digits): Digits {
  let borrow = ZERO;
  return left.map((digit, place) => {
    const value = minus(minus(digit, right[place] ?? ZERO), borrow);
    borrow = builder.lookUp(value, (rest) => (rest < 0 ? 1 : 0));
    return builder.lookUp(value, (rest) => rest & 3);
  });
}

/** Digits of one column that one node can take: as many of the first as fit. The rest stays in `column`. */
function takeGroup(builder: CircuitBuilder, column: Linear[]): Linear {
  let group = ZERO;
  for (let index = 0; index < column.length; ) {
    const wider = plus(group, column[index] ?? ZERO);
    const noise = [...builder.encrypted(wider).terms.values()].reduce((sum, coefficient) => sum + coefficient ** 2, 0);
    if (builder.size(wider) <= SPACE && noise <= MAX_NOISE) {
      group = wider;
      column.splice(index, 1);
    } else index += 1;
  }
  return group;
}

/** Adds up columns of digits, wrapped: groups of up to 15 in value become a digit and what it carries. */
export function addColumns(builder: CircuitBuilder, columns: readonly (readonly Linear[])[]): Digits {
  const left = columns.map((column) => [...column]);
  return left.map((column, place) => {
    while (column.length > 1) {
      const group = takeGroup(builder, column);
      const carry = builder.lookUp(group, (value) => value >> 2);
      if (carry.terms.size > 0 || carry.constant > 0) left[place + 1]?.push(carry);
      column.push(builder.lookUp(group, (value) => value & 3));
    }
    return column[0] ?? ZERO;
  });
}

/** The sum of several numbers, wrapped. */
export function sumOfAll(builder: CircuitBuilder, numbers: readonly Digits[]): Digits {
  const [first = []] = numbers;
  return addColumns(
    builder,
    first.map((_, place) => numbers.map((digits) => digits[place] ?? ZERO)),
  );
}

/** The product, wrapped: digit by digit, then column by column. */
export function productOf(builder: CircuitBuilder, left: Digits, right: Digits): Digits {
  const columns: Linear[][] = left.map(() => []);
  const put = (place: number, digit: Linear) => {
    if (digit.terms.size > 0 || digit.constant > 0) columns[place]?.push(digit);
  };
  for (const [low, first] of left.entries()) {
    for (const [high, second] of right.slice(0, left.length - low).entries()) {
      put(
        low + high,
        tabulate(builder, [first, second], (x = 0, y = 0) => (x * y) & 3),
      );
      put(
        low + high + 1,
        tabulate(builder, [first, second], (x = 0, y = 0) => (x * y) >> 2),
      );
    }
  }
  return addColumns(builder, columns);
}
