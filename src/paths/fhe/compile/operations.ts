/** Each op of a program as lookups over blocks. */
import type { Operation, OperationName } from "../wire/operation.ts";
import { digitsOf, type ValueType } from "../wire/value-type.ts";
import { differenceOf, productOf, sumOf, sumOfAll } from "./arithmetic.ts";
import { choose, type Digits, pairOf, tabulate } from "./blocks.ts";
import type { CircuitBuilder } from "./circuit-builder.ts";
import { isEqual, isMore } from "./comparison.ts";
import { constant, type Linear, minus, ZERO } from "./linear.ts";
import { amountBits, type Direction, shiftBy, shiftByDigits, signFill } from "./shifts.ts";
import { betterOf, firstOf, winnerOf } from "./tournament.ts";

/** A value while it is compiled. */
export interface BlockValue {
  readonly type: ValueType;
  readonly digits: Digits;
  /** The value, where it stands in the program. */
  readonly literal: bigint | null;
}

/** The known blocks of a number. */
export function literalValue(literal: bigint, type: ValueType): BlockValue {
  return { type, literal, digits: digitsOf(literal, type).map(constant) };
}

interface Call {
  readonly builder: CircuitBuilder;
  readonly operation: Operation;
  readonly values: readonly BlockValue[];
}

type Compile = (call: Call) => Digits;

function digitsAt({ values }: Call, at: number): Digits {
  return values[at]?.digits ?? [];
}

function isSigned({ values }: Call): boolean {
  return values[0]?.type.signed === true;
}

function not(builder: CircuitBuilder, flag: Linear): Linear {
  return builder.lookUp(flag, (value) => 1 - value);
}

/** Whether the first is more than the second, or the second more than the first. */
function compare(isSwapped: boolean, strict: boolean): Compile {
  return (call) => {
    const [left, right] = [digitsAt(call, isSwapped ? 1 : 0), digitsAt(call, isSwapped ? 0 : 1)];
    return [isMore(call.builder, { left, right, signed: isSigned(call) }, strict)];
  };
}

function bitwise(map: (left: number, right: number) => number): Compile {
  return (call) =>
    digitsAt(call, 0).map((digit, place) =>
      tabulate(call.builder, [digit, digitsAt(call, 1)[place] ?? ZERO], (x = 0, y = 0) => map(x, y)),
    );
}

function complement({ builder, operation, values }: Call): Digits {
  const digits = values[0]?.digits ?? [];
  const all = operation.type.isBool ? 1 : 3;
  return digits.map((digit) =>
    builder.isClear(digit) ? builder.lookUp(digit, (value) => all - value) : minus(constant(all), digit),
  );
}

function extreme(least: boolean): Compile {
  return (call) => {
    const { builder, values } = call;
    if (values.length > 2)
      return winnerOf(builder, { values: values.map(({ digits }) => digits), signed: isSigned(call), least }).digits;
    const [first, second] = [digitsAt(call, 0), digitsAt(call, 1)];
    const isFirst = isMore(builder, { left: first, right: second, signed: isSigned(call) }, false);
    return least ? betterOf(builder, isFirst, second, first) : betterOf(builder, isFirst, first, second);
  };
}

function place(least: boolean): Compile {
  return (call) => {
    const values = call.values.map(({ digits }) => digits);
    const { behind } = winnerOf(call.builder, { values, signed: isSigned(call), least });
    return firstOf(call.builder, behind, call.operation.type.blocks);
  };
}

function shift(up: boolean, around: boolean): Compile {
  return (call) => {
    const { builder, operation, values } = call;
    const direction: Direction = { up, around, signed: isSigned(call) };
    const { width } = operation.type;
    const amount = values[1];
    const digits = digitsAt(call, 0);
    if (amount?.literal == null) return shiftByDigits(builder, { digits, width }, amount?.digits ?? [], direction);
    const bits = Number(BigInt.asUintN(amountBits(width), amount.literal));
    return shiftBy(builder, digits, around ? bits % width : bits, direction);
  };
}

function lookup(call: Call): Digits {
  const { builder, operation } = call;
  const entries = operation.table.map((entry) => digitsOf(entry, operation.type));
  const of = pairOf(digitsAt(call, 0), 0);
  return Array.from({ length: operation.type.blocks }, (_, block) => builder.lookUp(of, (value) => entries[value]?.[block] ?? 0));
}

function cast(call: Call): Digits {
  const { builder, operation } = call;
  const digits = digitsAt(call, 0);
  const fill = isSigned(call) ? signFill(builder, digits.at(-1) ?? ZERO) : ZERO;
  return Array.from({ length: operation.type.blocks }, (_, block) => digits[block] ?? fill);
}

function equality(isWanted: boolean): Compile {
  return (call) => {
    const equal = isEqual(call.builder, digitsAt(call, 0), digitsAt(call, 1));
    return [isWanted ? equal : not(call.builder, equal)];
  };
}

function select(call: Call): Digits {
  const [flag = ZERO] = digitsAt(call, 0);
  return digitsAt(call, 1).map((digit, at) => choose(call.builder, flag, digit, digitsAt(call, 2)[at] ?? ZERO));
}

const COMPILERS: Readonly<Record<OperationName, Compile>> = {
  add: (call) => sumOf(call.builder, digitsAt(call, 0), digitsAt(call, 1)),
  sub: (call) => differenceOf(call.builder, digitsAt(call, 0), digitsAt(call, 1)),
  neg: (call) =>
    differenceOf(
      call.builder,
      digitsAt(call, 0).map(() => ZERO),
      digitsAt(call, 0),
    ),
  mul: (call) => productOf(call.builder, digitsAt(call, 0), digitsAt(call, 1)),
  sum: ({ builder, values }) =>
    sumOfAll(
      builder,
      values.map(({ digits }) => digits),
    ),
  eq: equality(true),
  ne: equality(false),
  gt: compare(false, true),
  ge: compare(false, false),
  lt: compare(true, true),
  le: compare(true, false),
  min: extreme(true),
  max: extreme(false),
  argmin: place(true),
  argmax: place(false),
  select,
  and: bitwise((left, right) => left & right),
  or: bitwise((left, right) => left | right),
  xor: bitwise((left, right) => left ^ right),
  not: complement,
  shl: shift(true, false),
  shr: shift(false, false),
  rotl: shift(true, true),
  rotr: shift(false, true),
  lut: lookup,
  cast,
};

/** The blocks of an op's result. */
export function compileOperation(builder: CircuitBuilder, operation: Operation, values: readonly BlockValue[]): BlockValue {
  builder.op = operation.index;
  const digits = COMPILERS[operation.op]({ builder, operation, values });
  return { type: operation.type, digits, literal: null };
}
