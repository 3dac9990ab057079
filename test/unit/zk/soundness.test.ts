/** Attacks on the circuits of the shipped models and of random ones: no changed witness may satisfy them. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeInput } from "../../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { parseModelPackage, standardizeRow } from "../../../src/model/model-package.ts";
import { importOnnx } from "../../../src/model/onnx/import-onnx.ts";
import { calibrate } from "../../../src/model/quantise/calibrate.ts";
import { DEFAULT_OPTIONS } from "../../../src/model/quantise/options.ts";
import { quantise } from "../../../src/model/quantise/quantise.ts";
import { compileCircuit } from "../../../src/paths/zk/compile/circuit.ts";
import { planRequant } from "../../../src/paths/zk/compile/element-plan.ts";
import { generateWitness } from "../../../src/paths/zk/compile/witness.ts";
import { firstBrokenRow } from "../../../src/paths/zk/wire/constraint-system.ts";
import { toField } from "../../../src/paths/zk/wire/field.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { Dice } from "../../campaign/dice.ts";
import { IntegerRows, RowChecker } from "../../fixtures/row-checker.ts";
import { smallCircuit, smallWitness } from "../../fixtures/zk-circuit.ts";
import { draftOnnx } from "../model/onnx-draft.ts";
import { type RandomModel, randomModel, randomSamples } from "../model/random-model.ts";

const shipped = join(dirname(fileURLToPath(import.meta.url)), "../../../models");
const SALT = new Uint8Array(16).fill(3);
const CONTEXT = 77n;
const seed = Number(process.env["ZK_SEED"] ?? Date.now() % 2 ** 32);
console.log(`zk soundness: ZK_SEED=${seed}`);

interface Shipped {
  readonly name: string;
  readonly checked: CheckedModel;
  readonly samples: readonly Int32Array[];
}

function load(name: string): Shipped {
  const file = (path: string) => new Uint8Array(readFileSync(join(shipped, name, path)));
  const checked = parseIntegerModel(file("integer.json"));
  const card = parseModelPackage(file("model.json"));
  const { rows } = JSON.parse(new TextDecoder().decode(file("heldback.json"))) as { rows: { x: number[] }[] };
  return { name, checked, samples: rows.map(({ x }) => encodeInput(checked.model.input, standardizeRow(card, x))) };
}

const SMALL = ["breast-cancer-logistic", "breast-cancer-mlp", "breast-cancer-forest", "digits-mlp"];
/** Wires that are attacked where a circuit has too many for all. */
const SAMPLED = 4000;

function open({ checked, samples }: Shipped, at: number) {
  const circuit = compileCircuit(checked);
  const input = samples[at % samples.length] ?? new Int32Array();
  const { file } = generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT });
  const witness = parseWitness(file);
  return { circuit, witness, checker: new RowChecker(circuit.system, witness) };
}

const isBit = (value: bigint | undefined) => value === 0n || value === 1n;

it("the checker of rows passes what is unchanged or bound by no row, and nothing else", () => {
  const checker = new RowChecker(smallCircuit(), smallWitness(3n, 77n));
  const breaks = [1, 2, 3, 4].map((wire) => checker.breaks(new Map([[wire, 5n]])));
  expect(breaks).toEqual([true, false, true, true]);
  expect(checker.breaks(new Map([[3, 3n]]))).toBe(false);
});

describe.each([...SMALL, "mnist-lenet5"].map(load))("the circuit of $name", (model) => {
  const dice = new Dice(seed);
  const { circuit, witness, checker } = open(model, dice.below(100));
  const wires = Array.from({ length: circuit.system.wires - 1 }, (_, at) => at + 1);
  const attacked = wires.length <= SAMPLED ? wires : Array.from({ length: SAMPLED }, () => dice.pick(wires));

  it("breaks when a wire has another value", () => {
    const survivors = attacked.filter((wire) => {
      const value = witness[wire] ?? 0n;
      const others = [value + 1n, value - 1n, 1n - value, -value, value * 2n, value + 2n ** 16n, toField(value) / 2n];
      const changed = [...new Set(others.map(toField))].filter((other) => other !== value);
      return changed.some((other) => !checker.breaks(new Map([[wire, other]])));
    });
    expect(survivors).toEqual([]);
  });

  it("breaks when bits are exchanged, flipped together, or moved between places, signs among them", () => {
    const survivors = attacked.filter((wire) => {
      const near = [0, 1, 2, 3, 4].map((step) => wire + step).filter((other) => isBit(witness[other]));
      const flip = (chosen: readonly number[]) => new Map(chosen.map((other) => [other, 1n - (witness[other] ?? 0n)]));
      const mutants = [near.slice(0, 2), near.slice(0, 3), near, [...near.slice(0, 1), ...near.slice(2, 3)]].map(flip);
      // Worth the same in the sum: two of a bit for one of the next, which leaves the range of a bit.
      const [low = 0, high = 0] = near;
      mutants.push(
        new Map([
          [low, (witness[low] ?? 0n) + 2n],
          [high, toField((witness[high] ?? 0n) - 1n)],
        ]),
      );
      return mutants.some((changes) => changes.size > 1 && !checker.breaks(changes));
    });
    expect(survivors).toEqual([]);
  });

  it("spells no number in more bits than an int32 and its sign: none has a second spelling x + p", () => {
    const { model: program, values } = model.checked;
    for (const op of program.ops) {
      if (op.op !== "requant") continue;
      const { lo, hi } = values[op.x] ?? { lo: [], hi: [] };
      for (const [at, least] of lo.entries()) {
        const plan = planRequant(least, hi[at] ?? 0, op);
        expect(plan.kind === "constant" ? 0 : plan.magnitude).toBeLessThanOrEqual(32);
      }
    }
    expect(Math.max(...values.map(({ magnitude }) => magnitude))).toBeLessThan(2 ** 31);
  });

  it("holds for every row of the held-back set, with the reference's outputs", () => {
    const circuitRows = new IntegerRows(circuit.system);
    for (const input of model.samples) {
      const made = generateWitness(circuit, model.checked, { input, salt: SALT, context: CONTEXT });
      expect(circuitRows.firstBroken(parseWitness(made.file))).toBe(-1);
      expect(made.publicSignals.slice(1, -1)).toEqual(Array.from(runInteger(model.checked, input), toField));
    }
    // The quick check is that of the slow one, and sees a broken row.
    expect(firstBrokenRow(circuit.system, witness)).toBe(circuitRows.firstBroken(witness));
    const changed = witness.with(2, toField((witness[2] ?? 0n) + 1n));
    expect(circuitRows.firstBroken(changed)).toBe(firstBrokenRow(circuit.system, changed));
  }, 120_000);
});

/** The integer form of a random network. */
function randomChecked(random: RandomModel): CheckedModel {
  const float = importOnnx(draftOnnx(random.draft));
  const calibration = calibrate(float, randomSamples(random, 10), 100, () => undefined);
  return quantise(float, calibration, { ...DEFAULT_OPTIONS, inputBits: 3, inputRange: { lo: -1, hi: 1 } });
}

describe("the circuit of a random network", () => {
  it("holds for its witnesses with the reference's outputs, and breaks when a wire is changed", () => {
    fc.assert(
      fc.property(randomModel, fc.nat(), (random, choice) => {
        const checked = randomChecked(random);
        const circuit = compileCircuit(checked);
        const samples = randomSamples(random, 3).map((sample) => encodeInput(checked.model.input, sample));
        const ends = [checked.values[0]?.lo ?? [], checked.values[0]?.hi ?? []].map((end) => Int32Array.from(end));
        for (const input of [...samples, ...ends]) {
          const made = generateWitness(circuit, checked, { input, salt: SALT, context: CONTEXT });
          const witness = parseWitness(made.file);
          expect(firstBrokenRow(circuit.system, witness)).toBe(-1);
          expect(made.publicSignals.slice(1, -1)).toEqual(Array.from(runInteger(checked, input), toField));
          const checker = new RowChecker(circuit.system, witness);
          const dice = new Dice(choice);
          for (let attack = 0; attack < 60; attack++) {
            const wire = 1 + dice.below(circuit.system.wires - 1);
            const value = witness[wire] ?? 0n;
            const other = toField(dice.pick([value + 1n, value - 1n, 1n - value, -value]));
            if (other !== value)
              expect(checker.breaks(new Map([[wire, other]])), `wire ${wire} of ${random.kinds.join()}`).toBe(true);
          }
        }
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});
