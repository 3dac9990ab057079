/** Gadgets of a few bits, every input: over the whole field there is one assignment of their wires, and it is the right one. */
import { describe, expect, it } from "vitest";
import { planRequant } from "../../../src/paths/zk/compile/element-plan.ts";
import { Gadgets, type Sum, wireSum } from "../../../src/paths/zk/compile/gadgets.ts";
import { ConstraintBuilder, type ConstraintSystem } from "../../../src/paths/zk/wire/constraint-system.ts";
import { toField } from "../../../src/paths/zk/wire/field.ts";
import { solveCircuit } from "../../fixtures/solve-circuit.ts";

interface Built {
  readonly system: ConstraintSystem;
  readonly inputs: readonly number[];
  /** The gadget's result for given inputs, out of a solution. */
  readonly read: (solution: readonly bigint[]) => bigint;
}

/** A circuit of one gadget over `inputs` wires. Its result is given a wire, so that a solution shows it. */
function build(count: number, emit: (gadgets: Gadgets, inputs: readonly Sum[]) => Sum): Built {
  const builder = new ConstraintBuilder(0);
  const one = builder.addWire();
  builder.addRow([[one, 1]], [[0, 1]], [[0, 1]]);
  const gadgets = new Gadgets(builder, one);
  const inputs = Array.from({ length: count }, () => builder.addWire());
  const result = gadgets.wireOf(
    emit(
      gadgets,
      inputs.map((wire) => wireSum(wire)),
    ),
  );
  const [wire = 0] = result.wires;
  return { system: builder.build(), inputs, read: (solution) => solution[wire] ?? -1n };
}

/** The results of all solutions for `values`; free wires would give several. */
function results({ system, inputs, read }: Built, values: readonly number[]): bigint[] {
  const known = new Map(inputs.map((wire, at) => [wire, toField(values[at] ?? 0)]));
  return solveCircuit(system, known, { limit: 3 }).map(read);
}

const range = (lo: number, hi: number) => Array.from({ length: hi - lo + 1 }, (_, at) => lo + at);
const clamp = (value: number, max: number) => Math.min(max, Math.max(0, value));

const FORMS = [
  { offset: 0, shift: 0, max: 1 },
  { offset: 1, shift: 0, max: 1 },
  { offset: 1, shift: 1, max: 3 },
  { offset: 2, shift: 2, max: 3 },
  { offset: 1, shift: 1, max: 5 },
  { offset: -3, shift: 1, max: 2 },
  { offset: 0, shift: 3, max: 7 },
  { offset: 4, shift: 1, max: 15 },
];
const RANGES = [1, 2, 3].flatMap((bits) => [
  { lo: 0, hi: 2 ** bits - 1 },
  { lo: -(2 ** bits), hi: 2 ** bits - 1 },
  { lo: -(2 ** bits) + 1, hi: 2 ** bits },
  { lo: -3, hi: 2 ** bits },
]);

describe("requantisation of up to six bits", () => {
  it.each(FORMS.flatMap((form) => [true, false].map((isShort) => ({ ...form, isShort }))))(
    "has one solution for every input of every range: offset $offset, shift $shift, max $max, lowest bit implied $isShort",
    ({ isShort, ...form }) => {
      if (isShort && form.shift === 0) return expect(form.shift).toBe(0);
      const widest = form.shift === 3 || form.max === 5 ? [{ lo: -32, hi: 31 }] : [];
      for (const { lo, hi } of [...RANGES, ...widest]) {
        const plan = planRequant(lo, hi, form);
        const built = build(1, (gadgets, [x]) => gadgets.requantise(x ?? wireSum(0), plan, form, isShort));
        for (const x of range(lo, hi)) {
          const want = clamp(Math.floor((x + form.offset) / 2 ** form.shift), form.max);
          expect(results(built, [x]), `${x} of ${lo} to ${hi}`).toEqual([BigInt(want)]);
        }
      }
    },
  );

  it("has no solution for an input beyond what its bits hold, in both forms", () => {
    const form = { offset: 1, shift: 1, max: 3 };
    const plan = planRequant(-8, 7, form);
    for (const isShort of [true, false]) {
      const built = build(1, (gadgets, [x]) => gadgets.requantise(x ?? wireSum(0), plan, form, isShort));
      for (const x of [-100, -18, 15, 31, 1000]) expect(results(built, [x])).toEqual([]);
      // A fraction and a number near the field order are no integers of these bits either.
      for (const x of [10944121435919637611123202872628637544274182200208017171849102093287904247809n, -(2n ** 200n)]) {
        const known = new Map([[built.inputs[0] ?? 0, toField(x)]]);
        expect(solveCircuit(built.system, known)).toEqual([]);
      }
    }
  });
});

describe("decomposition, sign and choice", () => {
  it("spell every number of one to six bits in one way, and no number beyond", () => {
    for (const bits of range(1, 6)) {
      for (const short of [false, true]) {
        const built = build(1, (gadgets, [x]) => {
          const sum = x ?? wireSum(0);
          return gadgets.binary(short ? gadgets.bitsOfShort(sum, bits) : gadgets.bits(sum, bits));
        });
        for (const x of range(-2, 2 ** bits + 2)) {
          const inside = x >= 0 && x < 2 ** bits;
          expect(results(built, [x]), `${x} in ${bits} bits`).toEqual(inside ? [BigInt(x)] : []);
        }
      }
    }
  });

  it("tell every sign within the bounds, at their ends too", () => {
    for (const { lo, hi } of RANGES) {
      const built = build(1, (gadgets, [x]) => gadgets.isNotNegative(x ?? wireSum(0), lo, hi));
      for (const x of range(lo, hi)) expect(results(built, [x]), `${x} of ${lo} to ${hi}`).toEqual([x >= 0 ? 1n : 0n]);
    }
  });

  it("take the larger of two numbers of every pair of small ranges", () => {
    for (const [lo, hi] of [
      [0, 3],
      [-4, 3],
      [-1, 6],
    ] as const) {
      const built = build(2, (gadgets, [left = wireSum(0), right = wireSum(0)]) => {
        const minus = { wires: [...left.wires, ...right.wires], coefficients: [...left.coefficients, -1] };
        return gadgets.choose(gadgets.isNotNegative(minus, lo - hi, hi - lo), left, right);
      });
      for (const left of range(lo, hi)) {
        for (const right of range(lo, hi)) expect(results(built, [left, right])).toEqual([toField(Math.max(left, right))]);
      }
    }
  });
});
