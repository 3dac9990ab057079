/** `.r1cs` files, version 1, over the scalar field of BN254. */
import { TrisealError } from "../../../core/errors.ts";
import { type ConstraintSystem, MAX_ROWS, type SparseMatrix } from "./constraint-system.ts";
import { createContainer, parseContainer } from "./container.ts";
import { FIELD_BYTES, FIELD_ORDER, putField, readField, readUint256 } from "./field.ts";

const HEADER_BYTES = 64;
const TERM_BYTES = 4 + FIELD_BYTES;

/** Largest file that is read: 1 GiB. */
export const MAX_R1CS_BYTES = 2 ** 30;

function refuse(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", reason);
}

/** The file of a system. Its public signals are all inputs; the wire map is the identity. */
export function encodeR1cs(system: ConstraintSystem): Uint8Array {
  const matrices = [system.a, system.b, system.c] as const;
  const terms = matrices.reduce((sum, matrix) => sum + matrix.wires.length, 0);
  const { bytes, views } = createContainer("r1cs", 1, [
    { id: 2, byteLength: 12 * system.rows + TERM_BYTES * terms },
    { id: 1, byteLength: HEADER_BYTES },
    { id: 3, byteLength: 8 * system.wires },
  ]);
  const [body, head, map] = views as readonly [DataView, DataView, DataView];
  head.setUint32(0, FIELD_BYTES, true);
  putField(head, 4, FIELD_ORDER);
  head.setUint32(36, system.wires, true);
  head.setUint32(44, system.publicSignals, true);
  head.setBigUint64(52, BigInt(system.wires), true);
  head.setUint32(60, system.rows, true);
  for (let wire = 0; wire < system.wires; wire++) map.setUint32(8 * wire, wire, true);
  let offset = 0;
  for (let row = 0; row < system.rows; row++) {
    for (const matrix of matrices) offset = putRow(body, offset, matrix, row, system.values);
  }
  return bytes;
}

function putRow(body: DataView, start: number, matrix: SparseMatrix, row: number, values: readonly bigint[]): number {
  const [from, to] = [matrix.starts[row] ?? 0, matrix.starts[row + 1] ?? 0];
  let offset = start;
  body.setUint32(offset, to - from, true);
  offset += 4;
  for (let at = from; at < to; at++) {
    body.setUint32(offset, matrix.wires[at] ?? 0, true);
    putField(body, offset + 4, values[matrix.values[at] ?? 0] ?? 0n);
    offset += TERM_BYTES;
  }
  return offset;
}

/**
 * The system of a file of at most `MAX_R1CS_BYTES`. Custom gates are refused; the wire map is not read.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseR1cs(bytes: Uint8Array): ConstraintSystem {
  const sections = parseContainer(bytes, "r1cs", 1, MAX_R1CS_BYTES);
  const head = sections.get(1, HEADER_BYTES);
  if (head.getUint32(0, true) !== FIELD_BYTES || readUint256(head, 4) !== FIELD_ORDER) {
    refuse("the circuit is not over the scalar field of BN254");
  }
  const wires = head.getUint32(36, true);
  const publicSignals = head.getUint32(40, true) + head.getUint32(44, true);
  const rows = head.getUint32(60, true);
  if (rows > MAX_ROWS || wires > 4 * MAX_ROWS || publicSignals >= wires) refuse("the circuit's sizes are out of range");
  return { wires, publicSignals, rows, ...readRows(sections.get(2), rows, wires) };
}

function readRows(body: DataView, rows: number, wires: number): Pick<ConstraintSystem, "a" | "b" | "c" | "values"> {
  const values: bigint[] = [];
  const numbers = new Map<bigint, number>();
  // No row is shorter than its three counts, so this bounds the terms before anything is allocated for them.
  const most = Math.max(0, Math.floor((body.byteLength - 12 * rows) / TERM_BYTES));
  const drafts = [0, 1, 2].map(() => ({
    starts: new Uint32Array(rows + 1),
    wires: new Uint32Array(most),
    values: new Uint32Array(most),
    length: 0,
  }));
  let offset = 0;
  const take = (length: number): number => {
    if (length > body.byteLength - offset) refuse("the constraints are truncated");
    offset += length;
    return offset - length;
  };
  for (let row = 0; row < rows; row++) {
    for (const draft of drafts) {
      const count = body.getUint32(take(4), true);
      if (count * TERM_BYTES > body.byteLength - offset) refuse("the constraints are truncated");
      for (let left = count; left > 0; left--) {
        const at = take(TERM_BYTES);
        const wire = body.getUint32(at, true);
        if (wire >= wires) refuse("a constraint names a wire that is not there");
        const value = readField(body, at + 4);
        const number = numbers.get(value) ?? values.push(value) - 1;
        numbers.set(value, number);
        draft.wires[draft.length] = wire;
        draft.values[draft.length++] = number;
      }
      draft.starts[row + 1] = draft.length;
    }
  }
  if (offset !== body.byteLength) refuse("bytes after the last constraint");
  const [a, b, c] = drafts.map((draft): SparseMatrix => {
    return { starts: draft.starts, wires: draft.wires.slice(0, draft.length), values: draft.values.slice(0, draft.length) };
  }) as [SparseMatrix, SparseMatrix, SparseMatrix];
  return { a, b, c, values };
}
