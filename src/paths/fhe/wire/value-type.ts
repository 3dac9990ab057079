/** Types of encrypted values, their blocks, and clear values in text form (SPEC 1). */
import { fheError } from "./codes.ts";

/** Bits of a block. */
const BLOCK_BITS = 2;

/** A type by its parts. */
export interface ValueType {
  readonly name: string;
  readonly isBool: boolean;
  readonly signed: boolean;
  /** Bits; 1 for `bool`. */
  readonly width: number;
  readonly blocks: number;
  /** Smallest and largest value. */
  readonly least: bigint;
  readonly most: bigint;
}

const WIDTHS = [2, 4, 6, 8, 10, 12, 14, 16, 32, 64];

function makeType(name: string, width: number, signed: boolean): ValueType {
  const span = 1n << BigInt(width);
  const least = signed ? -span / 2n : 0n;
  const blocks = Math.ceil(width / BLOCK_BITS);
  return { name, isBool: name === "bool", signed, width, blocks, least, most: least + span - 1n };
}

/** The type of conditions and of the outcome of a comparison. */
export const BOOL: ValueType = makeType("bool", 1, false);

const TYPES: ReadonlyMap<string, ValueType> = new Map(
  [BOOL, ...WIDTHS.flatMap((width) => [makeType(`u${width}`, width, false), makeType(`i${width}`, width, true)])].map((type) => [
    type.name,
    type,
  ]),
);

/** Every type of SPEC 1. */
export const allTypes: readonly ValueType[] = [...TYPES.values()];

/** The type of that name; null where there is none. */
export function findType(name: string): ValueType | null {
  return TYPES.get(name) ?? null;
}

/** The unsigned type of `width` bits. @throws TrisealError `FHE_PROGRAM_INVALID` where there is none. */
export function unsignedType(width: number): ValueType {
  const type = TYPES.get(`u${width}`);
  if (type === undefined) throw fheError("FHE_PROGRAM_INVALID", `there is no type u${width}`);
  return type;
}

/** Arithmetic on `value` modulo 2^width: the value of `type` that it wraps to. */
export function wrap(value: bigint, type: ValueType): bigint {
  return type.signed ? BigInt.asIntN(type.width, value) : BigInt.asUintN(type.width, value);
}

/** The digits of `value`, base 4, the least significant first, in two's complement: what its blocks hold. */
export function digitsOf(value: bigint, type: ValueType): readonly number[] {
  const bits = BigInt.asUintN(type.width, value);
  return Array.from({ length: type.blocks }, (_, block) => Number((bits >> BigInt(BLOCK_BITS * block)) & 3n));
}

/** The value that these digits, as many as `type` has blocks, are of. */
export function numberOf(digits: readonly number[], type: ValueType): bigint {
  const bits = digits.reduceRight((high, digit) => high * 4n + BigInt(digit), 0n);
  return wrap(bits, type);
}

/** The text of `value`: decimal, or `true` and `false`. */
export function clearText(value: bigint, type: ValueType): string {
  return type.isBool ? String(value !== 0n) : value.toString();
}

/**
 * The value of `text`, or null where it is not the only spelling of a value of `type`.
 */
export function readClear(text: string, type: ValueType): bigint | null {
  if (type.isBool) return text === "true" ? 1n : text === "false" ? 0n : null;
  if (!/^(?:0|-?[1-9][0-9]{0,19})$/.test(text)) return null;
  const value = BigInt(text);
  return value >= type.least && value <= type.most ? value : null;
}

/** As `readClear`. @throws TrisealError `FHE_OUT_OF_RANGE` where that gives null. */
export function parseClear(text: string, type: ValueType, name: string): bigint {
  const value = readClear(text, type);
  if (value === null) throw fheError("FHE_OUT_OF_RANGE", `${name}: expected a ${type.name} in its only spelling`);
  return value;
}
