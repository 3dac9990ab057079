/** A float model as the quantiser reads it: ONNX reduced to a few operations on one sample. Values are numbered as in the integer model. */
import type { Shape, Window } from "../integer/integer-model.ts";

/** `y = W x + b`, weights row by row. */
export interface FloatLinear {
  readonly op: "linear";
  readonly x: number;
  readonly rows: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

/** ONNX `Conv` in two dimensions, padding with 0. */
export interface FloatConv extends Window {
  readonly op: "conv";
  readonly x: number;
  readonly channels: number;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

/** `clamp(x, min, max)`; ReLU is 0 to infinity. */
export interface FloatClip {
  readonly op: "clip";
  readonly x: number;
  readonly min: number;
  readonly max: number;
}

/** Mean or largest of each window; the mean counts the padding as 0 and always divides by the whole window. */
export interface FloatPool extends Window {
  readonly op: "average-pool" | "max-pool";
  readonly x: number;
}

/** Sum of values of one shape. All multipliers are 1. */
export interface FloatAdd {
  readonly op: "add";
  readonly x: readonly number[];
  readonly multipliers: readonly number[];
}

/** Concatenation. */
export interface FloatConcat {
  readonly op: "concat";
  readonly x: readonly number[];
  readonly axis: number;
}

/** The same elements in another shape. */
export interface FloatReshape {
  readonly op: "reshape";
  readonly x: number;
  readonly shape: Shape;
}

/** Index of the largest, the first of equals. */
export interface FloatArgMax {
  readonly op: "arg-max";
  readonly x: number;
}

/** A decision tree as in the integer model, with real thresholds (FP32) and leaves. */
export interface FloatTree {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly yes: readonly number[];
  readonly no: readonly number[];
  readonly leaves: readonly number[];
}

/** Sum of trees. Its operand is value 0. */
export interface FloatTrees {
  readonly op: "trees";
  readonly x: number;
  readonly base: readonly number[];
  readonly trees: readonly FloatTree[];
}

/** One operation; operation `i` makes value `i + 1`. */
export type FloatOp =
  | FloatLinear
  | FloatConv
  | FloatClip
  | FloatPool
  | FloatAdd
  | FloatConcat
  | FloatReshape
  | FloatArgMax
  | FloatTrees;

/** A float model. The last operation's value is the output. */
export interface FloatModel {
  readonly input: { readonly name: string; readonly shape: Shape };
  readonly ops: readonly FloatOp[];
  /** Shape of every value, value 0 first. */
  readonly shapes: readonly Shape[];
  readonly output: {
    readonly name: string;
    readonly meaning: "logits" | "scores" | "class";
    /** What is to be added to the value to give the source model's number. */
    readonly offset: number;
    /** What the source file declares: ONNX's element type (0: no tensor), and lengths behind the batch if all are stated. */
    readonly declared: { readonly elementType: number; readonly shape: Shape | null };
  };
  /** What was left out or is returned in another form, one line each, for a person. */
  readonly notes: readonly string[];
}
