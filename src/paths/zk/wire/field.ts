/** The scalar field of BN254 and its 32-byte little-endian form. */
import { TrisealError } from "../../../core/errors.ts";

/** Order of the scalar field. */
export const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** Bytes of one field element. */
export const FIELD_BYTES = 32;

/** `value` modulo the field order, from 0 on. */
export function toField(value: bigint | number): bigint {
  const reduced = BigInt(value) % FIELD_ORDER;
  return reduced < 0n ? reduced + FIELD_ORDER : reduced;
}

/** Writes a field element at `offset`, least significant byte first. `value` is below the field order. */
export function putField(view: DataView, offset: number, value: bigint): void {
  view.setBigUint64(offset, value & 0xffff_ffff_ffff_ffffn, true);
  view.setBigUint64(offset + 8, (value >> 64n) & 0xffff_ffff_ffff_ffffn, true);
  view.setBigUint64(offset + 16, (value >> 128n) & 0xffff_ffff_ffff_ffffn, true);
  view.setBigUint64(offset + 24, value >> 192n, true);
}

/**
 * The field element at `offset`.
 * @throws TrisealError `FORMAT_INVALID` for a value that is not below the field order.
 */
export function readField(view: DataView, offset: number): bigint {
  const value = readUint256(view, offset);
  if (value >= FIELD_ORDER) throw new TrisealError("FORMAT_INVALID", "a field element is not below the field order");
  return value;
}

/** 32 bytes at `offset` as a number, least significant byte first. */
export function readUint256(view: DataView, offset: number): bigint {
  const high = (view.getBigUint64(offset + 24, true) << 64n) | view.getBigUint64(offset + 16, true);
  return (high << 128n) | (view.getBigUint64(offset + 8, true) << 64n) | view.getBigUint64(offset, true);
}
