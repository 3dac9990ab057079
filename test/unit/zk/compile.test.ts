import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commitInput } from "../../../src/model/commitment/input-commitment.ts";
import type { CheckedModel, IntegerModel, IntegerOp } from "../../../src/model/integer/integer-model.ts";
import { checkIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { type Circuit, compileCircuit } from "../../../src/paths/zk/compile/circuit.ts";
import { generateWitness } from "../../../src/paths/zk/compile/witness.ts";
import { firstBrokenRow } from "../../../src/paths/zk/wire/constraint-system.ts";
import { FIELD_ORDER, toField } from "../../../src/paths/zk/wire/field.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { forEachTerm, jacobianRank } from "../../fixtures/jacobian-rank.ts";

const SALT = Uint8Array.from({ length: 16 }, (_, index) => index * 9 + 1);
const CONTEXT = 987654321n;

function model(shape: readonly number[], max: number, ops: readonly IntegerOp[]): CheckedModel {
  const isClass = ops.at(-1)?.op === "arg-max";
  const draft: IntegerModel = {
    v: 1,
    input: { name: "x", shape, encoding: { kind: "affine", multiplier: 1, zero: 0, max } },
    ops,
    output: { name: "y", meaning: isClass ? "class" : "logits", scale: 1, offset: 0 },
  };
  return checkIntegerModel(draft);
}

/** Weights from -7 to 7, the same for the same seed. */
function weights(count: number, seed: number): Int8Array {
  let state = seed;
  return Int8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return ((state >> 8) % 15) - 7;
  });
}

const linear = (x: number, rows: number, n: number, seed: number): IntegerOp => {
  const bias = Array.from(weights(rows, seed + 50), (item) => item * 5);
  return { op: "linear", x, rows, bits: 4, weights: weights(rows * n, seed), bias };
};
const requant = (x: number, offset: number, shift: number, max: number): IntegerOp => ({ op: "requant", x, offset, shift, max });

const dense = (seed: number) => model([3], 15, [linear(0, 4, 3, seed), requant(1, 4, 3, 7), linear(2, 2, 4, seed + 1)]);
const WINDOW = { kernel: [2, 2], stride: [1, 1], pad: [0, 1, 1, 0] } as const;

const models: readonly (readonly [string, CheckedModel])[] = [
  ["a dense network", dense(3)],
  [
    "requantisation without sign, clipped by comparison",
    model([3], 9, [requant(0, 1, 1, 3), linear(1, 2, 3, 5), requant(2, 40, 2, 10)]),
  ],
  ["a step and an input that is no power of two", model([4], 5, [linear(0, 3, 4, 8), requant(1, 1, 0, 1), linear(2, 1, 3, 2)])],
  ["arg-max after a dense layer", model([3], 7, [linear(0, 4, 3, 4), { op: "arg-max", x: 1 }])],
  [
    "convolution, pools, sums and joins",
    model([2, 3, 3], 3, [
      {
        op: "conv",
        x: 0,
        channels: 2,
        ...WINDOW,
        dilation: [1, 1],
        groups: 1,
        fill: 1,
        bits: 4,
        weights: weights(16, 6),
        bias: [3, -4],
      },
      requant(1, 2, 2, 3),
      { op: "sum-pool", x: 2, kernel: [2, 2], stride: [1, 1], pad: [0, 0, 0, 0] },
      { op: "max-pool", x: 3, kernel: [2, 2], stride: [1, 1], pad: [0, 0, 0, 0] },
      { op: "max-pool", x: 2, ...WINDOW },
      { op: "reshape", x: 4, shape: [2] },
      { op: "reshape", x: 5, shape: [18] },
      { op: "concat", x: [6, 7], axis: 0 },
      { op: "add", x: [8, 8], multipliers: [2, -1] },
      linear(9, 2, 20, 11),
    ]),
  ],
  [
    "two trees that share a question",
    model([3], 15, [
      {
        op: "trees",
        x: 0,
        base: [1, -1],
        trees: [
          { feature: [0, 1, 0], threshold: [5, 7, 9], yes: [1, -1, -3], no: [2, -2, -4], leaves: [1, 2, 3, 4, -5, 6, 7, -8] },
          { feature: [0], threshold: [5], yes: [-1], no: [-2], leaves: [10, 0, 0, 20] },
        ],
      },
    ]),
  ],
];

const inputOf = (checked: CheckedModel) =>
  fc.tuple(...Array.from(checked.values[0]?.hi ?? [], (hi) => fc.nat(hi))).map((values) => Int32Array.from(values));

function witnessOf(circuit: Circuit, checked: CheckedModel, input: Int32Array) {
  const made = generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT });
  return { ...made, wires: parseWitness(made.file) };
}

const sample = (checked: CheckedModel) => Int32Array.from(checked.values[0]?.hi ?? [], (hi, at) => (at * 5 + 2) % (hi + 1));

describe.each(models)("the circuit of %s", (_, checked) => {
  const circuit = compileCircuit(checked);
  const { system } = circuit;

  it("holds for the witness of every input, and shows commitment, outputs and context", () => {
    fc.assert(
      fc.property(inputOf(checked), (input) => {
        const { wires, publicSignals, outputs } = witnessOf(circuit, checked, input);
        expect(firstBrokenRow(system, wires)).toBe(-1);
        expect([...outputs]).toEqual([...runInteger(checked, input)]);
        const commitment = commitInput(circuit.packing, SALT, input);
        expect(publicSignals).toEqual([commitment, ...Array.from(outputs, toField), CONTEXT]);
        expect(wires.slice(1, system.publicSignals + 1)).toEqual(publicSignals);
      }),
      { numRuns: 25 },
    );
  });

  it("breaks when any one wire has another value", () => {
    const { wires } = witnessOf(circuit, checked, sample(checked));
    // The salt's neighbour values are covered by the commitment: it has no allowance either.
    const survivors = wires.flatMap((value, wire) => {
      if (wire === 0) return [];
      const others = [value + 1n, value - 1n, 1n - value, -value, value + 2n ** 16n].map((other) => toField(other));
      return others.some((other) => other !== value && firstBrokenRow(system, wires.with(wire, other)) < 0) ? [wire] : [];
    });
    expect(survivors).toEqual([]);
  });

  it("leaves no direction free: with public signals and salt given, every wire is determined", () => {
    const { wires } = witnessOf(circuit, checked, sample(checked));
    const salt = system.publicSignals + 3;
    const rank = jacobianRank(system, wires, (wire) => wire > system.publicSignals && wire !== salt);
    expect(rank).toBe(system.wires - system.publicSignals - 2);
  });

  it("keeps the constant wire and the public signals to the head rows, free of the model's constants", () => {
    const head = circuit.outputs + 3;
    for (const matrix of [system.a, system.b, system.c]) {
      forEachTerm(matrix, system.rows, (row, wire, value) => {
        if (wire > system.publicSignals) return;
        expect(row).toBeLessThan(head);
        expect(system.values[value]).toBe(1n);
      });
    }
    expect(Math.log2(system.rows + system.publicSignals + 1) % 1).toBe(0);
  });
});

describe("two models of one architecture", () => {
  it("have the same columns of the constant wire and the public signals, so the same `IC`", () => {
    const columns = (checked: CheckedModel) => {
      const { system } = compileCircuit(checked);
      const terms: string[] = [`${system.rows}`];
      [system.a, system.b, system.c].forEach((matrix, side) => {
        forEachTerm(matrix, system.rows, (row, wire, value) => {
          if (wire <= system.publicSignals) terms.push(`${side} ${row} ${wire} ${system.values[value]}`);
        });
      });
      return terms;
    };
    expect(columns(dense(3))).toEqual(columns(dense(77)));
    expect(columns(dense(3))).not.toEqual(columns(model([3], 15, [linear(0, 3, 3, 1)])));
  });
});

describe("a witness", () => {
  const [, checked] = models[0] ?? ["", dense(3)];
  const circuit = compileCircuit(checked);
  const run = { input: Int32Array.of(1, 2, 3), salt: SALT, context: CONTEXT };

  it.each([
    ["an input beyond its range", { ...run, input: Int32Array.of(1, 16, 3) }, "INPUT_OUT_OF_RANGE"],
    ["a negative input", { ...run, input: Int32Array.of(1, -1, 3) }, "INPUT_OUT_OF_RANGE"],
    ["an input of another length", { ...run, input: Int32Array.of(1, 2) }, "INPUT_OUT_OF_RANGE"],
    ["a short salt", { ...run, salt: new Uint8Array(8) }, "FORMAT_INVALID"],
    ["a context beyond the field", { ...run, context: FIELD_ORDER }, "FORMAT_INVALID"],
    ["a negative context", { ...run, context: -1n }, "FORMAT_INVALID"],
  ])("is refused for %s", (_, changed, code) => {
    expect(() => generateWitness(circuit, checked, changed)).toThrow(expect.objectContaining({ code }));
  });

  it("is refused for a circuit of another model", () => {
    const other = compileCircuit(model([3], 15, [linear(0, 2, 3, 3)]));
    expect(() => generateWitness(other, checked, run)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });
});
