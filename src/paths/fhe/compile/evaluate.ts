/** What a program means: over integers, without blocks. The compiler's oracle, and an auditor's. */

import { evaluateCircuit } from "../wire/circuit.ts";
import type { Operand, Operation, OperationName } from "../wire/operation.ts";
import type { Program } from "../wire/program.ts";
import { digitsOf, numberOf, type ValueType, wrap } from "../wire/value-type.ts";
import type { CompiledProgram } from "./compile.ts";
import { amountBits } from "./shifts.ts";

interface Call {
  readonly operation: Operation;
  readonly values: readonly bigint[];
  /** Type of the first argument. */
  readonly from: ValueType;
}

type Meaning = (call: Call) => bigint;

function binary(map: (left: bigint, right: bigint) => bigint): Meaning {
  return ({ values: [left = 0n, right = 0n] }) => map(left, right);
}

function comparison(holds: (left: bigint, right: bigint) => boolean): Meaning {
  return binary((left, right) => (holds(left, right) ? 1n : 0n));
}

/** The best of all, the first of equals: its index. */
function placeOf(values: readonly bigint[], isBetter: (left: bigint, right: bigint) => boolean): number {
  return values.reduce((best, value, index) => (isBetter(value, values[best] ?? 0n) ? index : best), 0);
}

function best(isBetter: (left: bigint, right: bigint) => boolean, asIndex: boolean): Meaning {
  return ({ values }) => {
    const index = placeOf(values, isBetter);
    return asIndex ? BigInt(index) : (values[index] ?? 0n);
  };
}

function shifted(map: (bits: bigint, value: bigint, amount: bigint, width: bigint) => bigint): Meaning {
  return ({ values: [value = 0n, amount = 0n], from: { width } }) =>
    map(BigInt.asUintN(width, value), value, BigInt.asUintN(amountBits(width), amount), BigInt(width));
}

const rotated = (bits: bigint, amount: bigint, width: bigint) =>
  (bits << (amount % width)) | (bits >> (width - (amount % width)));
const less = (left: bigint, right: bigint) => left < right;
const more = (left: bigint, right: bigint) => left > right;

const MEANINGS: Readonly<Record<OperationName, Meaning>> = {
  add: binary((left, right) => left + right),
  sub: binary((left, right) => left - right),
  mul: binary((left, right) => left * right),
  neg: ({ values: [value = 0n] }) => -value,
  sum: ({ values }) => values.reduce((sum, value) => sum + value, 0n),
  eq: comparison((left, right) => left === right),
  ne: comparison((left, right) => left !== right),
  lt: comparison(less),
  le: comparison((left, right) => left <= right),
  gt: comparison(more),
  ge: comparison((left, right) => left >= right),
  min: best(less, false),
  max: best(more, false),
  argmin: best(less, true),
  argmax: best(more, true),
  select: ({ values: [flag, yes = 0n, no = 0n] }) => (flag === 1n ? yes : no),
  and: binary((left, right) => left & right),
  or: binary((left, right) => left | right),
  xor: binary((left, right) => left ^ right),
  not: ({ values: [value = 0n], operation }) => (operation.type.isBool ? 1n - value : ~value),
  shl: shifted((bits, _, amount) => bits << amount),
  shr: shifted((_, value, amount) => value >> amount),
  rotl: shifted((bits, _, amount, width) => rotated(bits, amount, width)),
  rotr: shifted((bits, _, amount, width) => rotated(bits, width - (amount % width), width)),
  lut: ({ values: [value = 0n], operation, from }) => operation.table[Number(BigInt.asUintN(from.width, value))] ?? 0n,
  cast: ({ values: [value = 0n] }) => value,
};

/**
 * The outputs of a program for values of all its inputs, the clear ones included, by name.
 * @param inputs each of its type.
 */
export function evaluateProgram(program: Program, inputs: ReadonlyMap<string, bigint>): ReadonlyMap<string, bigint> {
  const scope = new Map(inputs);
  const valueAt = (arg: Operand) => ("name" in arg ? (scope.get(arg.name) ?? 0n) : arg.literal);
  for (const operation of program.ops) {
    const [first] = operation.args;
    if (first === undefined) continue;
    const meant = MEANINGS[operation.op]({ operation, values: operation.args.map(valueAt), from: first.type });
    scope.set(operation.out, wrap(meant, operation.type));
  }
  return new Map(program.outputs.map(({ n }) => [n, scope.get(n) ?? 0n]));
}

/**
 * The same through the circuit: what an engine that computes correctly gives.
 * @param clear texts of the clear inputs; @param inputs values of the others.
 * @throws TrisealError as `CompiledProgram.circuit`.
 */
export function simulateProgram(
  program: Program,
  compiled: CompiledProgram,
  clear: ReadonlyMap<string, string>,
  inputs: ReadonlyMap<string, bigint>,
): ReadonlyMap<string, bigint> {
  const { circuit } = compiled.circuit(clear);
  const encrypted = program.inputs.filter((input) => !input.clear);
  const outputs = evaluateCircuit(
    circuit,
    encrypted.map(({ n, type }) => digitsOf(inputs.get(n) ?? 0n, type)),
  );
  return new Map(program.outputs.map(({ n, type }, index) => [n, numberOf(outputs[index] ?? [], type)]));
}
