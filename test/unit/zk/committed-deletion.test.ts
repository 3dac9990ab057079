/** Circuits with private weights, small enough to solve: one solution for given numbers, and every row is needed for that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashElements } from "../../../src/model/commitment/input-commitment.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { architectureOf } from "../../../src/paths/zk/compile/architecture.ts";
import { generateWitness } from "../../../src/paths/zk/compile/witness.ts";
import { toField } from "../../../src/paths/zk/wire/field.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { committedCircuit, linearOp, modelOf, requantOp } from "../../fixtures/committed-models.ts";
import { solveCircuit } from "../../fixtures/solve-circuit.ts";

const SALT = new Uint8Array(16).fill(5);
/** Of the rows of Poseidon, which are alike, one in so many is deleted. */
const HASH_STEP = 40;

const squeezed = (weight: number, bias: number, offset: number, shift: number, max: number) =>
  modelOf([1], 2, [linearOp(0, 2, [weight], [bias]), requantOp(1, offset, shift, max)]);

/** Rows of the hash of so many elements. */
function hashRows(elements: number): number {
  let rows = 0;
  hashElements(Array<bigint>(elements).fill(0n), () => {
    rows += 3;
  });
  return rows;
}

/**
 * An honest witness, and what is given: inputs, context, both salts, and the private numbers. All else is the prover's: bits,
 * products, sums, hashes and outputs. Shifts are given by the commitment, or by their flags: with the commitment given, a row of its
 * hash is one equation too many.
 */
function open(checked: CheckedModel, input: readonly number[]) {
  const circuit = committedCircuit(checked);
  const { system, weights } = circuit;
  const run = { input: Int32Array.from(input), salt: SALT, context: 4n };
  const witness = parseWitness(generateWitness(circuit, checked, run).file);
  const first = system.publicSignals + 1;
  const given = [system.publicSignals, first + 2, first + 3];
  const flags: number[] = [];
  let [at, row] = [first + 4, circuit.outputs + 4];
  const number = (bits: number) => {
    given.push(at);
    [at, row] = [at + bits, row + bits];
  };
  for (const op of architectureOf(checked).document.ops) {
    if (op.op === "linear") {
      for (let left = input.length * op.rows; left > 0; left--) number(op.bits);
      for (let left = op.rows; left > 0; left--) number(op.biasBits + 1);
    }
    if (op.op !== "requant") continue;
    number(op.offsetBits + 1);
    for (let shift = 0; shift <= op.mostShift; shift++) flags.push(at++);
    // The power, and the row of the sum of flags.
    [at, row] = [at + 1, row + op.mostShift + 3];
  }
  const weightHash = { from: row, to: row + first + 3 + (weights?.wires.length ?? 0) / 32 - at };
  // Each input of 0 to 2 is a wire, one bit, and one of what is left to 2: four rows.
  const inputs = at + weightHash.to - weightHash.from;
  input.forEach((_, index) => {
    given.push(inputs + 3 * index);
  });
  const inputHash = weightHash.to + 4 * input.length;
  const isHash = (other: number) =>
    (other >= weightHash.from && other < weightHash.to) || (other >= inputHash && other < inputHash + hashRows(2));
  const known = (wires: readonly number[]) => new Map(wires.map((wire) => [wire, witness[wire] ?? 0n]));
  const [byCommitment, byFlags] = [known([...given, 2]), known([...given, ...flags])];
  const noNumbers = known(given.filter((wire) => wire < first + 4 || wire >= inputs));
  return { system, usedRows: circuit.usedRows, witness, isHash, known: byCommitment, byFlags, noNumbers };
}

describe("a requantisation with private offset and shift", () => {
  it("has one solution for every weight, bias, offset, shift and input, and it is the reference's", () => {
    const forms = fc.record({
      weight: fc.integer({ min: -1, max: 1 }),
      bias: fc.integer({ min: -4, max: 3 }),
      offset: fc.integer({ min: -8, max: 7 }),
      shift: fc.integer({ min: 0, max: 5 }),
      max: fc.constantFrom(1, 2, 3, 5),
      x: fc.nat(2),
    });
    fc.assert(
      fc.property(forms, ({ weight, bias, offset, shift, max, x }) => {
        const checked = squeezed(weight, bias, offset, shift, max);
        const { system, witness, known } = open(checked, [x]);
        expect(solveCircuit(system, known)).toEqual([witness]);
        expect(witness[3]).toBe(toField(runInteger(checked, Int32Array.of(x))[0] ?? 0));
      }),
      { numRuns: 15 },
    );
  }, 120_000);
});

/** Models of one architecture with inputs: some rows are needed for some shifts only. */
const MODELS: readonly (readonly [string, readonly CheckedModel[], readonly (readonly number[])[]])[] = [
  ["squeezed sums, clipped by bits", [squeezed(1, 1, 3, 1, 1), squeezed(1, 1, 3, 3, 1)], [[2], [0], [1]]],
  ["squeezed sums, clipped by comparison", [squeezed(-1, 3, 0, 0, 2), squeezed(1, 3, 0, 3, 2)], [[2], [0], [1]]],
  [
    "sums of two products, and the larger",
    [modelOf([2], 2, [linearOp(0, 2, [1, -1, 0, 1], [0, 1]), { op: "arg-max", x: 1 }])],
    [
      [1, 2],
      [2, 0],
      [0, 0],
      [2, 2],
    ],
  ],
];

describe.each(MODELS)("the circuit with private weights of %s", (_, models, inputs) => {
  const opened = models.flatMap((checked) => inputs.map((input) => open(checked, input)));
  const [first] = opened;
  if (first === undefined) throw new Error("nothing to open");
  const { system, usedRows, isHash } = first;

  it("has one solution for each input", () => {
    for (const { witness, known } of opened) expect(solveCircuit(system, known)).toEqual([witness]);
  });

  it("has another solution as soon as any row is missing", () => {
    const needless: number[] = [];
    let skipped = 0;
    for (let row = 0; row < usedRows; row++) {
      if (isHash(row) && skipped++ % HASH_STEP !== 0) continue;
      const forged = opened.some(({ witness, known, byFlags, noNumbers }) =>
        // Without the first row nothing but given numbers says that the private one is one.
        (row === 0 ? [noNumbers] : [byFlags, known]).some((given) => {
          const found = solveCircuit(system, given, { without: row });
          return found.some((solution) => solution.some((value, wire) => value !== witness[wire]));
        }),
      );
      if (!forged) needless.push(row);
    }
    expect(needless).toEqual([]);
  }, 240_000);
});
