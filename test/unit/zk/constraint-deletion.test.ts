/** Every row of a circuit is needed: without it, some other witness satisfies all the others. */
import { describe, expect, it } from "vitest";
import type { IntegerModel, IntegerOp } from "../../../src/model/integer/integer-model.ts";
import { checkIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { compileCircuit } from "../../../src/paths/zk/compile/circuit.ts";
import { generateWitness } from "../../../src/paths/zk/compile/witness.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { solveCircuit } from "../../fixtures/solve-circuit.ts";

const SALT = new Uint8Array(16).fill(5);
const CONTEXT = 4n;
/** Of the rows of Poseidon, which are alike, one in so many is deleted. */
const HASH_STEP = 5;

const linear = (x: number, weights: readonly number[], bias: readonly number[]): IntegerOp => {
  return { op: "linear", x, rows: bias.length, bits: 4, weights: Int8Array.from(weights), bias };
};

const MODELS: readonly (readonly [string, IntegerModel])[] = (
  [
    ["squeezed sums, clipped", [linear(0, [3, -2, -1, 4], [1, -2]), { op: "requant", x: 1, offset: 1, shift: 1, max: 3 }]],
    ["a comparison of sums", [linear(0, [1, -1, -1, 2], [0, 1]), { op: "arg-max", x: 1 }]],
    ["a step", [linear(0, [2, -3], [1]), { op: "requant", x: 1, offset: 1, shift: 0, max: 1 }]],
    [
      "a tree",
      [
        {
          op: "trees",
          x: 0,
          base: [0],
          trees: [{ feature: [0, 1], threshold: [1, 0], yes: [1, -1], no: [-3, -2], leaves: [5, 6, 7] }],
        },
      ],
    ],
  ] as readonly (readonly [string, readonly IntegerOp[]])[]
).map(([name, ops]) => {
  const meaning = ops.at(-1)?.op === "arg-max" ? "class" : "logits";
  const encoding = { kind: "affine", multiplier: 1, zero: 0, max: 2 } as const;
  return [name, { v: 1, input: { name: "x", shape: [2], encoding }, ops, output: { name: "y", meaning, scale: 1, offset: 0 } }];
});

const INPUTS = [
  [1, 2],
  [2, 0],
  [0, 0],
  [2, 2],
  [0, 1],
];

describe.each(MODELS)("the circuit of %s", (_, model) => {
  const checked = checkIntegerModel(model);
  const circuit = compileCircuit(checked);
  const { system, outputs, usedRows } = circuit;

  /** An honest witness, and what an attacker cannot choose: input, salt and context. Commitment and outputs are his. */
  function open(values: readonly number[]) {
    const input = Int32Array.from(values);
    const witness = parseWitness(generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT }).file);
    const [context, salt, first] = [outputs + 2, outputs + 5, outputs + 6];
    // Each input is a wire and then its bits.
    const second = first + 1 + bitsOfInput();
    return { witness, known: new Map([context, salt, first, second].map((wire) => [wire, witness[wire] ?? 0n])) };
  }

  /** Wires that follow an input of 0 to 2: one bit, and one of what is left to 2. */
  function bitsOfInput(): number {
    return 2;
  }

  it("has one solution for each input: commitment, outputs and every wire", () => {
    for (const values of INPUTS) {
      const { witness, known } = open(values);
      expect(solveCircuit(system, known)).toEqual([witness]);
    }
  });

  it("has another solution as soon as any row is missing", () => {
    const opened = INPUTS.map(open);
    const needless: number[] = [];
    const isHash = hashRows(usedRows);
    for (let row = 0; row < usedRows; row++) {
      if (isHash(row) && row % HASH_STEP !== 0) continue;
      const forged = opened.some(({ witness, known }) => {
        const found = solveCircuit(system, known, { without: row });
        return found.some((solution) => solution.some((value, wire) => value !== witness[wire]));
      });
      if (!forged) needless.push(row);
    }
    expect(needless).toEqual([]);
  }, 120_000);

  /** The rows of Poseidon: from the first to the last that has coefficients larger than any of a model. */
  function hashRows(rows: number): (row: number) => boolean {
    let [first, last] = [rows, -1];
    for (const { starts, values } of [system.a, system.b]) {
      for (let row = 0; row < rows; row++) {
        for (let at = starts[row] ?? 0; at < (starts[row + 1] ?? 0); at++) {
          const value = system.values[values[at] ?? 0] ?? 0n;
          if (value < 2n ** 64n || value > 2n ** 253n) continue;
          [first, last] = [Math.min(first, row), Math.max(last, row)];
        }
      }
    }
    return (row) => row > first && row < last;
  }
});
