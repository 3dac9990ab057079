/**
 * Parameters of Poseidon over the scalar field of BN254 (eprint 2019/458), as circomlib uses them: alpha 5, 8 full rounds, and
 * constants and matrix drawn from the Grain generator of the paper's appendix F. They are computed here, not copied, and brought
 * into a form in which a partial round costs 2t instead of t^2 multiplications.
 */

/** Order of the scalar field of BN254. */
export const POSEIDON_FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** Full rounds: half of them before the partial rounds, half after. */
export const FULL_ROUNDS = 8;

/** Most inputs of one permutation. */
export const MAX_POSEIDON_INPUTS = 16;

const FIELD_BITS = 254;
/** Bits that are collected before they become a BigInt. */
const WORD_BITS = 48;
/** Partial rounds for 2, 3, ... 17 state elements (circomlib). */
const PARTIAL_ROUNDS: readonly number[] = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];

type Vector = readonly bigint[];
type Matrix = readonly Vector[];

/** What the permutation needs for one width `t`. */
export interface PoseidonParameters {
  readonly width: number;
  readonly partialRounds: number;
  /** The matrix of the full rounds. */
  readonly mds: Matrix;
  /** Constants of each full round, added before its powers. */
  readonly fullConstants: Matrix;
  /** The one constant of each partial round, added to the first element. */
  readonly partialConstants: Vector;
  /** The first element's next value in partial round r: `mds[0][0] * x0 + sum rows[r][i] * u[i + 1]`. */
  readonly rows: Matrix;
  /** What partial round r adds to the others: `u[i + 1] += columns[r][i] * x0`. */
  readonly columns: Matrix;
  /** Brings the others back into the usual basis after the last partial round. */
  readonly closing: Matrix;
}

const mod = (value: bigint): bigint => ((value % POSEIDON_FIELD) + POSEIDON_FIELD) % POSEIDON_FIELD;

function power(base: bigint, exponent: bigint): bigint {
  let [result, square, left] = [1n, mod(base), exponent];
  for (; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

const inverse = (value: bigint): bigint => power(value, POSEIDON_FIELD - 2n);

/** Draws numbers from the Grain generator in its self-shrinking mode. */
class Grain {
  private readonly state: Uint8Array;
  private start = 0;

  constructor(width: number, partialRounds: number) {
    const bits = (value: number, length: number) => Array.from({ length }, (_, index) => (value >> (length - 1 - index)) & 1);
    const ones = Array.from({ length: 30 }, () => 1);
    const sizes = [bits(FIELD_BITS, 12), bits(width, 12), bits(FULL_ROUNDS, 10), bits(partialRounds, 10)];
    this.state = Uint8Array.from([...bits(1, 2), ...bits(0, 4), ...sizes.flat(), ...ones]);
    for (let step = 0; step < 160; step++) this.step();
  }

  private step(): number {
    const { start } = this;
    const bit = this.at(62) ^ this.at(51) ^ this.at(38) ^ this.at(23) ^ this.at(13) ^ this.at(0);
    this.state[start] = bit;
    this.start = start === 79 ? 0 : start + 1;
    return bit;
  }

  private at(offset: number): number {
    const place = this.start + offset;
    return this.state[place < 80 ? place : place - 80] ?? 0;
  }

  /** 254 bits as a number, most significant first. */
  number(): bigint {
    let number = 0n;
    for (let left = FIELD_BITS; left > 0; left -= Math.min(left, WORD_BITS)) {
      const length = Math.min(left, WORD_BITS);
      let word = 0;
      for (let kept = 0; kept < length; ) {
        const keep = this.step();
        const bit = this.step();
        if (keep === 0) continue;
        word = word * 2 + bit;
        kept++;
      }
      number = (number << BigInt(length)) | BigInt(word);
    }
    return number;
  }

  /** A number below the field order. */
  element(): bigint {
    for (;;) {
      const value = this.number();
      if (value < POSEIDON_FIELD) return value;
    }
  }
}

const dot = (left: Vector, right: Vector): bigint =>
  mod(left.reduce((sum, item, index) => sum + item * (right[index] ?? 0n), 0n));
const timesVector = (matrix: Matrix, vector: Vector): bigint[] => matrix.map((row) => dot(row, vector));
const transposed = (matrix: Matrix): Matrix => (matrix[0] ?? []).map((_, column) => matrix.map((row) => row[column] ?? 0n));
const times = (left: Matrix, right: Matrix): Matrix => {
  const columns = transposed(right);
  return left.map((row) => columns.map((column) => dot(row, column)));
};

/** The inverse of a square matrix, by elimination. The matrices here are Cauchy matrices and their blocks: all invertible. */
function inverted(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, at) => [...row, ...Array.from({ length: size }, (_, column) => (column === at ? 1n : 0n))]);
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, at) => at >= column && row[column] !== 0n);
    const swapped = rows[pivot] ?? [];
    rows[pivot] = rows[column] ?? [];
    const factor = inverse(swapped[column] ?? 0n);
    const scaled = swapped.map((item) => mod(item * factor));
    rows[column] = scaled;
    rows.forEach((row, at) => {
      const lead = row[column] ?? 0n;
      if (at !== column && lead !== 0n) rows[at] = row.map((item, index) => mod(item - lead * (scaled[index] ?? 0n)));
    });
  }
  return rows.map((row) => row.slice(size));
}

/** The inverses of numbers that are not zero, for the price of one inversion: that of their product. */
function inverses(numbers: Vector): Vector {
  const prefixes = [1n];
  for (const number of numbers) prefixes.push(mod((prefixes.at(-1) ?? 1n) * number));
  let rest = inverse(prefixes.at(-1) ?? 1n);
  const found: bigint[] = [];
  for (let at = numbers.length - 1; at >= 0; at--) {
    found[at] = mod(rest * (prefixes[at] ?? 1n));
    rest = mod(rest * (numbers[at] ?? 1n));
  }
  return found;
}

function cauchyMatrix(grain: Grain, width: number): Matrix {
  const drawn = Array.from({ length: 2 * width }, () => mod(grain.number()));
  const [left, right] = [drawn.slice(0, width), drawn.slice(width)];
  const found = inverses(left.flatMap((x) => right.map((y) => mod(x + y))));
  return left.map((_, row) => found.slice(row * width, (row + 1) * width));
}

function matrixPower(matrix: Matrix, exponent: number): Matrix {
  let result: Matrix = matrix.map((_, at) => matrix.map((__, other) => (at === other ? 1n : 0n)));
  let square = matrix;
  for (let left = exponent; left > 0; left >>= 1) {
    if ((left & 1) === 1) result = times(result, square);
    square = times(square, square);
  }
  return result;
}

/**
 * In partial rounds only the first element goes through the power. So constants of the others are pushed forward through the
 * matrix, and a change of basis of the others, by one more factor of the matrix's lower right block each round, leaves a
 * first row, a first column and an identity.
 */
function sparsePartialRounds(mds: Matrix, constants: Matrix, partialRounds: number) {
  const block = mds.slice(1).map((row) => row.slice(1));
  const blockInverse = inverted(block);
  const blockTransposed = transposed(block);
  const [partialConstants, rows, columns]: [bigint[], Vector[], Vector[]] = [[], [], []];
  let pushed = (mds[0] ?? []).map(() => 0n);
  let row: Vector = (mds[0] ?? []).slice(1);
  let column: Vector = mds.slice(1).map((line) => line[0] ?? 0n);
  for (let round = 0; round < partialRounds; round++) {
    const full = pushed.map((item, at) => mod(item + (constants[round]?.[at] ?? 0n)));
    partialConstants.push(full[0] ?? 0n);
    pushed = timesVector(mds, [0n, ...full.slice(1)]);
    column = timesVector(blockInverse, column);
    rows.push(row);
    columns.push(column);
    row = timesVector(blockTransposed, row);
  }
  return { partialConstants, rows, columns, closing: matrixPower(block, partialRounds), pushed };
}

function derive(width: number): PoseidonParameters {
  const partialRounds = PARTIAL_ROUNDS[width - 2];
  if (partialRounds === undefined) throw new RangeError(`no Poseidon parameters for ${width} elements`);
  const grain = new Grain(width, partialRounds);
  const rounds = FULL_ROUNDS + partialRounds;
  const constants = Array.from({ length: rounds }, () => Array.from({ length: width }, () => grain.element()));
  const mds = cauchyMatrix(grain, width);
  const half = FULL_ROUNDS / 2;
  const partial = constants.slice(half, half + partialRounds);
  const { pushed, ...sparse } = sparsePartialRounds(mds, partial, partialRounds);
  const last = constants.slice(half + partialRounds);
  const fullConstants = [
    ...constants.slice(0, half),
    (last[0] ?? []).map((item, at) => mod(item + (pushed[at] ?? 0n))),
    ...last.slice(1),
  ];
  return { width, partialRounds, mds, fullConstants, ...sparse };
}

const known = new Map<number, PoseidonParameters>();

/**
 * The parameters for `inputs` inputs (1 to 16), that is `inputs + 1` state elements. Computed at first use, some ten
 * milliseconds for the widest.
 */
export function poseidonParameters(inputs: number): PoseidonParameters {
  const width = inputs + 1;
  const parameters = known.get(width) ?? derive(width);
  known.set(width, parameters);
  return parameters;
}
