import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { checkIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { integerPackage, labelOf, parseModelPackage, standardizeRow } from "../../../src/model/model-package.ts";

const least = {
  v: 1,
  name: "a-model",
  version: "1",
  digest: digestOf(utf8("onnx")),
  licence: "Apache-2.0",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1, 3] }],
  paths: ["tee"],
};
const parse = (document: unknown) => parseModelPackage(utf8(JSON.stringify(document)));
const invalid = expect.objectContaining({ code: "MODEL_INVALID" });
const answer = (shape: number[], data: number[]): Tensor[] => [
  { name: "p", datatype: "FP64", shape, data: Float64Array.from(data) },
];

describe("a model package", () => {
  it("may leave out what only the shipped models have", () => {
    expect(parse(least).labels).toBeUndefined();
    const full = {
      ...least,
      title: "A",
      description: "A model",
      dataset: { name: "d", source: "s", licence: "CC0" },
      labels: ["a", "b", "c"],
      standardize: { mean: [0, 1], std: [1, 2] },
      features: ["f", "g"],
      accuracy: { heldBack: 0.9, n: 10, auc: 1 },
    };
    expect(parse(full).accuracy).toEqual({ heldBack: 0.9, n: 10, auc: 1 });
  });

  it.each([
    ["an upper-case name", { name: "A" }],
    ["a name that is a path", { name: "../a" }],
    ["a name that is too long", { name: "a".repeat(65) }],
    ["no input", { inputs: [] }],
    ["an input named twice", { inputs: [least.inputs[0], least.inputs[0]] }],
    ["an unknown datatype", { outputs: [{ name: "p", datatype: "BF16", shape: [1] }] }],
    ["a digest in another spelling", { digest: `SHA256:${"0".repeat(64)}` }],
    ["an unknown member", { licenses: "x" }],
    ["a path named twice", { paths: ["tee", "tee"] }],
    ["means without as many deviations", { standardize: { mean: [1, 2], std: [1] } }],
    ["a deviation of zero", { standardize: { mean: [1, 2], std: [1, 0] } }],
    ["a standardisation of other columns", { standardize: { mean: [1], std: [1] } }],
    ["features of other columns", { features: ["only one"] }],
    ["labels that do not fit the output", { labels: ["a", "b"] }],
    ["a label that stands twice", { labels: ["a", "b", "a"] }],
    ["an accuracy above one", { accuracy: { heldBack: 1.1, n: 10 } }],
    ["another version", { v: 2 }],
  ])("is refused for %s", (_, change) => {
    expect(() => parse({ ...least, ...change })).toThrow(invalid);
  });

  it("is refused when it is no strict JSON, or huge", () => {
    expect(() => parseModelPackage(utf8(`{"v":1,"v":1}`))).toThrow(invalid);
    expect(() => parseModelPackage(utf8("null"))).toThrow(invalid);
    expect(() => parseModelPackage(new Uint8Array(1024 * 1024 + 1))).toThrow(invalid);
  });
});

describe("an integer form", () => {
  const form = {
    name: "a-model-int",
    digest: digestOf(utf8("integer")),
    knownAnswers: digestOf(utf8("answers")),
    paths: ["tee"],
    calibration: { data: null, range: { lo: -8, hi: 8 }, samples: 256, percentile: 100 },
  };
  const checked = checkIntegerModel({
    v: 1,
    input: { name: "x", shape: [2], encoding: { kind: "affine", multiplier: 1, zero: 8, max: 15 } },
    ops: [{ op: "linear", x: 0, rows: 3, bits: 2, weights: new Int8Array(6), bias: [1, 2, 3] }],
    output: { name: "p", meaning: "logits", scale: 1, offset: 0 },
  });
  const fitting = { ...form, digest: checked.digest };

  it("is a model of its own: name, digest, integers as output", () => {
    const served = integerPackage(parse({ ...least, labels: ["a", "b", "c"], integer: fitting }), checked);
    expect(served).toMatchObject({ name: "a-model-int", digest: checked.digest, meaning: "logits", labels: ["a", "b", "c"] });
    expect(served.outputs).toEqual([{ name: "p", datatype: "INT32", shape: [-1, 3] }]);
    expect(served.integer).toBeUndefined();
  });

  it.each([
    ["the name of the float model", { ...form, name: "a-model" }],
    ["a path named twice", { ...form, paths: ["tee", "tee"] }],
    ["a member that nobody knows", { ...form, more: 1 }],
    ["no known answers", { ...form, knownAnswers: null }],
    ["a public key of a confidential form", { ...form, provingKey: "public" }],
    ["a public key of a form that is said to be confidential", { ...form, visibility: "confidential", provingKey: "public" }],
    ["a key for some", { ...form, visibility: "public", provingKey: "partners" }],
  ])("is refused for %s", (_, integer) => {
    expect(() => parse({ ...least, integer })).toThrow(invalid);
  });

  it("keeps its proving key to itself unless it says otherwise", () => {
    const keyOf = (more: object) => integerPackage(parse({ ...least, integer: { ...fitting, ...more } }), checked).provingKey;
    expect([keyOf({}), keyOf({ visibility: "public" })]).toEqual(["confidential", "confidential"]);
    expect(keyOf({ visibility: "public", provingKey: "public" })).toBe("public");
  });

  it("is refused for inputs that it cannot encode, another digest, or another input", () => {
    const integers = [{ name: "x", datatype: "INT64", shape: [-1, 2] }];
    const two = [least.inputs[0], { name: "z", datatype: "FP32", shape: [-1, 2] }];
    for (const inputs of [integers, two]) expect(() => parse({ ...least, inputs, integer: form })).toThrow(invalid);
    expect(() => integerPackage(parse({ ...least, integer: form }), checked)).toThrow(invalid);
    expect(() => integerPackage(parse(least), checked)).toThrow(invalid);
    const other = { ...least, inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }], integer: fitting };
    expect(() => integerPackage(parse(other), checked)).toThrow(invalid);
  });

  it("labels by sign, by the largest integer, or by its class", () => {
    const two = { ...parse({ ...least, labels: ["no", "yes"], outputs: [{ name: "p", datatype: "INT32", shape: [-1, 1] }] }) };
    const integers = (data: number[]): Tensor[] => [
      { name: "p", datatype: "INT32", shape: [data.length, 1], data: Int32Array.from(data) },
    ];
    expect(labelOf({ ...two, meaning: "logits" }, integers([0]))).toEqual({ label: "yes", index: 1, score: 0 });
    expect(labelOf({ ...two, meaning: "scores" }, integers([-1]))).toEqual({ label: "no", index: 0, score: -1 });
    expect(labelOf({ ...two, meaning: "class" }, integers([1]))?.label).toBe("yes");
    expect(labelOf({ ...two, meaning: "class" }, integers([2]))).toBe(null);
    const many = { ...parse({ ...least, labels: ["a", "b", "c"] }), meaning: "logits" as const };
    expect(labelOf(many, [{ name: "p", datatype: "INT32", shape: [1, 3], data: Int32Array.of(-5, -2, -9) }])?.label).toBe("b");
  });
});

describe("standardising a row", () => {
  const model = parse({ ...least, standardize: { mean: [1, 2], std: [3, 0.5] } });

  it("computes in double precision and rounds once to FP32", () => {
    expect(standardizeRow(model, [2, 2.25])).toEqual([Math.fround(1 / 3), 0.5]);
    expect(standardizeRow(parse(least), [0.1, 7])).toEqual([Math.fround(0.1), 7]);
  });

  it("refuses other lengths and what is not finite", () => {
    const notFinite = expect.objectContaining({ code: "REQUEST_NOT_FINITE" });
    expect(() => standardizeRow(model, [1])).toThrow(expect.objectContaining({ code: "REQUEST_TENSOR_INVALID" }));
    expect(() => standardizeRow(parse(least), [1, 2, 3])).toThrow(expect.objectContaining({ code: "REQUEST_TENSOR_INVALID" }));
    expect(() => standardizeRow(model, [Number.NaN, 1])).toThrow(notFinite);
    expect(() => standardizeRow(model, [1e300, 1])).toThrow(notFinite);
  });
});

describe("the label of an answer", () => {
  const many = parse({ ...least, labels: ["a", "b", "c"] });
  const one = parse({ ...least, labels: ["no", "yes"], outputs: [{ name: "p", datatype: "FP32", shape: [-1, 1] }] });

  it("is that of the largest score, or of one column at 0.5", () => {
    expect(labelOf(many, answer([1, 3], [0.1, 0.7, 0.2]))).toEqual({ label: "b", index: 1, score: 0.7 });
    expect(labelOf(many, answer([2, 3], [1, 0, 0, 0, 0, 1]), 1)?.label).toBe("c");
    expect(labelOf(many, answer([1, 3], [0.4, 0.4, 0.2]))?.label).toBe("a");
    expect(labelOf(one, answer([1, 1], [0.5]))).toEqual({ label: "yes", index: 1, score: 0.5 });
    expect(labelOf(one, answer([1, 1], [0.25]))).toEqual({ label: "no", index: 0, score: 0.75 });
  });

  it("is unknown without labels, without the output, without the row, or for what is no number", () => {
    expect(labelOf(parse(least), answer([1, 3], [1, 0, 0]))).toBe(null);
    expect(labelOf(many, [])).toBe(null);
    expect(labelOf(many, answer([1, 3], [1, 0, 0]), 1)).toBe(null);
    expect(labelOf(many, answer([1, 3], [1, 0, 0]), -1)).toBe(null);
    expect(labelOf(many, answer([1, 3], [1, Number.NaN, 0]))).toBe(null);
  });
});
