import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { assertKnownAnswers, knownRuns, packInteger, WrongAnswer } from "../../../enclave/worker/integer-run.ts";
import type { CheckedModel } from "../../../src/model/integer/integer-model.ts";
import { encodeKnownAnswers, makeKnownAnswers, parseKnownAnswers } from "../../../src/model/integer/known-answers.ts";
import { checkIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { emitOnnx } from "../../../src/model/onnx/emit-onnx.ts";

const modelWith = (weights: number[], bias: number): CheckedModel =>
  checkIntegerModel({
    v: 1,
    input: { name: "x", shape: [2], encoding: { kind: "affine", multiplier: 1, zero: 8, max: 15 } },
    ops: [
      { op: "linear", x: 0, rows: 1, bits: 4, weights: Int8Array.from(weights), bias: [bias] },
      { op: "requant", x: 1, offset: 2, shift: 2, max: 255 },
    ],
    output: { name: "y", meaning: "scores", scale: 1, offset: 0 },
  });

const model = modelWith([3, 5], 1);
const samples = [
  [-8, -8],
  [7, 7],
  [0, 1],
];
const answers = parseKnownAnswers(encodeKnownAnswers(makeKnownAnswers(model, samples)), model);
const invalid = expect.objectContaining({ code: "MODEL_INVALID" });
const open = (checked: CheckedModel) => InferenceSession.create(emitOnnx(checked), { logSeverityLevel: 4 });

describe("known answers", () => {
  it("pass in a runtime that computes the model, alone and in one batch", async () => {
    const runs = knownRuns({ checked: model, answers });
    expect(runs.map(({ feed }) => feed.dims)).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
      [3, 2],
    ]);
    await expect(assertKnownAnswers(await open(model), "m", runs)).resolves.toBeUndefined();
  });

  it.each([
    ["one weight", modelWith([3, 4], 1)],
    ["one bias", modelWith([3, 5], 3)],
  ])("stop a runtime that computes with %s changed", async (_, other) => {
    await expect(assertKnownAnswers(await open(other), "m", knownRuns({ checked: model, answers }))).rejects.toThrow(WrongAnswer);
  });

  it("stop a model when one integer of one answer is another", async () => {
    const [first, ...rest] = answers;
    if (first === undefined) throw new Error("no answer");
    const changed = [{ ...first, y: first.y.map((item) => item ^ 1) }, ...rest];
    await expect(assertKnownAnswers(await open(model), "m", knownRuns({ checked: model, answers: changed }))).rejects.toThrow(
      WrongAnswer,
    );
  });

  it("are refused when they are another model's, wrong, empty, or out of range", () => {
    const made = makeKnownAnswers(model, samples);
    const parse = (change: object) => parseKnownAnswers(new TextEncoder().encode(JSON.stringify({ ...made, ...change })), model);
    expect(() => parseKnownAnswers(encodeKnownAnswers(made), modelWith([3, 4], 1))).toThrow(invalid);
    expect(() => parse({ answers: [] })).toThrow(invalid);
    expect(() => parse({ answers: [{ x: [0, 0], y: [1] }] })).toThrow(invalid);
    expect(() => parse({ answers: [{ x: [99, 0], y: [1] }] })).toThrow(invalid);
    expect(() => parse({ v: 2 })).toThrow(invalid);
  });

  it("leave out samples that the model refuses, and need at least one", () => {
    expect(
      makeKnownAnswers(model, [
        [99, 0],
        [0, 0],
      ]).answers,
    ).toHaveLength(1);
    expect(() => makeKnownAnswers(model, [[99, 0]])).toThrow(expect.objectContaining({ code: "MODEL_UNSUPPORTED" }));
  });
});

describe("a request tensor of an integer model", () => {
  it("is encoded sample by sample, and refused as a whole when one number is out of range", () => {
    const tensor = (data: number[]) => ({ name: "x", datatype: "FP32" as const, shape: [2, 2], data: Float32Array.from(data) });
    expect([...(packInteger(model, tensor([0, 1, -8, 7])).data as Int32Array)]).toEqual([8, 9, 0, 15]);
    expect(() => packInteger(model, tensor([0, 1, 8, 7]))).toThrow(expect.objectContaining({ code: "INPUT_OUT_OF_RANGE" }));
  });
});
