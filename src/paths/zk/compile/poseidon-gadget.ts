/** Poseidon as constraints: three rows for every element that goes through the power, nothing for the matrices. */
import { hashCalls } from "../../../model/commitment/input-commitment.ts";
import { FULL_ROUNDS, POSEIDON_FIELD, poseidonParameters } from "../../../model/commitment/poseidon-parameters.ts";
import type { ConstraintBuilder } from "../wire/constraint-system.ts";

/** A sum of wires with coefficients in the field. */
export type FieldSum = ReadonlyMap<number, bigint>;

function addTo(target: Map<number, bigint>, sum: FieldSum, factor: bigint): void {
  for (const [wire, coefficient] of sum) {
    target.set(wire, ((target.get(wire) ?? 0n) + factor * coefficient) % POSEIDON_FIELD);
  }
}

function weighted(sums: readonly FieldSum[], factors: readonly bigint[]): Map<number, bigint> {
  const total = new Map<number, bigint>();
  for (let at = 0; at < sums.length; at++) addTo(total, sums[at] ?? new Map(), factors[at] ?? 0n);
  return total;
}

class PoseidonEmitter {
  private readonly builder: ConstraintBuilder;
  private readonly one: FieldSum;

  constructor(builder: ConstraintBuilder, one: number) {
    this.builder = builder;
    this.one = new Map([[one, 1n]]);
  }

  private product(a: FieldSum, b: FieldSum): FieldSum {
    const wire = this.builder.addWire();
    this.builder.addRow([...a], [...b], [[wire, 1]]);
    return new Map([[wire, 1n]]);
  }

  /** The fifth power of `sum + constant`. */
  private power(sum: FieldSum, constant: bigint): FieldSum {
    const base = weighted([sum, this.one], [1n, constant]);
    const square = this.product(base, base);
    return this.product(this.product(square, square), base);
  }

  hash(inputs: readonly FieldSum[]): FieldSum {
    const parameters = poseidonParameters(inputs.length);
    const { mds, fullConstants } = parameters;
    const half = FULL_ROUNDS / 2;
    let state: FieldSum[] = [new Map(), ...inputs];
    const full = (round: number) => {
      const powers = state.map((item, at) => this.power(item, fullConstants[round]?.[at] ?? 0n));
      state = mds.map((row) => weighted(powers, row));
    };
    for (let round = 0; round < half; round++) full(round);
    state = this.partial(state, parameters);
    for (let round = half; round < FULL_ROUNDS; round++) full(round);
    return state[0] ?? new Map();
  }

  private partial(state: readonly FieldSum[], parameters: ReturnType<typeof poseidonParameters>): FieldSum[] {
    const { mds, rows, columns, partialConstants, closing, partialRounds } = parameters;
    let first = state[0] ?? new Map<number, bigint>();
    const others = state.slice(1).map((item) => new Map(item));
    for (let round = 0; round < partialRounds; round++) {
      const power = this.power(first, partialConstants[round] ?? 0n);
      const next = weighted(others, rows[round] ?? []);
      addTo(next, power, mds[0]?.[0] ?? 0n);
      others.forEach((item, at) => {
        addTo(item, power, columns[round]?.[at] ?? 0n);
      });
      first = next;
    }
    return [first, ...closing.map((row) => weighted(others, row))];
  }
}

/** The hash of field elements, in the calls of `hashCalls`. `one` is the private wire that is one. */
export function emitHash(builder: ConstraintBuilder, one: number, elements: readonly FieldSum[]): FieldSum {
  const emitter = new PoseidonEmitter(builder, one);
  let hash: FieldSum = new Map();
  let next = 0;
  hashCalls(elements.length).forEach((inputs, call) => {
    const taken = call === 0 ? inputs : inputs - 1;
    const chunk = elements.slice(next, next + taken);
    hash = emitter.hash(call === 0 ? chunk : [hash, ...chunk]);
    next += taken;
  });
  return hash;
}
