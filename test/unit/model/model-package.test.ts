import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { labelOf, parseModelPackage, standardizeRow } from "../../../src/model/model-package.ts";

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
