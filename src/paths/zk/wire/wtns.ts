/** `.wtns` files, version 2, over the scalar field of BN254: the value of every wire, the constant one first. */
import { TrisealError } from "../../../core/errors.ts";
import { createContainer, parseContainer } from "./container.ts";
import { FIELD_BYTES, FIELD_ORDER, putField, readField, readUint256 } from "./field.ts";

const HEADER_BYTES = 8 + FIELD_BYTES;

/** Largest file that is read: 2^24 wires. */
export const MAX_WITNESS_BYTES = 2 ** 24 * FIELD_BYTES + 1024;

/** A witness file of `wires` wires, still zero, and the view of its values to fill in place (`putField`, 32 bytes a wire). */
export function createWitness(wires: number): { readonly bytes: Uint8Array; readonly values: DataView } {
  const { bytes, views } = createContainer("wtns", 2, [
    { id: 1, byteLength: HEADER_BYTES },
    { id: 2, byteLength: wires * FIELD_BYTES },
  ]);
  const [head, values] = views as readonly [DataView, DataView];
  head.setUint32(0, FIELD_BYTES, true);
  putField(head, 4, FIELD_ORDER);
  head.setUint32(4 + FIELD_BYTES, wires, true);
  return { bytes, values };
}

/** The witness file of the given values, each from 0 to below the field order. */
export function encodeWitness(wires: readonly bigint[]): Uint8Array {
  const { bytes, values } = createWitness(wires.length);
  for (const [index, value] of wires.entries()) putField(values, index * FIELD_BYTES, value);
  return bytes;
}

/**
 * The values of a witness file.
 * @throws TrisealError `FORMAT_INVALID`, also where the first wire is not one.
 */
export function parseWitness(bytes: Uint8Array): bigint[] {
  const sections = parseContainer(bytes, "wtns", 2, MAX_WITNESS_BYTES);
  const head = sections.get(1, HEADER_BYTES);
  if (head.getUint32(0, true) !== FIELD_BYTES || readUint256(head, 4) !== FIELD_ORDER) {
    throw new TrisealError("FORMAT_INVALID", "the witness is not over the scalar field of BN254");
  }
  const count = head.getUint32(4 + FIELD_BYTES, true);
  const body = sections.get(2, count * FIELD_BYTES);
  const values = Array.from({ length: count }, (_, index) => readField(body, index * FIELD_BYTES));
  if (values[0] !== 1n) throw new TrisealError("FORMAT_INVALID", "the first wire is not one");
  return values;
}
