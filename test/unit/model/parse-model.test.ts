import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { canonicalJson } from "../../../src/core/jcs.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { encodeInput, roundHalfEven } from "../../../src/model/integer/encode-input.ts";
import { parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger, traceInteger } from "../../../src/model/integer/run.ts";

const linear = { op: "linear", x: 0, rows: 1, bits: 3, weights: "Af0=", bias: [5] };
const requant = { op: "requant", x: 1, offset: 2, shift: 2, max: 3 };
const base = {
  v: 1,
  input: { name: "x", shape: [2], encoding: { kind: "affine", multiplier: 2, zero: 4, max: 15 } },
  ops: [linear, requant],
  output: { name: "y", meaning: "scores", scale: 0.5, offset: 0 },
};
const tree = { feature: [0], threshold: [1], yes: [-1], no: [-2], leaves: [10, 20] };
const forest = {
  ...base,
  input: { name: "x", shape: [2], encoding: { kind: "bins", edges: [[0, 0.5, 1], []] } },
  ops: [{ op: "trees", x: 0, base: [1], trees: [tree, { feature: [], threshold: [], yes: [], no: [], leaves: [7] }] }],
};
const parse = (document: object) => parseIntegerModel(utf8(canonicalJson(document as JsonValue)));
const invalid = expect.objectContaining({ code: "MODEL_INVALID" });
const outOfRange = expect.objectContaining({ code: "INPUT_OUT_OF_RANGE" });
const input = (change: object) => ({ ...base, input: { ...base.input, ...change } });
const ops = (...list: object[]) => ({ ...base, ops: list });
const conv = {
  op: "conv",
  x: 0,
  channels: 1,
  kernel: [2, 2],
  stride: [1, 1],
  pad: [1, 0, 0, 0],
  dilation: [1, 1],
  groups: 1,
  fill: 4,
  bits: 2,
  weights: "AQEBAQ==",
  bias: [0],
};
const image = { name: "x", shape: [1, 2, 2], encoding: base.input.encoding };

describe("the file of an integer model", () => {
  it("is read with its bounds, and computes what it says", () => {
    const checked = parse(base);
    expect(checked.values.map(({ lo, hi }) => [[...lo], [...hi]])).toEqual([
      [
        [0, 0],
        [15, 15],
      ],
      [[-40], [20]],
      [[0], [3]],
    ]);
    expect(checked.values[1]?.magnitude).toBe(5 + 15 + 45);
    expect(traceInteger(checked, Int32Array.of(6, 2)).map((value) => [...value])).toEqual([[6, 2], [5], [1]]);
    expect([...runInteger(checked, Int32Array.of(0, 15))]).toEqual([0]);
  });

  it("reads the fill of a convolution outside of the image", () => {
    const checked = parse({ ...base, input: image, ops: [conv] });
    expect([...runInteger(checked, Int32Array.of(1, 2, 3, 4))]).toEqual([4 + 4 + 1 + 2, 10]);
    expect([...(checked.values[1]?.hi ?? [])]).toEqual([38, 60]);
  });

  it("sends an input down its trees by rank", () => {
    const checked = parse(forest);
    const leaf = (x: number) => [...runInteger(checked, encodeInput(checked.model.input, [x, 0]))];
    expect([-1, 0, 0.25, 0.5, 0.75, 9].flatMap(leaf)).toEqual([18, 18, 18, 18, 28, 28]);
  });

  it("takes the first of equal elements as the largest", () => {
    const top = { ...ops({ op: "arg-max", x: 0 }), output: { name: "y", meaning: "class", scale: 1, offset: 0 } };
    expect([...runInteger(parse(top), Int32Array.of(3, 3))]).toEqual([0]);
    expect([...runInteger(parse(top), Int32Array.of(3, 4))]).toEqual([1]);
  });

  it.each<[string, object]>([
    ["another version", { ...base, v: 2 }],
    ["a member that it does not know", { ...base, more: 1 }],
    ["no operation", ops()],
    ["an operation that it does not know", ops({ op: "exp", x: 0 })],
    ["an operation without a member", ops({ ...linear, bias: undefined })],
    ["an operation that reads a later value", ops({ ...linear, x: 1 })],
    ["a value that nobody reads", ops(linear, { ...requant, x: 0 })],
    ["a weight of more bits than stated", ops({ ...linear, bits: 2 })],
    ["a weight of -128", ops({ ...linear, bits: 8, weights: "gAE=" })],
    ["bits outside 2 to 8", ops({ ...linear, bits: 9 })],
    ["another number of weights", ops({ ...linear, weights: "AQ==" })],
    ["another number of biases", ops({ ...linear, bias: [1, 2] })],
    ["base64 in another spelling", ops({ ...linear, weights: "Af1=" })],
    ["a bias that is no integer", ops({ ...linear, bias: [0.5] })],
    ["a bias beyond 32 bits", ops({ ...linear, bias: [2 ** 31] })],
    ["sums that can leave 32 bits", ops({ ...linear, bias: [2 ** 31 - 10] })],
    ["an offset that takes sums beyond 32 bits", ops(linear, { ...requant, offset: 2 ** 31 - 1 })],
    ["a shift beyond 30", ops(linear, { ...requant, shift: 31 })],
    ["a largest value of 0", ops(linear, { ...requant, max: 0 })],
    ["a multiplier of 0", ops({ op: "add", x: [0], multipliers: [0] })],
    ["fewer multipliers than operands", ops({ op: "add", x: [0, 0], multipliers: [1] })],
    ["a reshape to another number of elements", ops({ op: "reshape", x: 0, shape: [3] })],
    ["a shape with a length of 0", input({ shape: [0] })],
    ["a shape of huge lengths", input({ shape: [2 ** 22, 2 ** 22] })],
    ["a convolution over rows", ops(conv)],
    ["a pad as large as the window", { ...base, input: image, ops: [{ ...conv, pad: [2, 0, 0, 0] }] }],
    ["a window larger than its image", { ...base, input: image, ops: [{ ...conv, kernel: [1, 4] }] }],
    ["a stride of 0", { ...base, input: image, ops: [{ ...conv, stride: [0, 1] }] }],
    ["groups that do not divide", { ...base, input: image, ops: [{ ...conv, groups: 2 }] }],
    ["a multiplier that is no FP32 number", input({ encoding: { ...base.input.encoding, multiplier: 0.1 } })],
    ["a multiplier of 0 for inputs", input({ encoding: { ...base.input.encoding, multiplier: 0 } })],
    ["a zero above the largest input", input({ encoding: { ...base.input.encoding, zero: 16 } })],
    ["a scale of 0", { ...base, output: { ...base.output, scale: 0 } }],
    ["a class that is no arg-max", { ...base, output: { ...base.output, meaning: "class", scale: 1 } }],
    ["one name for input and output", { ...base, output: { ...base.output, name: "x" } }],
    [
      "edges that do not ascend",
      { ...forest, input: { name: "x", shape: [2], encoding: { kind: "bins", edges: [[1, 1, 2], []] } } },
    ],
    [
      "edges for another number of inputs",
      { ...forest, input: { name: "x", shape: [2], encoding: { kind: "bins", edges: [[0, 1, 2]] } } },
    ],
    [
      "an edge that is no FP32 number",
      { ...forest, input: { name: "x", shape: [2], encoding: { kind: "bins", edges: [[0, 0.1, 2], []] } } },
    ],
    ["a tree that loops", { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, yes: [0] }] }] }],
    ["a tree with two edges to one leaf", { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, no: [-1] }] }] }],
    ["a tree that leads to no leaf", { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, no: [-3] }] }] }],
    [
      "a tree with a leaf too many",
      { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, leaves: [1, 2, 3] }] }] },
    ],
    [
      "a tree that asks what it knows",
      { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, threshold: [3] }] }] },
    ],
    [
      "a tree that asks about no input",
      { ...forest, ops: [{ op: "trees", x: 0, base: [1], trees: [{ ...tree, feature: [2] }] }] },
    ],
  ])("is refused for %s", (_, document) => {
    expect(() => parse(document)).toThrow(invalid);
  });

  it("is refused in any bytes but the canonical ones, and when it is no strict JSON", () => {
    const text = canonicalJson(base as JsonValue);
    for (const bytes of [`${text}\n`, text.replace('"v":1', '"v":1.0'), text.replace("{", '{"v":1,'), "null", ""]) {
      expect(() => parseIntegerModel(utf8(bytes))).toThrow(invalid);
    }
    const sorted = JSON.stringify({ v: 1, output: base.output, ops: base.ops, input: base.input });
    expect(() => parseIntegerModel(utf8(sorted))).toThrow(invalid);
  });
});

describe("encoding an input", () => {
  const { model } = parse(base);
  const forestInput = parse(forest).model.input;

  it("rounds halves to the even integer", () => {
    expect([-1.5, -0.5, 0.5, 1.5, 2.5, 0.49, 2.51].map(roundHalfEven).map((item) => item + 0)).toEqual([-2, 0, 0, 2, 2, 0, 3]);
    expect([...encodeInput(model.input, [0.25, 0.75])]).toEqual([4, 6]);
  });

  it("accepts both ends of the range and refuses what lies beyond, without clamping", () => {
    expect([...encodeInput(model.input, [-2, 5.5])]).toEqual([0, 15]);
    for (const x of [-2.26, 5.76, 1e30, -1e30]) expect(() => encodeInput(model.input, [x, 0])).toThrow(outOfRange);
  });

  it("refuses NaN, infinities and another number of values in every encoding", () => {
    for (const form of [model.input, forestInput]) {
      for (const x of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300]) {
        expect(() => encodeInput(form, [x, 0])).toThrow(outOfRange);
      }
      expect(() => encodeInput(form, [0])).toThrow(outOfRange);
      expect(() => encodeInput(form, [0, 0, 0])).toThrow(outOfRange);
    }
  });

  it("lets no integer outside the range into a run", () => {
    const checked = parse(base);
    for (const q of [[16, 0], [-1, 0], [0], [0, 0, 0]]) {
      expect(() => runInteger(checked, Int32Array.from(q))).toThrow(outOfRange);
    }
  });
});
