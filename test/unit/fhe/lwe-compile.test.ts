import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isTrisealError } from "../../../src/core/errors.ts";
import type { CheckedModel, IntegerModel, IntegerOp, Tree } from "../../../src/model/integer/integer-model.ts";
import { parseKnownAnswers } from "../../../src/model/integer/known-answers.ts";
import { checkIntegerModel, parseIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { encodeLweCircuit } from "../../../src/paths/fhe/compile/lwe-circuit.ts";
import { compileLwe } from "../../../src/paths/fhe/compile/lwe-compile.ts";
import { simulateLwe } from "./lwe-simulator.ts";

const models = join(dirname(fileURLToPath(import.meta.url)), "../../../models");

function shipped(name: string): CheckedModel {
  return parseIntegerModel(new Uint8Array(readFileSync(join(models, name, "integer.json"))));
}

function model(ops: readonly IntegerOp[], width = 2, max = 255): CheckedModel {
  const document: IntegerModel = {
    v: 1,
    input: { name: "x", shape: [width], encoding: { kind: "affine", multiplier: 1, zero: 0, max } },
    ops,
    output: { name: "y", meaning: "logits", scale: 1, offset: 0 },
  };
  return checkIntegerModel(document);
}

const linear = (x: number, weights: number[], bias: number[], rows = bias.length): IntegerOp => ({
  op: "linear",
  x,
  rows,
  bits: 8,
  weights: Int8Array.from(weights),
  bias,
});

/** The code and node with which compiling is refused. */
function refusal(checked: CheckedModel): unknown {
  try {
    compileLwe(checked);
  } catch (error) {
    if (isTrisealError(error)) return [error.code, error.details?.["node"]];
    throw error;
  }
  return "compiled";
}

/** Trees whose features are asked at `edges` places. */
function treeModel(tree: Tree, edges: number, features = 1): CheckedModel {
  const list = Array.from({ length: edges }, (_, at) => at);
  return checkIntegerModel({
    v: 1,
    input: { name: "x", shape: [features], encoding: { kind: "bins", edges: Array.from({ length: features }, () => list) } },
    ops: [{ op: "trees", x: 0, base: [-5], trees: [tree] }],
    output: { name: "y", meaning: "scores", scale: 1, offset: 0 },
  });
}

describe("compiling a model for encrypted inference", () => {
  it("refuses an activation of more than three bits, and names the operation", () => {
    const wide = model([linear(0, [1, 1], [0]), { op: "requant", x: 1, offset: 0, shift: 2, max: 15 }]);
    expect(refusal(wide)).toEqual(["FHE_MODEL_UNSUPPORTED", "operation 1 (requant)"]);
  });

  it("refuses operations that it has no lookup for", () => {
    const sum = model([linear(0, [1, 1], [0]), { op: "add", x: [1], multipliers: [2] }]);
    expect(refusal(sum)).toEqual(["FHE_MODEL_UNSUPPORTED", "operation 1 (add)"]);
    expect(refusal(shipped("mnist-lenet5"))).toEqual(["FHE_MODEL_UNSUPPORTED", "operation 0 (conv)"]);
  });

  it("refuses more inputs than one ciphertext holds", () => {
    const long = model(
      [
        linear(
          0,
          Array.from({ length: 2049 }, () => 1),
          [0],
        ),
      ],
      2049,
    );
    expect(refusal(long)).toEqual(["FHE_MODEL_UNSUPPORTED", "input"]);
  });

  it("refuses a model whose noise would make a wrong integer likelier than 2^-64", () => {
    const steps: IntegerOp[] = [
      linear(
        0,
        Array.from({ length: 64 }, () => 1),
        Array.from({ length: 64 }, () => 0),
      ),
      { op: "requant", x: 1, offset: 0, shift: 0, max: 7 },
      linear(
        2,
        Array.from({ length: 64 }, () => 127),
        [0],
      ),
    ];
    expect(refusal(model(steps, 1, 7))).toEqual(["FHE_MODEL_UNSUPPORTED", "operation 2 (linear)"]);
  });

  it("refuses a feature with more thresholds than a lookup tells apart", () => {
    const tree = { feature: [0], threshold: [3], yes: [-1], no: [-2], leaves: [1, 2] };
    expect(refusal(treeModel(tree, 40))).toEqual(["FHE_MODEL_UNSUPPORTED", "operation 0 (trees)"]);
  });

  it("gives a linear model one dot product and no lookup", () => {
    const { circuit, price } = compileLwe(shipped("breast-cancer-logistic"));
    expect([circuit.nodes.length, price.pbs, price.depth]).toEqual([1, 0, 0]);
  });

  it.each([
    ["breast-cancer-logistic", 0, 0],
    ["breast-cancer-tree", 10, 2],
    ["breast-cancer-forest", 577, 3],
    ["breast-cancer-mlp-fhe", 58, 5],
    ["digits-mlp-fhe", 173, 7],
  ])("gives the reference's integers for %s, for %d lookups of depth %d", (name, pbs, depth) => {
    const checked = shipped(name);
    const { circuit, price } = compileLwe(checked);
    expect([price.pbs, price.depth]).toEqual([pbs, depth]);
    expect(price.failureLog2).toBeLessThan(-64);
    const answers = parseKnownAnswers(new Uint8Array(readFileSync(join(models, name, "known-answers.json"))), checked);
    expect(answers.length).toBeGreaterThan(8);
    for (const { x, y } of answers) expect(simulateLwe(circuit, x)).toEqual([...y]);
  });

  it("gives the same bytes every time", () => {
    const checked = shipped("digits-mlp-fhe");
    expect(encodeLweCircuit(compileLwe(checked).circuit)).toEqual(encodeLweCircuit(compileLwe(checked).circuit));
  });

  it.each([0, 3, 14, 15, 16, 22, 30])("asks whether a feature of 32 steps is at most %d", (threshold) => {
    const tree = { feature: [0], threshold: [threshold], yes: [-1], no: [-2], leaves: [70_000, -1] };
    const checked = treeModel(tree, 31);
    const { circuit } = compileLwe(checked);
    for (let x = 0; x < 32; x++) {
      expect(simulateLwe(circuit, [x])).toEqual([...runInteger(checked, Int32Array.of(x))]);
    }
  });
});
