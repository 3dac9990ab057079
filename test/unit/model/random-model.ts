/** Random networks as ONNX drafts, and random samples for them. */
import fc from "fast-check";
import type { Draft, DraftNode } from "./onnx-draft.ts";

interface Growing {
  readonly nodes: DraftNode[];
  readonly constants: Record<string, { shape: number[]; data: number[] }>;
  shape: number[];
  last: string;
}

/** A stream of numbers from -1 to 1. */
function numbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9;
    return ((state >>> 8) % 20_001) / 10_000 - 1;
  };
}

const KINDS = ["dense", "relu", "clip", "conv", "average", "max", "norm", "residual", "concat", "global"] as const;
type Kind = (typeof KINDS)[number];

function grow(growing: Growing, kind: Kind, size: number, next: () => number): void {
  const { nodes, constants } = growing;
  const at = nodes.length;
  const isImage = growing.shape.length === 3;
  const [channels = 1, height = 1, width = 1] = growing.shape;
  const count = growing.shape.reduce((product, length) => product * length, 1);
  const constant = (name: string, shape: number[], scale = 1) => {
    const length = shape.reduce((product, item) => product * item, 1);
    constants[name] = { shape, data: Array.from({ length }, () => Math.fround(next() * scale)) };
    return name;
  };
  const node = (op: string, inputs: string[], attributes: DraftNode["attributes"] = {}) => {
    growing.last = `n${nodes.length}`;
    nodes.push({ op, inputs, output: growing.last, attributes });
    return growing.last;
  };
  const dense = () => {
    if (isImage) node("Flatten", [growing.last], { axis: 1 });
    node("Gemm", [growing.last, constant(`w${at}`, [count, size]), constant(`b${at}`, [size])]);
    growing.shape = [size];
  };
  if (!isImage && ["conv", "average", "max", "global"].includes(kind)) return dense();
  const pooled = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] };
  switch (kind) {
    case "dense":
      return dense();
    case "relu":
      node("Relu", [growing.last]);
      return;
    case "clip":
      constants[`lo${at}`] = { shape: [], data: [Math.fround(-Math.abs(next()) * 2)] };
      constants[`hi${at}`] = { shape: [], data: [Math.fround(0.5 + Math.abs(next()) * 6)] };
      node("Clip", [growing.last, `lo${at}`, `hi${at}`]);
      return;
    case "conv": {
      const pad = size % 2;
      const w = constant(`w${at}`, [size, channels, 2, 2]);
      node("Conv", [growing.last, w, constant(`b${at}`, [size])], {
        kernel_shape: [2, 2],
        strides: [1, 1],
        pads: [pad, 0, pad, 0],
      });
      growing.shape = [size, height + 2 * pad - 1, width - 1];
      return;
    }
    case "average":
    case "max":
      if (height < 2 || width < 2) return;
      node(kind === "max" ? "MaxPool" : "AveragePool", [growing.last], pooled);
      growing.shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
      return;
    case "global":
      node("GlobalAveragePool", [growing.last]);
      growing.shape = [channels, 1, 1];
      return;
    case "norm": {
      const names = ["g", "s", "m"].map((name) => constant(`${name}${at}`, [channels]));
      constants[`v${at}`] = {
        shape: [channels],
        data: Array.from({ length: channels }, () => Math.fround(0.5 + Math.abs(next()))),
      };
      node("BatchNormalization", [growing.last, ...names, `v${at}`]);
      return;
    }
    case "residual": {
      const from = growing.last;
      if (isImage || from === "x") return dense();
      const inner = node("Gemm", [from, constant(`w${at}`, [count, count]), constant(`b${at}`, [count])]);
      node("Add", [inner, from]);
      return;
    }
    case "concat": {
      const from = growing.last;
      const activated = node("Relu", [from]);
      node("Concat", [from, activated], { axis: 1 });
      growing.shape = [channels * 2, ...growing.shape.slice(1)];
      return;
    }
  }
}

/** A draft with its input shape, and a seed for samples. */
export interface RandomModel {
  readonly draft: Draft;
  readonly inputShape: readonly number[];
  readonly kinds: readonly string[];
  readonly seed: number;
}

interface Form {
  readonly isImage: boolean;
  readonly size: number;
  readonly layers: readonly { readonly kind: Kind; readonly size: number }[];
  readonly end: "Softmax" | "ArgMax" | "Relu" | null;
  readonly seed: number;
}

/** The network of this form, with a dense layer last and weights from its seed. */
export function modelOf({ isImage, size, layers, end, seed }: Form): RandomModel {
  const inputShape = isImage ? [2, size + 2, size + 1] : [size];
  const growing: Growing = { nodes: [], constants: {}, shape: inputShape, last: "x" };
  const next = numbers(seed);
  for (const layer of layers) {
    // A window must find room.
    const [, height = 9, width = 9] = growing.shape;
    const kind = Math.min(height, width) < 2 && layer.kind === "conv" ? "relu" : layer.kind;
    grow(growing, kind, layer.size, next);
  }
  grow(growing, "dense", 3, next);
  if (end !== null) {
    growing.nodes.push({ op: end, inputs: [growing.last], output: "y", attributes: end === "Relu" ? {} : { axis: 1 } });
  }
  const draft = { nodes: growing.nodes, constants: growing.constants, input: { shape: [null, ...inputShape] } };
  return { draft, inputShape, kinds: [...layers.map((layer) => layer.kind), String(end)], seed };
}

/** Random networks of up to seven layers with a dense layer last, over vectors or small images. */
export const randomModel: fc.Arbitrary<RandomModel> = fc
  .record({
    isImage: fc.boolean(),
    size: fc.integer({ min: 2, max: 5 }),
    layers: fc.array(fc.record({ kind: fc.constantFrom(...KINDS), size: fc.integer({ min: 1, max: 4 }) }), { maxLength: 6 }),
    end: fc.constantFrom("Softmax", "ArgMax", "Relu", null),
    seed: fc.integer({ min: 1, max: 2 ** 30 }),
  })
  .map(modelOf);

/** Samples for a random model: numbers from -1 to 1. */
export function randomSamples({ inputShape, seed }: RandomModel, count: number): number[][] {
  const next = numbers(seed ^ 0x5555);
  const length = inputShape.reduce((product, item) => product * item, 1);
  return Array.from({ length: count }, () => Array.from({ length }, () => Math.fround(next())));
}
