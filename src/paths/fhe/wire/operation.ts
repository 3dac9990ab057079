/** The ops of a program and their types (SPEC 2). */
import { fheError } from "./codes.ts";
import { BOOL, findType, readClear, unsignedType, type ValueType } from "./value-type.ts";

/** An argument: the name of a value, or a number that stands in the program. */
export type Operand =
  | { readonly name: string; readonly type: ValueType }
  | { readonly literal: bigint; readonly type: ValueType };

/** An op whose arguments are there and fit. */
export interface Operation {
  readonly index: number;
  readonly out: string;
  readonly op: OperationName;
  /** Type of the result. */
  readonly type: ValueType;
  readonly args: readonly Operand[];
  /** Of `lut`: its entries. */
  readonly table: readonly bigint[];
}

/** What an op takes. */
type Form =
  | "arithmetic"
  | "unary"
  | "equality"
  | "order"
  | "extreme"
  | "choice"
  | "logic"
  | "not"
  | "shift"
  | "place"
  | "lut"
  | "cast";

const FORMS = {
  add: "arithmetic",
  sub: "arithmetic",
  mul: "arithmetic",
  neg: "unary",
  eq: "equality",
  ne: "equality",
  lt: "order",
  le: "order",
  gt: "order",
  ge: "order",
  min: "extreme",
  max: "extreme",
  sum: "extreme",
  select: "choice",
  and: "logic",
  or: "logic",
  xor: "logic",
  not: "not",
  shl: "shift",
  shr: "shift",
  rotl: "shift",
  rotr: "shift",
  argmin: "place",
  argmax: "place",
  lut: "lut",
  cast: "cast",
} as const satisfies Readonly<Record<string, Form>>;

/** The name of an op. */
export type OperationName = keyof typeof FORMS;

/** Widest argument of `lut`: what one block of a lookup can take in. */
const MAX_TABLE_WIDTH = 4;
/** Most values that `argmin` and `argmax` choose among: their index is at most a `u4`. */
const MAX_PLACES = 16;
/** Most values of which the index is a `u2`. */
const FEW_PLACES = 4;

interface Reading {
  readonly index: number;
  readonly args: readonly string[];
  readonly scope: ReadonlyMap<string, ValueType>;
}

type Typed = Pick<Operation, "type" | "args"> & { readonly table?: readonly bigint[] };

function refuse({ index }: { readonly index: number }, message: string): never {
  throw fheError("FHE_PROGRAM_INVALID", `op ${index}: ${message}`, { details: { op: index } });
}

function named(reading: Reading, text: string | undefined): ValueType {
  const type = text === undefined ? undefined : reading.scope.get(text);
  return type ?? refuse(reading, "an argument is neither an input nor an earlier result");
}

function operand(reading: Reading, text: string | undefined, type: ValueType): Operand {
  if (text === undefined) return refuse(reading, "an argument is missing");
  const own = reading.scope.get(text);
  if (own !== undefined) return own === type ? { name: text, type } : refuse(reading, `expected ${type.name}, not ${own.name}`);
  const literal = readClear(text, type);
  return literal === null ? refuse(reading, `expected a name, or a ${type.name} in its only spelling`) : { literal, type };
}

/** The type that the arguments share: that of the first one that is a name. */
function shared(reading: Reading, texts: readonly string[]): ValueType {
  const first = texts.find((text) => reading.scope.has(text));
  return first === undefined ? refuse(reading, "expected a name among the arguments") : named(reading, first);
}

function count(reading: Reading, least: number, most = least): void {
  const { length } = reading.args;
  if (length < least || length > most) refuse(reading, `expected ${least === most ? least : `${least} to ${most}`} arguments`);
}

function number(reading: Reading, type: ValueType): ValueType {
  return type.isBool ? refuse(reading, "expected numbers, not bool") : type;
}

/** Arguments of one type. */
function alike(reading: Reading, isNumber: boolean): { readonly type: ValueType; readonly args: readonly Operand[] } {
  const common = shared(reading, reading.args);
  const type = isNumber ? number(reading, common) : common;
  return { type, args: reading.args.map((text) => operand(reading, text, type)) };
}

function choice(reading: Reading): Typed {
  const [flag, ...branches] = reading.args;
  const type = shared(reading, branches);
  return { type, args: [operand(reading, flag, BOOL), ...branches.map((text) => operand(reading, text, type))] };
}

/** The amount is an unsigned value of any width; as a number in the program it is read as a `u64`. */
function shift(reading: Reading): Typed {
  const [value, amount = ""] = reading.args;
  const type = number(reading, named(reading, value));
  const by = reading.scope.get(amount) ?? unsignedType(64);
  if (by.isBool || by.signed) refuse(reading, "expected an unsigned amount");
  return { type, args: [operand(reading, value, type), operand(reading, amount, by)] };
}

function lookup(reading: Reading): Typed {
  const [value, name = "", ...entries] = reading.args;
  const from = named(reading, value);
  const type = findType(name) ?? refuse(reading, "expected the type of the entries");
  if (from.width > MAX_TABLE_WIDTH) refuse(reading, `a table of ${from.name} is too large`);
  if (entries.length !== 2 ** from.width) refuse(reading, `expected ${2 ** from.width} entries`);
  const table = entries.map((text) => readClear(text, type) ?? refuse(reading, `expected entries of ${type.name}`));
  return { type, args: [operand(reading, value, from)], table };
}

function cast(reading: Reading): Typed {
  const [value, name = ""] = reading.args;
  const from = named(reading, value);
  const type = findType(name) ?? refuse(reading, "expected a type");
  if (type.isBool && !from.isBool) refuse(reading, "a number is no bool: compare it");
  return { type, args: [operand(reading, value, from)] };
}

const MAX_ALIKE = 64;
const READERS: Readonly<Record<Form, { readonly count: readonly [number, number]; readonly read: (reading: Reading) => Typed }>> =
  {
    arithmetic: { count: [2, 2], read: (reading) => alike(reading, true) },
    unary: { count: [1, 1], read: (reading) => alike(reading, true) },
    equality: { count: [2, 2], read: (reading) => ({ ...alike(reading, false), type: BOOL }) },
    order: { count: [2, 2], read: (reading) => ({ ...alike(reading, true), type: BOOL }) },
    extreme: { count: [2, MAX_ALIKE], read: (reading) => alike(reading, true) },
    choice: { count: [3, 3], read: choice },
    logic: { count: [2, 2], read: (reading) => alike(reading, false) },
    not: { count: [1, 1], read: (reading) => alike(reading, false) },
    shift: { count: [2, 2], read: shift },
    place: {
      count: [2, MAX_PLACES],
      read: (reading) => ({ ...alike(reading, true), type: unsignedType(reading.args.length <= FEW_PLACES ? 2 : 4) }),
    },
    lut: { count: [4, 2 + 2 ** MAX_TABLE_WIDTH], read: lookup },
    cast: { count: [2, 2], read: cast },
  };

/**
 * Reads one op against the values that are there before it.
 * @throws TrisealError `FHE_PROGRAM_INVALID` with `details.op`.
 */
export function checkOperation(items: readonly string[], index: number, scope: ReadonlyMap<string, ValueType>): Operation {
  const [out = "", op = "", ...args] = items;
  const reading = { index, args, scope };
  if (!/^[a-z][a-z0-9_]{0,31}$/.test(out)) refuse(reading, "expected the name of its result");
  if (scope.has(out)) refuse(reading, "its result has the name of an earlier value");
  if (!Object.hasOwn(FORMS, op)) refuse(reading, "there is no such op");
  const name = op as OperationName;
  const form = READERS[FORMS[name]];
  count(reading, ...form.count);
  return { index, out, op: name, table: [], ...form.read(reading) };
}
