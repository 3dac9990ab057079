/**
 * A development key without the Rust program: as `../prover/src/dev_setup.rs` makes one, some hundred times more slowly. Whoever
 * runs this could keep the secrets and forge proofs: the key's state is `dev-insecure`.
 */
import { randomBytes } from "node:crypto";
import { normalizeZ } from "@noble/curves/abstract/curve.js";
import { bn254 } from "@noble/curves/bn254.js";
import type { ConstraintSystem, SparseMatrix } from "../wire/constraint-system.ts";
import { createContainer } from "../wire/container.ts";
import { FIELD_BYTES, FIELD_ORDER, putField } from "../wire/field.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fr } = bn254.fields;
type Curve1 = InstanceType<typeof G1>;
type Curve2 = InstanceType<typeof G2>;

const G1_BYTES = 64;
const G2_BYTES = 128;
const TERM_BYTES = 12 + FIELD_BYTES;
const HEADER_BYTES = 660;
const R = 2n ** 256n;
/** A root of unity of order 2^28 in the scalar field: 5 is a generator of its units. */
const ROOT = Fr.pow(5n, (FIELD_ORDER - 1n) >> 28n);
/** Points between two pauses in which the caller's event loop can show progress. */
const CHUNK = 512;

const randomScalar = (): bigint => (BigInt(`0x${randomBytes(64).toString("hex")}`) % (FIELD_ORDER - 1n)) + 1n;

/** Rows of the domain: the least power of two, two at least, that holds the rows and one row per public signal and the constant. */
export function domainOf({ rows, publicSignals }: ConstraintSystem): number {
  return Math.max(2, 2 ** Math.ceil(Math.log2(rows + publicSignals + 1)));
}

/** The Lagrange polynomials of the domain of `size` rows, at tau. */
function lagrangeAt(tau: bigint, size: number): bigint[] {
  const root = Fr.pow(ROOT, BigInt(2 ** 28 / size));
  const roots: bigint[] = [1n];
  while (roots.length < size) roots.push(Fr.mul(roots.at(-1) ?? 1n, root));
  const scale = Fr.mul(Fr.sub(Fr.pow(tau, BigInt(size)), 1n), Fr.inv(BigInt(size)));
  const inverses = Fr.invertBatch(roots.map((power) => Fr.sub(tau, power)));
  return roots.map((power, at) => Fr.mul(Fr.mul(scale, power), inverses[at] ?? 0n));
}

function wireSums(matrix: SparseMatrix, { wires, rows, values }: ConstraintSystem, lagrange: readonly bigint[]): bigint[] {
  const sums = Array.from({ length: wires }, () => 0n);
  for (let row = 0; row < rows; row++) {
    for (let at = matrix.starts[row] ?? 0; at < (matrix.starts[row + 1] ?? 0); at++) {
      const wire = matrix.wires[at] ?? 0;
      sums[wire] = Fr.add(sums[wire] ?? 0n, Fr.mul(values[matrix.values[at] ?? 0] ?? 0n, lagrange[row] ?? 0n));
    }
  }
  return sums;
}

const putCoordinate = (view: DataView, offset: number, value: bigint) => putField(view, offset, Fp.mul(value, R % Fp.ORDER));

/** Writes a point as key files hold it; infinity is left zero. */
export function putG1(view: DataView, offset: number, point: Curve1): void {
  if (point.is0()) return;
  const { x, y } = point.toAffine();
  putCoordinate(view, offset, x);
  putCoordinate(view, offset + 32, y);
}

/** Writes a point as key files hold it; infinity is left zero. */
export function putG2(view: DataView, offset: number, point: Curve2): void {
  if (point.is0()) return;
  const { x, y } = point.toAffine();
  [x.c0, x.c1, y.c0, y.c1].forEach((part, at) => {
    putCoordinate(view, offset + 32 * at, part);
  });
}

/** Terms of A and B row by row, then one row per public signal and the constant, so that none can be changed freely. */
function putTerms(view: DataView, system: ConstraintSystem): void {
  const { a, b, rows, publicSignals, values } = system;
  const coefficients = values.map((value) => Fr.mul(value, Fr.mul(R % FIELD_ORDER, R % FIELD_ORDER)));
  view.setUint32(0, a.wires.length + b.wires.length + publicSignals + 1, true);
  let offset = 4;
  const put = (matrix: number, row: number, wire: number, coefficient: bigint) => {
    view.setUint32(offset, matrix, true);
    view.setUint32(offset + 4, row, true);
    view.setUint32(offset + 8, wire, true);
    putField(view, offset + 12, coefficient);
    offset += TERM_BYTES;
  };
  for (let row = 0; row < rows; row++) {
    [a, b].forEach(({ starts, wires, values: numbers }, matrix) => {
      for (let at = starts[row] ?? 0; at < (starts[row + 1] ?? 0); at++) {
        put(matrix, row, wires[at] ?? 0, coefficients[numbers[at] ?? 0] ?? 0n);
      }
    });
  }
  const one = Fr.mul(R % FIELD_ORDER, R % FIELD_ORDER);
  for (let signal = 0; signal <= publicSignals; signal++) put(0, rows + signal, signal, one);
}

const oneG1 = (scalar: bigint): Curve1 => G1.BASE.multiply(scalar);
const oneG2 = (scalar: bigint): Curve2 => G2.BASE.multiply(scalar);

/**
 * A `.zkey` file for `system`.
 * @param progress called with the points that are made and all of them; about half a millisecond each.
 */
export async function makeDevKey(system: ConstraintSystem, progress: (done: number, total: number) => void): Promise<Uint8Array> {
  const { wires, publicSignals, rows } = system;
  const size = domainOf(system);
  const [tau, alpha, beta, delta] = [randomScalar(), randomScalar(), randomScalar(), randomScalar()] as const;
  const lagrange = lagrangeAt(tau, size);
  const [u, v, w] = [system.a, system.b, system.c].map((matrix) => wireSums(matrix, system, lagrange)) as [
    bigint[],
    bigint[],
    bigint[],
  ];
  for (let signal = 0; signal <= publicSignals; signal++) u[signal] = Fr.add(u[signal] ?? 0n, lagrange[rows + signal] ?? 0n);
  const inverse = Fr.inv(delta);
  const mix = u.map((value, at) => Fr.add(Fr.add(Fr.mul(beta, value), Fr.mul(alpha, v[at] ?? 0n)), w[at] ?? 0n));
  const odd = lagrangeAt(tau, 2 * size).filter((_, at) => at % 2 === 1);
  const divided = (list: readonly bigint[]) => list.map((value) => Fr.mul(value, inverse));
  const lists = [
    { id: 3, scalars: mix.slice(0, publicSignals + 1), group: 1 },
    { id: 9, scalars: divided(odd), group: 1 },
    { id: 8, scalars: divided(mix.slice(publicSignals + 1)), group: 1 },
    { id: 5, scalars: u, group: 1 },
    { id: 6, scalars: v, group: 1 },
    { id: 7, scalars: v, group: 2 },
  ] as const;
  const terms = system.a.wires.length + system.b.wires.length + publicSignals + 1;
  const { bytes, views } = createContainer("zkey", 1, [
    { id: 1, byteLength: 4 },
    { id: 2, byteLength: HEADER_BYTES },
    { id: 4, byteLength: 4 + TERM_BYTES * terms },
    ...lists.map(({ id, scalars, group }) => ({ id, byteLength: scalars.length * (group === 1 ? G1_BYTES : G2_BYTES) })),
    { id: 10, byteLength: 64 + 4 },
  ]);
  const [kind, head, coefficients, ...sections] = views as [DataView, DataView, DataView, ...DataView[]];
  kind.setUint32(0, 1, true);
  putHeader(head, { wires, publicSignals, size }, { alpha, beta, delta });
  putTerms(coefficients, system);
  const total = lists.reduce((sum, { scalars }) => sum + scalars.length, 0);
  let done = 0;
  for (const [at, { scalars, group }] of lists.entries()) {
    const section = sections[at] ?? new DataView(new ArrayBuffer(0));
    for (let from = 0; from < scalars.length; from += CHUNK) {
      putPoints(section, from, scalars.slice(from, from + CHUNK), group);
      done += Math.min(CHUNK, scalars.length - from);
      progress(done, total);
      await new Promise(setImmediate);
    }
  }
  return bytes;
}

/** Writes multiples of the generator from point number `from` on. Infinity stays zero. */
function putPoints(section: DataView, from: number, scalars: readonly bigint[], group: 1 | 2): void {
  if (group === 1) {
    const points = normalizeZ(
      G1,
      scalars.map((scalar) => (scalar === 0n ? G1.ZERO : oneG1(scalar))),
    );
    for (const [at, point] of points.entries()) putG1(section, (from + at) * G1_BYTES, point);
    return;
  }
  const points = normalizeZ(
    G2,
    scalars.map((scalar) => (scalar === 0n ? G2.ZERO : oneG2(scalar))),
  );
  for (const [at, point] of points.entries()) putG2(section, (from + at) * G2_BYTES, point);
}

function putHeader(
  head: DataView,
  { wires, publicSignals, size }: { readonly wires: number; readonly publicSignals: number; readonly size: number },
  { alpha, beta, delta }: { readonly alpha: bigint; readonly beta: bigint; readonly delta: bigint },
): void {
  head.setUint32(0, FIELD_BYTES, true);
  putField(head, 4, Fp.ORDER);
  head.setUint32(36, FIELD_BYTES, true);
  putField(head, 40, FIELD_ORDER);
  [wires, publicSignals, size].forEach((value, at) => {
    head.setUint32(72 + 4 * at, value, true);
  });
  putG1(head, 84, oneG1(alpha));
  putG1(head, 148, oneG1(beta));
  putG2(head, 212, oneG2(beta));
  putG2(head, 340, G2.BASE);
  putG1(head, 468, oneG1(delta));
  putG2(head, 532, oneG2(delta));
}
