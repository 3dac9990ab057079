import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/core/digest.ts";
import { compileProgram } from "../../../src/paths/fhe/compile/compile.ts";
import { evaluateProgram, simulateProgram } from "../../../src/paths/fhe/compile/evaluate.ts";
import { findShipped, shippedPrograms } from "../../../src/paths/fhe/compile/shipped.ts";
import { assertCircuit, encodeCircuit, parseCircuit } from "../../../src/paths/fhe/wire/circuit.ts";
import { checkProgram, parseProgram } from "../../../src/paths/fhe/wire/program.ts";

/** Bootstraps by op for u8, u16, u32, u64: ours, and those that tfhe-rs 1.7.0 counts for its own ops (`pbs-stats`). */
const TABLE = {
  "add a b": { ours: [4, 8, 16, 32], theirs: [8, 16, 32, 64] },
  "ge a b": { ours: [4, 8, 16, 32], theirs: [5, 11, 23, 47] },
  "ge a 77": { ours: [3, 5, 11, 21], theirs: [3, 5, 11, 23] },
  "eq a b": { ours: [4, 8, 16, 32], theirs: [5, 11, 21, 42] },
  "select f a b": { ours: [9, 17, 33, 65], theirs: [12, 24, 48, 96] },
  "max a b": { ours: [12, 24, 48, 96], theirs: [17, 35, 71, 143] },
  "and a b": { ours: [4, 8, 16, 32], theirs: [4, 8, 16, 32] },
  "mul a b": { ours: [22, 94, 388, 1572], theirs: [28, 111, 440, 1737] },
  "mul a 77": { ours: [7, 19, 43, 91], theirs: [13, 33, 73, 153] },
} as const;
const WIDTHS = [8, 16, 32, 64];

/** Bootstraps and depth of the shipped programs. */
const SHIPPED = {
  "transfer-u64": [128, 41],
  "transfer-batch-u64x2": [289, 67],
  "transfer-batch-u64x8": [1063, 79],
  "mint-u64": [32, 32],
  "burn-u64": [96, 41],
  "threshold-u64": [21, 6],
  "open-u64": [1, 1],
  "auction-3x32": [126, 64],
  "auction-8x32": [366, 82],
  "auction-8x32-price": [366, 82],
  "tree-depth4": [27, 7],
} as const;

function priceOfOp(op: string, width: number): number {
  const t = `u${width}`;
  const inputs = [
    { n: "a", t },
    { n: "b", t },
    { n: "f", t: "bool" },
  ];
  return compileProgram(checkProgram({ v: 1, in: inputs, ops: [["r", ...op.split(" ")]], out: ["r"] })).price.pbs;
}

describe("the price of an op", () => {
  it.each(Object.entries(TABLE))("%s is pinned, and nowhere more than in tfhe-rs", (op, { ours, theirs }) => {
    expect(WIDTHS.map((width) => priceOfOp(op, width))).toEqual(ours);
    for (const [index, count] of ours.entries()) expect(count).toBeLessThanOrEqual(theirs[index] ?? 0);
  });

  it("does not depend on the values of clear inputs", () => {
    const inputs = [
      { n: "x", t: "u16" },
      { n: "k", t: "u16", clear: true },
      { n: "m", t: "u16", clear: true },
    ];
    for (const op of ["add", "sub", "mul", "eq", "ge", "lt", "min", "and", "xor", "shl", "shr", "rotr"]) {
      const ops = [
        ["r", op, "x", "k"],
        ["s", op, "x", "m"],
      ];
      const compiled = compileProgram(checkProgram({ v: 1, in: inputs, ops, out: ["r", "s"] }));
      for (const [k, m] of [
        ["0", "0"],
        ["1", "1"],
        ["65535", "0"],
        ["21845", "4096"],
      ] as const) {
        const made = compiled.circuit(
          new Map([
            ["k", k],
            ["m", m],
          ]),
        );
        expect(made.price).toEqual(compiled.price);
      }
    }
  });

  it("is refused beyond 65 536 nodes", () => {
    const ops = Array.from({ length: 60 }, (_, index) => [`r${index}`, "mul", index === 0 ? "a" : `r${index - 1}`, "b"]);
    const program = checkProgram({
      v: 1,
      in: [
        { n: "a", t: "u64" },
        { n: "b", t: "u64" },
      ],
      ops,
      out: ["r59"],
    });
    expect(() => compileProgram(program)).toThrow(expect.objectContaining({ code: "FHE_PRICE_EXCEEDED" }));
  });
});

describe("a shipped program", () => {
  const values = (entries: Readonly<Record<string, bigint>>) => new Map(Object.entries(entries));

  it.each(Object.entries(SHIPPED))("%s has the pinned price", (name, [pbs, depth]) => {
    const shipped = findShipped(name);
    expect(shipped === null ? null : compileProgram(shipped.program).price).toEqual({ pbs, depth });
  });

  it.each(shippedPrograms().map((shipped) => [shipped.name, shipped.program] as const))(
    "%s compiles to the same valid bytes each time, and its document reads as itself",
    (_, program) => {
      const clear = new Map(program.inputs.filter((input) => input.clear).map(({ n }) => [n, "7"]));
      const first = compileProgram(program).circuit(clear);
      const again = compileProgram(parseProgram(program.bytes)).circuit(clear);
      expect(again.bytes).toEqual(first.bytes);
      expect(again.digest).toBe(digestOf(first.bytes));
      assertCircuit(first.circuit);
      expect(encodeCircuit(parseCircuit(first.bytes))).toEqual(first.bytes);
    },
  );

  it.each([
    ["transfer-u64", { from: 10n, to: 5n, amount: 10n }, { from_after: 0n, to_after: 15n, ok: 1n }],
    ["transfer-u64", { from: 10n, to: 5n, amount: 11n }, { from_after: 10n, to_after: 5n, ok: 0n }],
    ["transfer-u64", { from: 2n ** 63n, to: 1n, amount: 2n ** 63n - 1n }, { from_after: 1n, to_after: 2n ** 63n, ok: 1n }],
    [
      "transfer-batch-u64x2",
      { from: 9n, to1: 1n, amount1: 4n, to2: 2n, amount2: 5n },
      { from_after: 0n, to1_after: 5n, to2_after: 7n, ok2: 1n },
    ],
    [
      "transfer-batch-u64x2",
      { from: 9n, to1: 1n, amount1: 2n ** 64n - 1n, to2: 2n, amount2: 2n },
      { from_after: 9n, to1_after: 1n, to2_after: 2n, ok2: 0n },
    ],
    ["burn-u64", { balance: 3n, amount: 4n }, { balance_after: 3n, ok: 0n }],
    ["open-u64", { seed: 2n ** 64n - 1n }, { zero: 0n }],
    ["auction-3x32", { bid0: 7n, bid1: 9n, bid2: 9n }, { winner: 1n }],
    [
      "auction-8x32-price",
      { bid0: 1n, bid1: 2n, bid2: 0n, bid3: 0n, bid4: 0n, bid5: 2n ** 32n - 1n, bid6: 5n, bid7: 2n ** 32n - 1n },
      { winner: 5n, price: 2n ** 32n - 1n },
    ],
    ["auction-8x32", { bid0: 0n, bid1: 0n, bid2: 0n, bid3: 0n, bid4: 0n, bid5: 0n, bid6: 0n, bid7: 0n }, { winner: 0n }],
  ])("%s gives what it says", (name, inputs, outputs) => {
    const program = findShipped(name)?.program ?? checkProgram({});
    const given = values(inputs as Readonly<Record<string, bigint>>);
    expect(evaluateProgram(program, given)).toEqual(values(outputs as Readonly<Record<string, bigint>>));
    expect(simulateProgram(program, compileProgram(program), new Map(), given)).toEqual(
      values(outputs as Readonly<Record<string, bigint>>),
    );
  });

  it("tree-depth4 gives the same class in a circuit as over integers, for a walk through all features", () => {
    const program = findShipped("tree-depth4")?.program ?? checkProgram({});
    const compiled = compileProgram(program);
    for (let step = 0; step < 500; step += 1) {
      const features = [step % 16, (step * 7) % 16, (step * 11 + (step >> 4)) % 16, (step >> 2) % 16];
      const given = values(Object.fromEntries(features.map((feature, index) => [`x${index}`, BigInt(feature)])));
      expect(simulateProgram(program, compiled, new Map(), given)).toEqual(evaluateProgram(program, given));
    }
  });

  it.each([
    ["is missing", new Map<string, string>(), "FHE_RUN_INVALID"],
    ["has another name", new Map([["other", "1"]]), "FHE_RUN_INVALID"],
    [
      "comes with another",
      new Map([
        ["limit", "1"],
        ["other", "1"],
      ]),
      "FHE_RUN_INVALID",
    ],
    ["is too large", new Map([["limit", "18446744073709551616"]]), "FHE_OUT_OF_RANGE"],
    ["is spelled otherwise", new Map([["limit", "007"]]), "FHE_OUT_OF_RANGE"],
  ])("refuses a clear value that %s", (_, clear, code) => {
    const compiled = compileProgram(findShipped("threshold-u64")?.program ?? checkProgram({}));
    expect(() => compiled.circuit(clear)).toThrow(expect.objectContaining({ code }));
  });

  it("threshold-u64 says `at least` for every limit near the balance", () => {
    const program = findShipped("threshold-u64")?.program ?? checkProgram({});
    const compiled = compileProgram(program);
    for (const balance of [0n, 1n, 2n ** 32n, 2n ** 64n - 1n, 12_345_678_901_234n]) {
      for (const limit of [balance - 1n, balance, balance + 1n, 0n, 2n ** 64n - 1n]) {
        if (limit < 0n || limit >= 2n ** 64n) continue;
        const got = simulateProgram(program, compiled, new Map([["limit", String(limit)]]), values({ balance }));
        expect(got.get("ok")).toBe(balance >= limit ? 1n : 0n);
      }
    }
  });
});
