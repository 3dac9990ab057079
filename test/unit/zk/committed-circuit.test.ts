/** Circuits with private weights: one for all models of an architecture, the reference's outputs, and no changed witness satisfies them. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/core/digest.ts";
import { commitInput } from "../../../src/model/commitment/input-commitment.ts";
import { poseidon } from "../../../src/model/commitment/poseidon.ts";
import { encodeInput } from "../../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { parseModelPackage, standardizeRow } from "../../../src/model/model-package.ts";
import { architectureOf } from "../../../src/paths/zk/compile/architecture.ts";
import { compileArchitecture } from "../../../src/paths/zk/compile/committed-circuit.ts";
import { commitWeights, weightsOf, weightWidths } from "../../../src/paths/zk/compile/model-weights.ts";
import { generateWitness } from "../../../src/paths/zk/compile/witness.ts";
import { firstBrokenRow } from "../../../src/paths/zk/wire/constraint-system.ts";
import { toField } from "../../../src/paths/zk/wire/field.ts";
import { encodeR1cs } from "../../../src/paths/zk/wire/r1cs.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { Dice } from "../../campaign/dice.ts";
import {
  committedCircuit,
  type DenseForm,
  denseForm,
  denseModel,
  linearOp,
  modelOf,
  requantOp,
  WEIGHT_SALT,
} from "../../fixtures/committed-models.ts";
import { forEachTerm, jacobianRank } from "../../fixtures/jacobian-rank.ts";
import { IntegerRows, RowChecker } from "../../fixtures/row-checker.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../models");
const SALT = new Uint8Array(16).fill(3);
const CONTEXT = 77n;
const seed = Number(process.env["ZK_SEED"] ?? Date.now() % 2 ** 32);
console.log(`zk private weights: ZK_SEED=${seed}`);

function load(name: string) {
  const file = (path: string) => new Uint8Array(readFileSync(join(folder, name, path)));
  const checked = parseIntegerModel(file("integer.json"));
  const card = parseModelPackage(file("model.json"));
  const { rows } = JSON.parse(new TextDecoder().decode(file("heldback.json"))) as { rows: { x: number[] }[] };
  return { name, checked, samples: rows.map(({ x }) => encodeInput(checked.model.input, standardizeRow(card, x))) };
}

const SMALL: readonly (readonly [string, CheckedModel])[] = [
  [
    "two layers, clipped by bits",
    modelOf([3], 15, [linearOp(0, 4, [3, -7, 1, 0, 5, -2], [9, -20]), requantOp(1, 4, 3, 7), linearOp(2, 4, [1, -3], [2])]),
  ],
  [
    "clipped by comparison, an input that is no power of two",
    modelOf([2], 5, [linearOp(0, 3, [3, -1, -3, 2], [-2, 7]), requantOp(1, -1, 1, 6), linearOp(2, 2, [1, -1, 0, 1], [0, 1])]),
  ],
  [
    "an arg-max",
    modelOf([2, 1], 3, [
      { op: "reshape", x: 0, shape: [2] },
      linearOp(1, 3, [1, 2, -3, 0, 2, 2], [0, 1, -1]),
      { op: "arg-max", x: 2 },
    ]),
  ],
];

const sample = (checked: CheckedModel) => Int32Array.from(checked.values[0]?.hi ?? [], (hi, at) => (at * 5 + 2) % (hi + 1));

function open(checked: CheckedModel, input: Int32Array) {
  const circuit = committedCircuit(checked);
  const made = generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT });
  const witness = parseWitness(made.file);
  return { ...made, circuit, witness, checker: new RowChecker(circuit.system, witness) };
}

const mutantsOf = (value: bigint) => {
  const others = [value + 1n, value - 1n, 1n - value, -value, value * 2n, value + 2n ** 16n, toField(value) / 2n];
  return [...new Set(others.map(toField))].filter((other) => other !== value);
};

/** Wires of which some other value alone breaks nothing. */
function survivors(checker: RowChecker, witness: readonly bigint[], wires: readonly number[]): number[] {
  return wires.filter((wire) => mutantsOf(witness[wire] ?? 0n).some((other) => !checker.breaks(new Map([[wire, other]]))));
}

const isBit = (value: bigint | undefined) => value === 0n || value === 1n;

/** As `survivors`, of several wires at once: bits flipped together, exchanged, moved between places, a number with its bits. */
function groupSurvivors(checker: RowChecker, witness: readonly bigint[], wires: readonly number[]): number[] {
  return wires.filter((wire) => {
    const near = [0, 1, 2, 3, 4].map((step) => wire + step).filter((other) => isBit(witness[other]));
    const flip = (chosen: readonly number[]) => new Map(chosen.map((other) => [other, 1n - (witness[other] ?? 0n)]));
    const [low = 0, high = 0] = near;
    const value = witness[wire] ?? 0n;
    const mutants = [near.slice(0, 2), near.slice(0, 3), near, [...near.slice(0, 1), ...near.slice(2, 3)]].map(flip);
    mutants.push(
      // Worth the same in the sum: two of a bit for one of the next, which leaves the range of a bit.
      new Map([
        [low, (witness[low] ?? 0n) + 2n],
        [high, toField((witness[high] ?? 0n) - 1n)],
      ]),
      // A number one higher with its lowest bit flipped: another weight, which only the commitment and the sums notice.
      new Map([
        [wire, toField(value + 1n)],
        [wire + 1, 1n - (witness[wire + 1] ?? 0n)],
      ]),
    );
    return mutants.some((changes) => changes.size > 1 && !checker.breaks(changes));
  });
}

describe.each(["breast-cancer-logistic", "breast-cancer-mlp", "digits-mlp"].map(load))(
  "the circuit of $name with private weights",
  ({ checked, samples }) => {
    const dice = new Dice(seed);
    const { circuit, witness, checker } = open(checked, samples[dice.below(samples.length)] ?? new Int32Array());
    const wires = Array.from({ length: circuit.system.wires - 1 }, (_, at) => at + 1);

    it("breaks when any wire has another value", () => {
      expect(survivors(checker, witness, wires)).toEqual([]);
    }, 120_000);

    it("breaks when several wires change together", () => {
      expect(groupSurvivors(checker, witness, wires)).toEqual([]);
    }, 120_000);

    it("holds for every row of the held-back set, with the reference's outputs", () => {
      const rows = new IntegerRows(circuit.system);
      const weights = commitWeights(architectureOf(checked), weightsOf(architectureOf(checked), checked), WEIGHT_SALT);
      for (const input of samples) {
        const made = generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT });
        expect(rows.firstBroken(parseWitness(made.file))).toBe(-1);
        const outputs = Array.from(runInteger(checked, input), toField);
        expect(made.publicSignals).toEqual([commitInput(circuit.packing, SALT, input), weights, ...outputs, CONTEXT]);
      }
    }, 240_000);

    it("has no number of more than 53 bits, so none that has a second spelling x + p", () => {
      const { values, document } = architectureOf(checked);
      expect(Math.max(...values.map(({ magnitude }) => magnitude))).toBeLessThan(2 ** 31);
      for (const op of document.ops) if (op.op === "requant") expect(op.mostShift).toBeLessThanOrEqual(30);
      expect(Math.max(...weightWidths(architectureOf(checked)))).toBeLessThanOrEqual(32);
    });
  },
);

describe.each(SMALL)("the circuit of a model with private weights: %s", (_, checked) => {
  const { circuit, witness, checker } = open(checked, sample(checked));
  const { system } = circuit;

  it("holds for every input, and breaks when one or several wires change", () => {
    const range = checked.values[0]?.hi ?? [];
    const input = fc.tuple(...Array.from(range, (hi) => fc.nat(hi)));
    fc.assert(
      fc.property(input, (values) => {
        const made = open(checked, Int32Array.from(values));
        expect(firstBrokenRow(system, made.witness)).toBe(-1);
        expect([...made.outputs]).toEqual([...runInteger(checked, Int32Array.from(values))]);
      }),
      { numRuns: 20 },
    );
    const wires = Array.from({ length: system.wires - 1 }, (__, at) => at + 1);
    expect(survivors(checker, witness, wires)).toEqual([]);
    expect(groupSurvivors(checker, witness, wires)).toEqual([]);
  });

  it("leaves no direction free: with public signals and salts given, every wire is determined", () => {
    const salts = [system.publicSignals + 3, system.publicSignals + 4];
    const rank = jacobianRank(system, witness, (wire) => wire > system.publicSignals && !salts.includes(wire));
    expect(rank).toBe(system.wires - system.publicSignals - 3);
  }, 60_000);

  it("keeps the constant wire and the public signals to the head rows, free of constants", () => {
    const head = circuit.outputs + 4;
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

/** A model of the form whose numbers come from a seed. */
function drawn(form: DenseForm, from: number): CheckedModel | null {
  const dice = new Dice(from);
  try {
    return denseModel(form, (lo, hi) => lo + dice.below(hi - lo + 1));
  } catch {
    return null;
  }
}

describe("models of one architecture", () => {
  it("have the same circuit, byte for byte, and each its own commitment; both prove what the reference gives", () => {
    let compared = 0;
    fc.assert(
      fc.property(denseForm, fc.nat(), fc.nat(), (form, one, other) => {
        const models = [drawn(form, one), drawn(form, other + 1)].flatMap((model) => model ?? []);
        const [first, second] = models;
        if (first === undefined || second === undefined || first.digest === second.digest) return;
        const digests = models.map((model) => digestOf(encodeR1cs(compileArchitecture(architectureOf(model)).system)));
        expect(digests[0]).toBe(digests[1]);
        const signals = models.map((model) => {
          const made = open(model, sample(model));
          expect(firstBrokenRow(made.circuit.system, made.witness)).toBe(-1);
          expect(made.publicSignals.slice(2, -1)).toEqual(Array.from(runInteger(model, sample(model)), toField));
          return made.publicSignals;
        });
        expect(signals[0]?.[0]).toBe(signals[1]?.[0]);
        expect(signals[0]?.[1]).not.toBe(signals[1]?.[1]);
        compared++;
      }),
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(20);
  }, 120_000);

  it("cannot be exchanged: the weights of another model break the rows of the sums and of the commitment", () => {
    const form: DenseForm = {
      inputs: 3,
      max: 15,
      layers: [
        { rows: 2, bits: 4, max: 7 },
        { rows: 1, bits: 4, max: 7 },
      ],
      isClass: false,
    };
    const [one, other] = [drawn(form, 5), drawn(form, 6)];
    if (one === null || other === null) throw new Error("no models");
    const [mine, theirs] = [open(one, sample(one)), open(other, sample(other))];
    const { system, weights } = mine.circuit;
    const first = system.publicSignals + 4;
    const count = (weights?.wires.length ?? 0) / 32;
    const spliced = [
      ...mine.witness.slice(0, first),
      ...theirs.witness.slice(first, first + count),
      ...mine.witness.slice(first + count),
    ];
    expect(firstBrokenRow(system, spliced)).toBeGreaterThanOrEqual(0);
    // With the other model's commitment stated, the sums still are those of the first.
    spliced[2] = theirs.witness[2] ?? 0n;
    expect(firstBrokenRow(system, spliced)).toBeGreaterThanOrEqual(0);
  });
});

describe("a commitment to weights", () => {
  const checked = SMALL[0]?.[1] as CheckedModel;
  const architecture = architectureOf(checked);
  const commit = (model: CheckedModel, salt = WEIGHT_SALT) => commitWeights(architecture, weightsOf(architecture, model), salt);

  it("is another for another weight, bias, offset, shift or salt", () => {
    const ops = (weight: number, bias: number, offset: number, shift: number) =>
      modelOf([3], 15, [
        linearOp(0, 4, [weight, -7, 1, 0, 5, -2], [bias, -20]),
        requantOp(1, offset, shift, 7),
        linearOp(2, 4, [1, -3], [2]),
      ]);
    const all = [ops(3, 9, 4, 3), ops(2, 9, 4, 3), ops(3, 8, 4, 3), ops(3, 9, 5, 3), ops(3, 9, 4, 2)].map((model) =>
      commit(model),
    );
    all.push(commit(checked, new Uint8Array(16).fill(1)));
    expect(all[0]).toBe(commit(checked));
    expect(new Set(all).size).toBe(6);
  });

  it("is another under another architecture, though the packed numbers are the same", () => {
    // max of the activation is no number of the commitment, and none of the widths before the last layer depends on it.
    const clipped = (max: number) =>
      modelOf([1], 3, [linearOp(0, 2, [1], [0]), requantOp(1, 0, 0, max), linearOp(2, 2, [1], [0])]);
    const [one, other] = [clipped(3), clipped(2)].map((model) => ({ model, own: architectureOf(model) }));
    if (one === undefined || other === undefined) throw new Error("no models");
    expect(weightWidths(one.own)).toEqual(weightWidths(other.own));
    expect(weightsOf(one.own, one.model).length).toBe(weightsOf(other.own, other.model).length);
    expect(commitWeights(one.own, weightsOf(one.own, one.model), WEIGHT_SALT)).not.toBe(
      commitWeights(other.own, weightsOf(other.own, other.model), WEIGHT_SALT),
    );
  });

  it("of a known model is a known number, packed as the specification says", () => {
    expect(architecture.digest).toBe("sha256:980aba28c7ad254c1b25375b5665bd00c53d747bb9664ba37a4b50b082384377");
    const numbers = [
      ...[3, -7, 1, 0, 5, -2].map((weight) => [weight + 8, 4]),
      ...[9, -20].map((bias) => [bias + 512, 10]),
      [4 + 1024, 11],
      [3, 5],
      ...[1, -3].map((weight) => [weight + 8, 4]),
      [2 + 128, 8],
    ];
    let [packed, at] = [0n, 0n];
    for (const [number = 0, width = 0] of numbers) {
      packed += BigInt(number) << at;
      at += BigInt(width);
    }
    const salt = BigInt(`0x${Buffer.from(WEIGHT_SALT).toString("hex")}`);
    const named = BigInt(`0x${architecture.digest.slice(7)}`) >> 3n;
    expect(commit(checked)).toBe(poseidon([salt, named, packed]));
    expect(commit(checked)).toBe(9993899926770217810399665375731313378133355558802263427533606808873039774591n);
  });

  it.each([
    ["a short salt", () => commit(checked, new Uint8Array(15)), "FORMAT_INVALID"],
    ["a long salt", () => commit(checked, new Uint8Array(32)), "FORMAT_INVALID"],
    ["a model of another architecture", () => commit(SMALL[1]?.[1] as CheckedModel), "INTERNAL"],
  ])("is not made with %s", (_, make, code) => {
    expect(make).toThrow(expect.objectContaining({ code }));
  });
});
