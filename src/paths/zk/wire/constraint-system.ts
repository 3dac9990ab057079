/**
 * A rank-1 constraint system in memory, sparse and in typed arrays, and the builder that an emitter streams rows into.
 * Row i holds when `(A w)_i * (B w)_i = (C w)_i`. Wire 0 is the constant one, then the public signals, then private wires.
 */
import { TrisealError } from "../../../core/errors.ts";
import { FIELD_ORDER, toField } from "./field.ts";

/** Most rows, and a quarter of the most wires, that a system may have: the prover's largest domain. */
export const MAX_ROWS = 2 ** 22;

/** One matrix by rows: the terms of row `i` are those from `starts[i]` to before `starts[i + 1]`. */
export interface SparseMatrix {
  readonly starts: Uint32Array;
  /** Wire of each term. */
  readonly wires: Uint32Array;
  /** Coefficient of each term, as an index into the system's `values`. */
  readonly values: Uint32Array;
}

/** A constraint system. */
export interface ConstraintSystem {
  readonly wires: number;
  readonly publicSignals: number;
  readonly rows: number;
  readonly a: SparseMatrix;
  readonly b: SparseMatrix;
  readonly c: SparseMatrix;
  /** The distinct coefficients, each from 0 to below the field order. A model has few. */
  readonly values: readonly bigint[];
}

/** A list of unsigned 32-bit numbers that grows by doubling. */
class Uint32List {
  private items = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.items.length) {
      const grown = new Uint32Array(this.items.length * 2);
      grown.set(this.items);
      this.items = grown;
    }
    this.items[this.length++] = value;
  }

  toArray(): Uint32Array {
    return this.items.slice(0, this.length);
  }
}

class MatrixBuilder {
  private starts = new Uint32List();
  wires = new Uint32List();
  values = new Uint32List();

  constructor() {
    this.starts.push(0);
  }

  /** What was collected; the builder is empty again. */
  takeAll(): SparseMatrix {
    const taken = this.build();
    this.starts = new Uint32List();
    this.wires = new Uint32List();
    this.values = new Uint32List();
    this.starts.push(0);
    return taken;
  }

  /** Adds the rows of `other` after those here. */
  append(other: SparseMatrix): void {
    const offset = this.wires.length;
    for (const start of other.starts.subarray(1)) this.starts.push(offset + start);
    for (const wire of other.wires) this.wires.push(wire);
    for (const value of other.values) this.values.push(value);
  }

  endRow(): void {
    this.starts.push(this.wires.length);
  }

  build(): SparseMatrix {
    return { starts: this.starts.toArray(), wires: this.wires.toArray(), values: this.values.toArray() };
  }
}

/** A linear combination: pairs of wire and coefficient. Several terms of one wire add up. */
export type LinearTerms = readonly (readonly [wire: number, coefficient: number | bigint])[];

/**
 * Collects rows. Terms are added to the row at hand with `a`, `b` and `c`; `endRow` closes it. Head rows, which stand before
 * all others, are given as wholes at the end, when the wires that they name are there.
 */
export class ConstraintBuilder {
  readonly publicSignals: number;
  private wireCount: number;
  private rowCount = 0;
  private readonly matrices = [new MatrixBuilder(), new MatrixBuilder(), new MatrixBuilder()] as const;
  private readonly numbers = new Map<number | bigint, number>();
  private readonly values: bigint[] = [];
  private readonly indexOfValue = new Map<bigint, number>();

  constructor(publicSignals: number) {
    this.publicSignals = publicSignals;
    this.wireCount = publicSignals + 1;
  }

  /** Wires so far, the constant one and the public signals included. */
  get wires(): number {
    return this.wireCount;
  }

  /** Rows closed so far. */
  get rows(): number {
    return this.rowCount;
  }

  /** A new private wire. */
  addWire(): number {
    return this.wireCount++;
  }

  /** Adds a term to the left factor of the row at hand. A coefficient of zero adds nothing. */
  a(wire: number, coefficient: number | bigint): void {
    this.term(this.matrices[0], wire, coefficient);
  }

  /** Adds a term to the right factor of the row at hand. */
  b(wire: number, coefficient: number | bigint): void {
    this.term(this.matrices[1], wire, coefficient);
  }

  /** Adds a term to the product of the row at hand. */
  c(wire: number, coefficient: number | bigint): void {
    this.term(this.matrices[2], wire, coefficient);
  }

  /** Closes the row at hand, which may be empty (`0 * 0 = 0`). Returns its number. */
  endRow(): number {
    for (const matrix of this.matrices) matrix.endRow();
    return this.rowCount++;
  }

  /** Adds the row `a * b = c`. Returns its number. */
  addRow(a: LinearTerms, b: LinearTerms, c: LinearTerms): number {
    for (const [wire, coefficient] of a) this.a(wire, coefficient);
    for (const [wire, coefficient] of b) this.b(wire, coefficient);
    for (const [wire, coefficient] of c) this.c(wire, coefficient);
    return this.endRow();
  }

  /**
   * Puts `rows` before all others. Called with every row closed.
   */
  prependRows(rows: readonly (readonly [LinearTerms, LinearTerms, LinearTerms])[]): void {
    const bodies = this.matrices.map((matrix) => matrix.takeAll());
    this.rowCount = 0;
    for (const [a, b, c] of rows) this.addRow(a, b, c);
    this.matrices.forEach((matrix, at) => {
      const body = bodies[at];
      if (body !== undefined) matrix.append(body);
    });
    this.rowCount += (bodies[0]?.starts.length ?? 1) - 1;
  }

  /** Adds empty rows until there are `rows`. */
  padRows(rows: number): void {
    while (this.rowCount < rows) this.endRow();
  }

  /**
   * The finished system.
   * @throws TrisealError `MODEL_INVALID` where it has more than `MAX_ROWS` rows or four times as many wires.
   */
  build(): ConstraintSystem {
    if (this.rowCount > MAX_ROWS || this.wireCount > 4 * MAX_ROWS) {
      throw new TrisealError("MODEL_INVALID", `the circuit has ${this.rowCount} rows; at most ${MAX_ROWS} are supported`);
    }
    const [a, b, c] = this.matrices;
    return {
      wires: this.wireCount,
      publicSignals: this.publicSignals,
      rows: this.rowCount,
      a: a.build(),
      b: b.build(),
      c: c.build(),
      values: this.values,
    };
  }

  private term(matrix: MatrixBuilder, wire: number, coefficient: number | bigint): void {
    if (wire >= this.wireCount) throw new TrisealError("INTERNAL", `wire ${wire} is not there yet`);
    const value = this.numbers.get(coefficient) ?? this.intern(coefficient);
    if (this.values[value] === 0n) return;
    matrix.wires.push(wire);
    matrix.values.push(value);
  }

  /** `1` and `1n` are two keys and one value: the second look-up is by value. */
  private intern(coefficient: number | bigint): number {
    const value = toField(coefficient);
    const known = this.indexOfValue.get(value);
    const index = known ?? this.values.push(value) - 1;
    this.indexOfValue.set(value, index);
    this.numbers.set(coefficient, index);
    return index;
  }
}

function rowSum(matrix: SparseMatrix, row: number, values: readonly bigint[], witness: readonly bigint[]): bigint {
  let sum = 0n;
  for (let at = matrix.starts[row] ?? 0; at < (matrix.starts[row + 1] ?? 0); at++) {
    sum += (values[matrix.values[at] ?? 0] ?? 0n) * (witness[matrix.wires[at] ?? 0] ?? 0n);
  }
  return sum;
}

/**
 * The first row that `witness` does not satisfy; -1 where all hold.
 * @throws TrisealError `FORMAT_INVALID` for a witness of another length, or whose first wire is not one.
 */
export function firstBrokenRow(system: ConstraintSystem, witness: readonly bigint[]): number {
  if (witness.length !== system.wires || witness[0] !== 1n) {
    throw new TrisealError("FORMAT_INVALID", `expected ${system.wires} wires, the first of them one`);
  }
  for (let row = 0; row < system.rows; row++) {
    const [a, b, c] = [system.a, system.b, system.c].map((matrix) => rowSum(matrix, row, system.values, witness));
    if (((a ?? 0n) * (b ?? 0n) - (c ?? 0n)) % FIELD_ORDER !== 0n) return row;
  }
  return -1;
}
