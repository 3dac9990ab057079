/** The circuit of the threshold statement: what it proves, and that nothing else satisfies it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanceCommitment, compileThreshold, thresholdWitness } from "../../../src/paths/zk/compile/threshold.ts";
import { firstBrokenRow } from "../../../src/paths/zk/wire/constraint-system.ts";
import { FIELD_ORDER, toField } from "../../../src/paths/zk/wire/field.ts";
import { parseWitness } from "../../../src/paths/zk/wire/wtns.ts";
import { Dice } from "../../campaign/dice.ts";
import { RowChecker } from "../../fixtures/row-checker.ts";
import { solveCircuit } from "../../fixtures/solve-circuit.ts";

const SALT = new Uint8Array(16).fill(7);
const seed = Number(process.env["ZK_SEED"] ?? Date.now() % 2 ** 32);
console.log(`zk threshold: ZK_SEED=${seed}`);

const circuit = compileThreshold();
const OTHERS = [5n, 6n, 7n, 8n] as const;
const signalsOf = (balance: bigint, threshold: bigint) => [balanceCommitment(SALT, balance), threshold, ...OTHERS];
const witnessOf = (balance: bigint, threshold: bigint, of = circuit) =>
  parseWitness(thresholdWitness(of, signalsOf(balance, threshold), { salt: SALT, balance }));

const refused = expect.objectContaining({ code: "INPUT_OUT_OF_RANGE" });
const MOST = 2n ** 64n - 1n;

describe("a threshold statement", () => {
  it("holds for every balance of at least the threshold, up to the largest", () => {
    for (const [balance, threshold] of [
      [0n, 0n],
      [MOST, MOST],
      [MOST, 0n],
      [1n, 1n],
      [2n ** 53n, 2n ** 53n - 1n],
    ] as const)
      expect(firstBrokenRow(circuit.system, witnessOf(balance, threshold))).toBe(-1);
    fc.assert(
      fc.property(fc.bigInt(0n, MOST), fc.bigInt(0n, MOST), (one, two) => {
        const [threshold, balance] = one < two ? [one, two] : [two, one];
        expect(firstBrokenRow(circuit.system, witnessOf(balance, threshold))).toBe(-1);
      }),
      { numRuns: 20 },
    );
  });

  it("has no witness below the threshold, beyond 64 bits, or for another commitment", () => {
    expect(() => witnessOf(9n, 10n)).toThrow(refused);
    expect(() => witnessOf(2n ** 64n, 1n)).toThrow(refused);
    expect(() => witnessOf(-1n, 0n)).toThrow(refused);
    const signals = signalsOf(10n, 1n);
    expect(() => thresholdWitness(circuit, signals, { salt: SALT, balance: 11n })).toThrow(refused);
    expect(() => thresholdWitness(circuit, signals, { salt: SALT.with(0, 1), balance: 10n })).toThrow(refused);
    expect(() => thresholdWitness(circuit, signals, { salt: new Uint8Array(15), balance: 10n })).toThrow(
      expect.objectContaining({ code: "FORMAT_INVALID" }),
    );
  });

  it("is committed to apart from inputs of models, and under the salt", () => {
    expect(balanceCommitment(SALT, 10n)).not.toBe(balanceCommitment(SALT, 11n));
    expect(balanceCommitment(SALT, 10n)).not.toBe(balanceCommitment(SALT.with(0, 1), 10n));
    expect(balanceCommitment(SALT, 10n)).toBeLessThan(FIELD_ORDER);
  });
});

describe("the circuit of a threshold statement", () => {
  const [balance, threshold] = [123_456_789_012_345n, 1_000_000n];
  const witness = witnessOf(balance, threshold);
  const checker = new RowChecker(circuit.system, witness);
  const wires = Array.from({ length: circuit.system.wires - 1 }, (_, at) => at + 1);

  it("breaks when any wire has another value, public signals among them", () => {
    const survivors = wires.filter((wire) => {
      const value = witness[wire] ?? 0n;
      const others = [value + 1n, value - 1n, 1n - value, -value, value * 2n, value + 2n ** 64n, toField(value) / 2n];
      return [...new Set(others.map(toField))].some((other) => other !== value && !checker.breaks(new Map([[wire, other]])));
    });
    expect(survivors).toEqual([]);
  });

  it("breaks when neighbouring bits are flipped, exchanged, or moved between places", () => {
    const dice = new Dice(seed);
    const isBit = (wire: number) => wire < circuit.system.wires && (witness[wire] === 0n || witness[wire] === 1n);
    const survivors = wires.filter((wire) => {
      if (!isBit(wire) || !isBit(wire + 1) || wire < 10) return false;
      const [low, high] = [witness[wire] ?? 0n, witness[wire + 1] ?? 0n];
      const far = dice.pick(wires.filter((other) => other > 10 && other !== wire && isBit(other)));
      const mutants = [
        new Map([
          [wire, 1n - low],
          [wire + 1, 1n - high],
        ]),
        new Map([
          [wire, low + 2n],
          [wire + 1, toField(high - 1n)],
        ]),
        new Map([
          [wire, 1n - low],
          [far, 1n - (witness[far] ?? 0n)],
        ]),
      ];
      return mutants.some((changes) => !checker.breaks(changes));
    });
    expect(survivors).toEqual([]);
  });

  it("breaks for a difference that wraps in the field, however its bits are chosen", () => {
    // balance - threshold is p - 1 here: no 64 bits spell it.
    const small = compileThreshold(3);
    const known = new Map([2, 3, 4, 5, 6].map((wire, at) => [wire, at === 0 ? 5n : BigInt(at)]));
    for (const [value, solutions] of [
      [4n, 0],
      [5n, 1],
      [7n, 1],
      [8n, 0],
      [FIELD_ORDER - 1n, 0],
    ] as const) {
      const opened = new Map([...known, [13, 9n], [14, value]]);
      expect(solveCircuit(small.system, opened)).toHaveLength(solutions);
    }
  });

  it("has one solution for salt and balance, and another one as soon as any row is missing", () => {
    const small = compileThreshold(3);
    const cases = [
      [6n, 3n],
      [7n, 7n],
      [3n, 0n],
      [2n, 1n],
    ] as const;
    const opened = cases.map(([value, least]) => {
      const values = parseWitness(thresholdWitness(small, signalsOf(value, least), { salt: SALT, balance: value }));
      // What an attacker cannot choose: all but commitment and private wires, of which salt and balance stand at 13 and 14.
      const known = new Map([2, 3, 4, 5, 6, 13, 14].map((wire) => [wire, values[wire] ?? 0n]));
      return { values, known };
    });
    for (const { values, known } of opened) expect(solveCircuit(small.system, known)).toEqual([values]);
    const needless: number[] = [];
    for (let row = 0; row < small.usedRows; row++) {
      // The rows of Poseidon, which are alike: one in five.
      if (row > 8 && row < small.usedRows - 8 && row % 5 !== 0) continue;
      const forged = opened.some(({ values, known }) =>
        solveCircuit(small.system, known, { without: row }).some((found) => found.some((item, wire) => item !== values[wire])),
      );
      if (!forged) needless.push(row);
    }
    expect(needless).toEqual([]);
  }, 120_000);

  it("binds every public signal by a row, and has the size that keys are made for", () => {
    for (let signal = 1; signal <= 6; signal++)
      expect(checker.breaks(new Map([[signal, (witness[signal] ?? 0n) + 1n]]))).toBe(true);
    expect(circuit.system.rows + circuit.system.publicSignals + 1).toBe(512);
    expect(circuit.system.publicSignals).toBe(6);
  });
});
