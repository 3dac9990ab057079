/** Poseidon over the scalar field of BN254: circomlib's hash of 1 to 16 inputs. */
import { FULL_ROUNDS, POSEIDON_FIELD, type PoseidonParameters, poseidonParameters } from "./poseidon-parameters.ts";

/** Takes the square, fourth and fifth power of every element that goes through the power, in the order of the rounds. */
export type PowerRecorder = (square: bigint, fourth: bigint, fifth: bigint) => void;

function fifthPower(value: bigint, record: PowerRecorder | undefined): bigint {
  const square = (value * value) % POSEIDON_FIELD;
  const fourth = (square * square) % POSEIDON_FIELD;
  const fifth = (fourth * value) % POSEIDON_FIELD;
  record?.(square, fourth, fifth);
  return fifth;
}

/** One full round; only the first `rows` elements of the next state are made. */
function fullRound(
  state: bigint[],
  round: number,
  parameters: PoseidonParameters,
  record: PowerRecorder | undefined,
  rows = parameters.width,
): bigint[] {
  const { fullConstants, mds, width } = parameters;
  const constants = fullConstants[round] as readonly bigint[];
  for (let at = 0; at < width; at++) state[at] = fifthPower((state[at] as bigint) + (constants[at] as bigint), record);
  const next: bigint[] = [];
  for (let row = 0; row < rows; row++) {
    const factors = mds[row] as readonly bigint[];
    let sum = 0n;
    for (let at = 0; at < width; at++) sum += (factors[at] as bigint) * (state[at] as bigint);
    next.push(sum % POSEIDON_FIELD);
  }
  return next;
}

/** Elements past the first are left unreduced for this many rounds: an addition is cheaper than a remainder. */
const LAZY_ROUNDS = 16;

function partialRounds(state: bigint[], parameters: PoseidonParameters, record?: PowerRecorder): bigint[] {
  const { width, mds, rows, columns, partialConstants, closing } = parameters;
  const corner = mds[0]?.[0] ?? 0n;
  for (let round = 0; round < parameters.partialRounds; round++) {
    const [row, column] = [rows[round] as readonly bigint[], columns[round] as readonly bigint[]];
    const first = fifthPower((state[0] as bigint) + (partialConstants[round] as bigint), record);
    let sum = corner * first;
    const reduce = round % LAZY_ROUNDS === LAZY_ROUNDS - 1;
    for (let at = 1; at < width; at++) {
      const item = state[at] as bigint;
      sum += (row[at - 1] as bigint) * item;
      const next = item + (column[at - 1] as bigint) * first;
      state[at] = reduce ? next % POSEIDON_FIELD : next;
    }
    state[0] = sum % POSEIDON_FIELD;
  }
  const others = state.slice(1).map((item) => item % POSEIDON_FIELD);
  const closed = closing.map(
    (row) => row.reduce((sum, factor, at) => sum + factor * (others[at] as bigint), 0n) % POSEIDON_FIELD,
  );
  return [state[0] as bigint, ...closed];
}

/**
 * The hash of 1 to 16 field elements (circomlib `Poseidon`, capacity zero, first element of the state).
 * @param inputs each from 0 to below the field order. Not checked.
 * @param record receives the powers, for a prover that shows them.
 */
export function poseidon(inputs: readonly bigint[], record?: PowerRecorder): bigint {
  const parameters = poseidonParameters(inputs.length);
  let state = [0n, ...inputs];
  for (let round = 0; round < FULL_ROUNDS / 2; round++) state = fullRound(state, round, parameters, record);
  state = partialRounds(state, parameters, record);
  const last = FULL_ROUNDS - 1;
  for (let round = FULL_ROUNDS / 2; round < last; round++) state = fullRound(state, round, parameters, record);
  // Nothing but the first element of the last state is read.
  return fullRound(state, last, parameters, record, 1)[0] ?? 0n;
}
