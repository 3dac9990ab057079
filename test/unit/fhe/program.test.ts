import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { checkProgram, parseProgram } from "../../../src/paths/fhe/wire/program.ts";

const inputs = [
  { n: "a", t: "u8" },
  { n: "b", t: "u8" },
  { n: "s", t: "i16" },
  { n: "f", t: "bool" },
  { n: "k", t: "u8", clear: true },
];

function withOps(ops: JsonValue, out: JsonValue = ["r"]): JsonValue {
  return { v: 1, in: inputs, ops, out };
}

/** Code and op of the refusal. */
function refusal(work: () => unknown): { code: string; op: unknown } | null {
  try {
    work();
    return null;
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    return { code: error.code, op: error.details["op"] };
  }
}

const fine = ["r", "add", "a", "b"];

describe("a program's document", () => {
  it.each([
    ["no JSON", "{"],
    ["a member twice", '{"v":1,"v":1,"in":[],"ops":[],"out":[]}'],
    ["a list", "[]"],
    ["too many bytes", `{"v":1,"in":[],"ops":[],"out":["${"a".repeat(262_144)}"]}`],
  ])("is refused where it is %s", (_, text) => {
    expect(refusal(() => parseProgram(utf8(text)))).toEqual({ code: "FHE_PROGRAM_INVALID", op: undefined });
  });

  it.each<[string, JsonValue]>([
    ["another version", { v: 2, in: inputs, ops: [fine], out: ["r"] }],
    ["an unknown member", { v: 1, in: inputs, ops: [fine], out: ["r"], note: "" }],
    ["an unknown type", { v: 1, in: [{ n: "a", t: "u7" }], ops: [], out: ["a"] }],
    ["a name in capitals", { v: 1, in: [{ n: "A", t: "u8" }], ops: [], out: ["A"] }],
    ["`clear` that says no", { v: 1, in: [{ n: "a", t: "u8", clear: false }], ops: [], out: ["a"] }],
    ["an input twice", { v: 1, in: [inputs[0] ?? null, inputs[0] ?? null], ops: [], out: ["a"] }],
    ["65 inputs", { v: 1, in: Array.from({ length: 65 }, (_, index) => ({ n: `x${index}`, t: "u8" })), ops: [], out: ["x0"] }],
    ["no output", withOps([fine], [])],
    ["an output twice", withOps([fine], ["r", "r"])],
    ["an output that is nothing", withOps([fine], ["q"])],
    [
      "257 ops",
      withOps(
        Array.from({ length: 257 }, (_, index) => [`r${index}`, "not", "a"]),
        ["r0"],
      ),
    ],
  ])("is refused for %s", (_, document) => {
    expect(refusal(() => checkProgram(document))).toEqual({ code: "FHE_PROGRAM_INVALID", op: undefined });
  });

  it.each<[string, readonly JsonValue[]]>([
    ["is unknown", ["r", "div", "a", "b"]],
    ["is a member of every object", ["r", "constructor", "a", "b"]],
    ["names its result like an input", ["a", "add", "a", "b"]],
    ["names its result in capitals", ["R", "add", "a", "b"]],
    ["has a number for an item", ["r", "add", "a", 1]],
    ["is empty", []],
    ["lacks an argument", ["r", "add", "a"]],
    ["has one too many", ["r", "add", "a", "b", "b"]],
    ["names what is not there", ["r", "add", "a", "zz"]],
    ["names its own result", ["r", "add", "a", "r"]],
    ["mixes types", ["r", "add", "a", "s"]],
    ["adds conditions", ["r", "add", "f", "f"]],
    ["compares conditions by size", ["r", "lt", "f", "f"]],
    ["has no name among its arguments", ["r", "add", "1", "2"]],
    ["has a number that the type does not hold", ["r", "add", "a", "256"]],
    ["has a negative number of an unsigned type", ["r", "add", "a", "-1"]],
    ["has another spelling of a number", ["r", "add", "a", "01"]],
    ["has negative zero", ["r", "add", "s", "-0"]],
    ["has a number for a condition", ["r", "select", "1", "a", "b"]],
    ["chooses by a number", ["r", "select", "a", "a", "b"]],
    ["shifts by a signed amount", ["r", "shl", "a", "s"]],
    ["shifts by a negative number", ["r", "shl", "a", "-1"]],
    ["shifts a condition", ["r", "shl", "f", "1"]],
    ["casts to no type", ["r", "cast", "a", "u7"]],
    ["casts a number to a condition", ["r", "cast", "a", "bool"]],
    ["looks up eight bits", ["r", "lut", "a", "u8", "1", "2"]],
    ["has too few entries", ["r", "lut", "f", "u8", "1"]],
    ["has an entry that the type does not hold", ["r", "lut", "f", "u8", "1", "256"]],
    ["seeks the place of one value", ["r", "argmax", "a"]],
  ])("is refused with the index of an op that %s", (_, op) => {
    const document = withOps([["q", "not", "a"], op]);
    expect(refusal(() => checkProgram(document))).toEqual({ code: "FHE_PROGRAM_INVALID", op: 1 });
  });

  it("gives each result its type", () => {
    const program = checkProgram(
      withOps(
        [
          ["ok", "ge", "a", "k"],
          ["t", "select", "ok", "a", "0"],
          ["w", "cast", "t", "i16"],
          ["x", "max", "w", "s", "-32768"],
          ["p", "argmax", "a", "b", "k", "t", "7"],
          ["l", "lut", "f", "i8", "-128", "127"],
          ["h", "shr", "s", "63"],
        ],
        ["ok", "t", "w", "x", "p", "l", "h", "a"],
      ),
    );
    expect(program.outputs.map(({ t }) => t)).toEqual(["bool", "u8", "i16", "i16", "u4", "i8", "i16", "u8"]);
    expect(program.inputs.map(({ clear }) => clear)).toEqual([false, false, false, false, true]);
  });

  it("has the digest of its JCS form, however it is spelled", () => {
    const document = withOps([fine]);
    const spelled = parseProgram(utf8(JSON.stringify(document, null, 2)));
    expect(spelled.bytes).toEqual(encodeJcs(document));
    expect(spelled.digest).toBe(digestOf(encodeJcs(document)));
  });
});
