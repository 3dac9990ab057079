import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { architectureOf, encodeArchitecture, parseArchitecture } from "../../../src/paths/zk/compile/architecture.ts";
import { compileArchitecture } from "../../../src/paths/zk/compile/committed-circuit.ts";
import { weightsOf } from "../../../src/paths/zk/compile/model-weights.ts";
import { linearOp, modelOf, requantOp } from "../../fixtures/committed-models.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../models");
const shipped = (name: string) => parseIntegerModel(new Uint8Array(readFileSync(join(folder, name, "integer.json"))));
const code = (expected: string, message = "") =>
  expect.objectContaining({ code: expected, message: expect.stringContaining(message) });

const dense = modelOf([3], 15, [
  linearOp(0, 4, [3, -7, 1, 0, 5, -2], [9, -20]),
  requantOp(1, 4, 3, 7),
  linearOp(2, 4, [1, -3], [2]),
]);
const architecture = architectureOf(dense);
const document = architecture.document as unknown as JsonObject & { ops: JsonObject[] };

describe("an architecture", () => {
  it("is written as it was read, and says nothing that was trained", () => {
    const bytes = encodeArchitecture(architecture.document);
    expect(parseArchitecture(bytes)).toEqual(architecture);
    expect(new TextDecoder().decode(bytes)).toBe(
      '{"input":{"max":15,"shape":[3]},"kind":"triseal.zk.architecture.v1","ops":[{"biasBits":9,"bits":4,"op":"linear","rows":2,"x":0},{"max":7,"mostShift":11,"offsetBits":10,"op":"requant","x":1},{"biasBits":7,"bits":4,"op":"linear","rows":1,"x":2}],"v":1}',
    );
  });

  it("is one for all models of these shapes and widths, and another for others", () => {
    const other = modelOf([3], 15, [
      linearOp(0, 4, [0, 1, 1, 1, 1, 1], [0, 0]),
      requantOp(1, -30, 0, 7),
      linearOp(2, 4, [7, 7], [-100]),
    ]);
    expect(architectureOf(other).digest).toBe(architecture.digest);
    const changed = [
      modelOf([3], 7, dense.model.ops),
      modelOf([3], 15, [linearOp(0, 5, [3, -7, 1, 0, 5, -2], [9, -20]), ...dense.model.ops.slice(1)]),
      modelOf([3], 15, [...dense.model.ops.slice(0, 1), requantOp(1, 4, 3, 6), ...dense.model.ops.slice(2)]),
      modelOf([3], 15, [...dense.model.ops, { op: "arg-max", x: 3 }]),
    ];
    const digests = [architecture, ...changed.map(architectureOf)].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(5);
  });

  it("bounds every value of every model of it, at the ends of all widths", () => {
    const { values, document: own } = architecture;
    const [first] = own.ops;
    expect(first).toMatchObject({ biasBits: 9 });
    // 3 elements of up to 15 times 8, and a bias of -512.
    expect([values[1]?.lo[0], values[1]?.hi[0], values[1]?.magnitude]).toEqual([-872, 872, 872]);
    expect([values[2]?.lo[0], values[2]?.hi[0]]).toEqual([0, 7]);
    for (const [at, { magnitude }] of values.entries()) expect(dense.values[at]?.magnitude).toBeLessThanOrEqual(magnitude);
  });

  it.each<[string, (changed: typeof document) => unknown]>([
    ["another version", (changed) => Object.assign(changed, { v: 2 })],
    ["another kind", (changed) => Object.assign(changed, { kind: "triseal.zk.architecture.v2" })],
    ["a member more", (changed) => Object.assign(changed, { weights: [] })],
    ["no operation", (changed) => Object.assign(changed, { ops: [] })],
    ["an operation of another name", (changed) => Object.assign(changed.ops[0] ?? {}, { op: "conv" })],
    ["weights in an operation", (changed) => Object.assign(changed.ops[0] ?? {}, { weights: "AAAA" })],
    ["an operation that reads a later value", (changed) => Object.assign(changed.ops[0] ?? {}, { x: 1 })],
    ["biases of another width", (changed) => Object.assign(changed.ops[0] ?? {}, { biasBits: 8 })],
    ["wider biases, whose sums could wrap", (changed) => Object.assign(changed.ops[0] ?? {}, { biasBits: 31 })],
    ["offsets of another width", (changed) => Object.assign(changed.ops[1] ?? {}, { offsetBits: 11 })],
    ["other shifts", (changed) => Object.assign(changed.ops[1] ?? {}, { mostShift: 12 })],
    ["weights of nine bits", (changed) => Object.assign(changed.ops[0] ?? {}, { bits: 9 })],
    ["an input of no range", (changed) => Object.assign(changed, { input: { max: 0, shape: [3] } })],
    ["an input beyond all limits", (changed) => Object.assign(changed, { input: { max: 15, shape: [2 ** 14, 2] } })],
  ])("is refused with %s", (_, change) => {
    const changed = structuredClone(document);
    change(changed);
    expect(() => parseArchitecture(encodeJcs(changed))).toThrow(code("FORMAT_INVALID"));
  });

  it("is refused in other bytes, and beyond its size", () => {
    expect(() => parseArchitecture(utf8(JSON.stringify(document, null, 1)))).toThrow(code("FORMAT_INVALID", "canonical"));
    expect(() => parseArchitecture(new Uint8Array(65_537))).toThrow(code("FORMAT_INVALID"));
    expect(() => parseArchitecture(utf8("{"))).toThrow(code("FORMAT_INVALID"));
  });
});

describe("a model", () => {
  it.each<[string, () => unknown, string]>([
    ["trees", () => architectureOf(shipped("breast-cancer-forest")), "tree ensemble"],
    ["convolutions", () => architectureOf(shipped("mnist-lenet5")), "convolution"],
    ["sums of branches", () => architectureOf(modelOf([2], 3, [{ op: "add", x: [0, 0], multipliers: [1, 2] }])), "`add`"],
    ["nothing that was trained", () => architectureOf(modelOf([2], 3, [{ op: "arg-max", x: 0 }])), "no weights"],
    [
      "too many weights",
      () => architectureOf(modelOf([1639], 1, [linearOp(0, 2, Array<number>(16_390).fill(0), Array<number>(10).fill(0))])),
      "too many",
    ],
    [
      "too many activations",
      () => {
        const chain = Array.from({ length: 8 }, (_, at) => requantOp(at, 0, 0, 255));
        return architectureOf(modelOf([8192], 255, [...chain, linearOp(8, 2, Array<number>(8192).fill(0), [0])]));
      },
      "constraints are too many",
    ],
    [
      "sums that some weights would take out of int32",
      () => architectureOf(modelOf([1024], 65_535, [linearOp(0, 8, Array<number>(1024).fill(1), [0])])),
      "32-bit",
    ],
  ])("with %s cannot have private weights, and is told why", (_, make, reason) => {
    expect(make).toThrow(code("MODEL_UNSUPPORTED", reason));
  });

  const squeezed = (bias: number, offset: number, shift: number) =>
    modelOf([1], 3, [linearOp(0, 2, [1], [bias]), requantOp(1, offset, shift, 3), linearOp(2, 2, [1], [0])]);

  it.each<[string, () => ReturnType<typeof squeezed>, string]>([
    ["a bias beyond what its layer can sum to", () => squeezed(8, 0, 0), "bias"],
    ["a bias below it", () => squeezed(-9, 0, 0), "bias"],
    ["an offset beyond the sums", () => squeezed(0, 16, 0), "offset"],
    ["an offset below them", () => squeezed(0, -17, 0), "offset"],
    ["a shift that leaves nothing", () => squeezed(0, 0, 6), "shift"],
  ])("with %s does not fit its architecture, and is told why", (_, make, reason) => {
    expect(() => weightsOf(architectureOf(make()), make())).toThrow(code("MODEL_UNSUPPORTED", reason));
  });

  it("with numbers at the ends of their widths fits", () => {
    for (const made of [squeezed(7, 15, 5), squeezed(-8, -16, 0)]) {
      expect(() => weightsOf(architectureOf(made), made)).not.toThrow();
    }
  });
});

it("circuits of the shipped models with private weights have the sizes that the documentation states", () => {
  const rows = ["breast-cancer-logistic", "breast-cancer-mlp", "digits-mlp"].map((name) => {
    const { usedRows, system } = compileArchitecture(architectureOf(shipped(name)));
    return [usedRows, system.rows + system.publicSignals + 1];
  });
  expect(rows).toEqual([
    [1079, 2048],
    [7465, 8192],
    [27_975, 32_768],
  ]);
});
