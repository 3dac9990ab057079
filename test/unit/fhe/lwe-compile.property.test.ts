import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTrisealError } from "../../../src/core/errors.ts";
import type { CheckedModel, IntegerOp, Tree } from "../../../src/model/integer/integer-model.ts";
import { checkIntegerModel } from "../../../src/model/integer/parse-model.ts";
import { runInteger } from "../../../src/model/integer/run.ts";
import { compileLwe } from "../../../src/paths/fhe/compile/lwe-compile.ts";
import { type SimulatedNoise, simulateLwe } from "./lwe-simulator.ts";

/** Noise at its worst but for one time in 2^64: nine standard deviations of a lookup's decision, and of what lookups and inputs carry. */
function worstNoise(next: () => number): SimulatedNoise {
  const either = (size: number) => () => BigInt(Math.round((next() < 0.5 ? -1 : 1) * size));
  return { input: either(9 * 2 ** 16.3), decision: either(9 * 2 ** 54.4), lookup: either(2 ** 42) };
}

function compiled(checked: CheckedModel) {
  try {
    return compileLwe(checked);
  } catch (error) {
    if (isTrisealError(error, "FHE_MODEL_UNSUPPORTED")) return null;
    throw error;
  }
}

function agrees(checked: CheckedModel, samples: readonly (readonly number[])[]): boolean {
  const found = compiled(checked);
  if (found === null) return false;
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const bounds = checked.values[0];
  for (const sample of samples) {
    const x = Int32Array.from(bounds?.hi ?? [], (hi, at) => (sample[at] ?? 0) % (hi + 1));
    const want = [...runInteger(checked, x)];
    expect(simulateLwe(found.circuit, x)).toEqual(want);
    expect(simulateLwe(found.circuit, x, worstNoise(next))).toEqual(want);
  }
  return true;
}

const weight = fc.integer({ min: -15, max: 15 });
const sample = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });

describe("compiled circuits", () => {
  it("compute requantisations of any shift, clamp and offset exactly, with noise and without", () => {
    let done = 0;
    const property = fc.property(
      fc.array(weight, { minLength: 12, maxLength: 12 }),
      fc.array(fc.integer({ min: -2000, max: 2000 }), { minLength: 3, maxLength: 3 }),
      fc.nat(10),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: -600, max: 600 }),
      fc.array(sample, { minLength: 4, maxLength: 4 }),
      (weights, bias, shift, max, offset, samples) => {
        const ops: IntegerOp[] = [
          { op: "linear", x: 0, rows: 3, bits: 5, weights: Int8Array.from(weights), bias },
          { op: "requant", x: 1, offset, shift, max },
          { op: "linear", x: 2, rows: 2, bits: 5, weights: Int8Array.of(3, -2, 1, -7, 5, 15), bias: [4, -9] },
        ];
        const checked = checkIntegerModel({
          v: 1,
          input: { name: "x", shape: [4], encoding: { kind: "affine", multiplier: 1, zero: 0, max: 63 } },
          ops,
          output: { name: "y", meaning: "logits", scale: 1, offset: 0 },
        });
        if (agrees(checked, samples)) done++;
      },
    );
    fc.assert(property, { numRuns: 150, seed: 6 });
    expect(done).toBeGreaterThan(100);
  });

  it("compute trees exactly, with noise and without", () => {
    let done = 0;
    const tree = (depth: number): fc.Arbitrary<Tree> =>
      fc
        .tuple(fc.integer({ min: 1, max: 2 ** depth - 1 }), fc.array(fc.nat(1e6), { minLength: 64, maxLength: 64 }))
        .map(([nodes, numbers]) => grown(nodes, numbers));
    const property = fc.property(
      fc.array(tree(4), { minLength: 1, maxLength: 3 }),
      fc.array(sample, { minLength: 6, maxLength: 6 }),
      (trees, samples) => {
        const edges = Array.from({ length: 4 }, () => Array.from({ length: 15 }, (_, at) => at));
        const checked = checkIntegerModel({
          v: 1,
          input: { name: "x", shape: [4], encoding: { kind: "bins", edges } },
          ops: [{ op: "trees", x: 0, base: [-300], trees }],
          output: { name: "y", meaning: "scores", scale: 1, offset: 0 },
        });
        if (agrees(checked, samples)) done++;
      },
    );
    fc.assert(property, { numRuns: 100, seed: 6 });
    expect(done).toBeGreaterThan(90);
  });
});

/** A tree of `nodes` nodes: each new node takes the place of a leaf. */
function grown(nodes: number, numbers: readonly number[]): Tree {
  const [feature, threshold, yes, no]: number[][] = [[], [], [], []];
  const open: (() => void)[] = [];
  let leaf = 0;
  for (let node = 0; node < nodes; node++) {
    const pick = numbers[node] ?? 0;
    if (node > 0) {
      const at = pick % open.length;
      open[at]?.();
      open.splice(at, 1);
    }
    feature?.push(pick % 4);
    threshold?.push((pick >> 2) % 15);
    yes?.push(0);
    no?.push(0);
    for (const side of [yes, no]) {
      open.push(() => {
        if (side !== undefined) side[node] = feature?.length ?? 0;
      });
    }
  }
  const close = (side: number[] | undefined) => side?.map((target) => (target === 0 ? -1 - leaf++ : target)) ?? [];
  const targets = { yes: close(yes), no: close(no) };
  const leaves = Array.from({ length: leaf }, (_, at) => ((numbers[at] ?? 0) % 131_072) - 65_536);
  return { feature: feature ?? [], threshold: threshold ?? [], ...targets, leaves };
}
