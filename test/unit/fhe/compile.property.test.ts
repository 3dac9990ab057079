import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../../src/core/json.ts";
import { compileProgram } from "../../../src/paths/fhe/compile/compile.ts";
import { evaluateProgram, simulateProgram } from "../../../src/paths/fhe/compile/evaluate.ts";
import { assertCircuit } from "../../../src/paths/fhe/wire/circuit.ts";
import type { OperationName } from "../../../src/paths/fhe/wire/operation.ts";
import { checkProgram, type Program } from "../../../src/paths/fhe/wire/program.ts";
import { allTypes, clearText, type ValueType } from "../../../src/paths/fhe/wire/value-type.ts";

const RUNS = 12;
const numbers = allTypes.filter(({ isBool }) => !isBool);

/** Values of a type, the ends and small differences more often than chance has it. */
function valuesOf({ least, most }: ValueType): fc.Arbitrary<bigint> {
  return fc.oneof(fc.bigInt({ min: least, max: most }), fc.constantFrom(least, most, 0n, most / 2n, least + 1n));
}

/** Two values that are often near each other: comparisons then reach their last block. */
function pairsOf(type: ValueType): fc.Arbitrary<readonly [bigint, bigint]> {
  const near = fc.tuple(valuesOf(type), fc.nat(17)).map(([value, distance]) => {
    const other = value + BigInt(distance - 8);
    return [value, other < type.least || other > type.most ? value : other] as const;
  });
  return fc.oneof(near, fc.tuple(valuesOf(type), valuesOf(type)));
}

function document(inputs: readonly (readonly [string, string, boolean?])[], op: readonly string[]): JsonValue {
  return {
    v: 1,
    in: inputs.map(([n, t, clear]) => (clear === true ? { n, t, clear } : { n, t })),
    ops: [["r", ...op]],
    out: ["r"],
  };
}

/** The circuit of a program says what the program means, and is valid. */
function agree(program: Program, values: ReadonlyMap<string, bigint>, compiled = compileProgram(program)): void {
  const texts = program.inputs
    .filter(({ clear }) => clear)
    .map(({ n, type }) => [n, clearText(values.get(n) ?? 0n, type)] as const);
  const clear = new Map(texts);
  const made = compiled.circuit(clear);
  assertCircuit(made.circuit);
  expect(made.price).toEqual(compiled.price);
  expect(simulateProgram(program, compiled, clear, values)).toEqual(evaluateProgram(program, values));
}

const BINARY: readonly OperationName[] = [
  "add",
  "sub",
  "mul",
  "eq",
  "ne",
  "lt",
  "le",
  "gt",
  "ge",
  "min",
  "max",
  "and",
  "or",
  "xor",
];

describe.each(numbers)("the circuits of $name", (type) => {
  const t = type.name;
  const runs = { numRuns: t.endsWith("64") ? 5 : RUNS };

  it.each(BINARY)("%s of two values is what it is over integers, encrypted or clear", (op) => {
    const both = checkProgram(
      document(
        [
          ["a", t],
          ["b", t],
        ],
        [op, "a", "b"],
      ),
    );
    const right = checkProgram(
      document(
        [
          ["a", t],
          ["b", t, true],
        ],
        [op, "a", "b"],
      ),
    );
    const left = checkProgram(
      document(
        [
          ["a", t, true],
          ["b", t],
        ],
        [op, "a", "b"],
      ),
    );
    const known = checkProgram(
      document(
        [
          ["a", t, true],
          ["b", t, true],
        ],
        [op, "a", "b"],
      ),
    );
    const programs = [both, right, left, known].map((program) => ({ program, compiled: compileProgram(program) }));
    fc.assert(
      fc.property(pairsOf(type), ([a, b]) => {
        const values = new Map([
          ["a", a],
          ["b", b],
        ]);
        for (const { program, compiled } of programs) agree(program, values, compiled);
      }),
      runs,
    );
  });

  it.each(BINARY)("%s with a number of the program is what it is over integers", (op) => {
    fc.assert(
      fc.property(pairsOf(type), fc.boolean(), ([a, b], isSwapped) => {
        const args = isSwapped ? [b.toString(), "a"] : ["a", b.toString()];
        agree(checkProgram(document([["a", t]], [op, ...args])), new Map([["a", a]]));
      }),
      runs,
    );
  });

  it.each(["neg", "not"] as const)("%s is what it is over integers", (op) => {
    const program = checkProgram(document([["a", t]], [op, "a"]));
    fc.assert(
      fc.property(valuesOf(type), (a) => agree(program, new Map([["a", a]]))),
      runs,
    );
  });

  it.each(["shl", "shr", "rotl", "rotr"] as const)("%s moves by encrypted, clear and fixed amounts", (op) => {
    const hidden = checkProgram(
      document(
        [
          ["a", t],
          ["b", "u8"],
        ],
        [op, "a", "b"],
      ),
    );
    const clear = checkProgram(
      document(
        [
          ["a", t],
          ["b", "u8", true],
        ],
        [op, "a", "b"],
      ),
    );
    const programs = [hidden, clear].map((program) => ({ program, compiled: compileProgram(program) }));
    fc.assert(
      fc.property(valuesOf(type), fc.bigInt({ min: 0n, max: 255n }), (a, b) => {
        const values = new Map([
          ["a", a],
          ["b", b],
        ]);
        for (const { program, compiled } of programs) agree(program, values, compiled);
        agree(checkProgram(document([["a", t]], [op, "a", b.toString()])), new Map([["a", a]]));
      }),
      runs,
    );
  });

  it("select takes the branch that the condition says, encrypted or clear", () => {
    const variants = [false, true].flatMap((flag) =>
      [false, true].map((branch) =>
        checkProgram(
          document(
            [
              ["f", "bool", flag],
              ["a", t, branch],
              ["b", t],
            ],
            ["select", "f", "a", "b"],
          ),
        ),
      ),
    );
    fc.assert(
      fc.property(fc.boolean(), pairsOf(type), (flag, [a, b]) => {
        for (const program of variants)
          agree(
            program,
            new Map([
              ["f", flag ? 1n : 0n],
              ["a", a],
              ["b", b],
            ]),
          );
      }),
      runs,
    );
  });

  it.each(["sum", "min", "max", "argmin", "argmax"] as const)("%s of several values is what it is over integers", (op) => {
    fc.assert(
      fc.property(fc.array(pairsOf(type), { minLength: 1, maxLength: op === "sum" ? 12 : 8 }), fc.nat(), (pairs, known) => {
        const values = pairs.flat();
        const names = values.map((_, index) => `x${index}`);
        const program = checkProgram(
          document(
            names.map((n, index) => [n, t, index > 0 && index === known % names.length] as const),
            [op, ...names],
          ),
        );
        agree(program, new Map(values.map((value, index) => [`x${index}`, value])));
      }),
      { numRuns: 5 },
    );
  });

  it("cast keeps the value where the type holds it, and wraps otherwise", () => {
    fc.assert(
      fc.property(fc.constantFrom(...numbers), valuesOf(type), (to, a) =>
        agree(checkProgram(document([["a", t]], ["cast", "a", to.name])), new Map([["a", a]])),
      ),
      runs,
    );
  });
});

describe("tables and conditions", () => {
  const small = allTypes.filter(({ width }) => width <= 4);

  it.each(small)("lut reads the entry of the bits of a $name", (type) => {
    fc.assert(
      fc.property(
        fc
          .constantFrom(...allTypes)
          .chain((to) =>
            fc.tuple(fc.constant(to), fc.array(valuesOf(to), { minLength: 2 ** type.width, maxLength: 2 ** type.width })),
          ),
        valuesOf(type),
        ([to, table], a) => {
          const entries = table.map((entry) => clearText(entry, to));
          agree(checkProgram(document([["a", type.name]], ["lut", "a", to.name, ...entries])), new Map([["a", a]]));
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each(["and", "or", "xor", "eq", "ne"] as const)("%s of conditions is what it is in logic", (op) => {
    for (const clear of [false, true]) {
      const program = checkProgram(
        document(
          [
            ["a", "bool"],
            ["b", "bool", clear],
          ],
          [op, "a", "b"],
        ),
      );
      for (const [a, b] of [
        [0n, 0n],
        [0n, 1n],
        [1n, 0n],
        [1n, 1n],
      ] as const)
        agree(
          program,
          new Map([
            ["a", a],
            ["b", b],
          ]),
        );
    }
  });
});

/** Programs of several ops over one type: results feed each other, so that lookups merge. */
const mixed = fc.constantFrom(...numbers.filter(({ width }) => width <= 16)).chain((type) => {
  const op = fc.tuple(
    fc.constantFrom("add", "sub", "mul", "min", "max", "and", "or", "xor", "not", "neg", "if"),
    fc.nat(),
    fc.nat(),
    fc.nat(),
  );
  return fc.record({
    type: fc.constant(type),
    ops: fc.array(op, { minLength: 2, maxLength: 7 }),
    values: fc.tuple(valuesOf(type), valuesOf(type), valuesOf(type)),
  });
});

describe("programs of several ops", () => {
  it("mean in a circuit what they mean over integers, whichever inputs are clear", () => {
    fc.assert(
      fc.property(mixed, ({ type, ops, values }) => {
        const names = ["a", "b", "c"];
        const lines: string[][] = [];
        for (const [index, [op, ...picks]] of ops.entries()) {
          const [first = "", second = "", third = ""] = picks.map((pick) => names[pick % names.length] ?? "");
          const out = `r${index}`;
          if (op === "if") lines.push([`f${index}`, "lt", first, second], [out, "select", `f${index}`, third, first]);
          else lines.push(op === "not" || op === "neg" ? [out, op, first] : [out, op, first, second]);
          names.push(out);
        }
        const inputs = [
          { n: "a", t: type.name },
          { n: "b", t: type.name, clear: true },
          { n: "c", t: type.name },
        ];
        const program = checkProgram({ v: 1, in: inputs, ops: lines, out: names.slice(-2) });
        agree(program, new Map(values.map((value, index) => [names[index] ?? "", value])));
      }),
      { numRuns: 60 },
    );
  });
});
