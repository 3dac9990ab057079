/** The model package: what `model.json` says, and the few computations that it defines for a caller. */
import { array, type Decoded, digest, finite, integer, matching, nullable, object, oneOf, text } from "../core/decode.ts";
import { TrisealError } from "../core/errors.ts";
import { type JsonValue, parseJson } from "../core/json.ts";
import { decodeTensorSpec, elementCount, type Tensor, type TensorSpec } from "../core/tensor.ts";
import type { CheckedModel, IntegerOutput } from "./integer/integer-model.ts";

/** Largest `model.json`, in bytes. */
export const MAX_MODEL_JSON_BYTES = 1024 * 1024;

/** Most features or labels that a package may name. */
const MAX_NAMES = 65_536;

/** Reads a model name: a lower-case letter or digit, then up to 63 of letters, digits and hyphens. */
export const decodeModelName = matching(/[a-z0-9][a-z0-9-]{0,63}/, "a model name of lower-case letters, digits and hyphens");

const fraction = (value: JsonValue | undefined, place: string): number => {
  const number = finite(value, place);
  if (number < 0 || number > 1) throw new TrisealError("FORMAT_INVALID", `${place}: expected a number from 0 to 1`);
  return number;
};

/** What `triseal model build` adds: the integer form, served under a name of its own. */
const decodeIntegerForm = object(
  {
    name: decodeModelName,
    /** SHA-256 of `integer.json`, which is canonical. */
    digest,
    /** SHA-256 of `known-answers.json`. */
    knownAnswers: digest,
    /** Ids of the paths that the integer form can take. */
    paths: array(matching(/[a-z][a-z0-9-]{0,31}/, "a path id"), 8),
    /** What the ranges come from: data by digest, or a range of inputs that somebody stated. */
    calibration: object({
      data: nullable(digest),
      range: nullable(object({ lo: finite, hi: finite })),
      samples: integer(1),
      percentile: finite,
    }),
  },
  {
    accuracy: object({ heldBack: fraction, n: integer(1), refused: integer() }),
    /** `public`: a gateway hands `integer.json` to everyone, so that callers can open commitments. `confidential` by default. */
    visibility: oneOf("public", "confidential"),
    /** `public`: a gateway hands the proving key to its callers, who can read the weights in it. `confidential` by default. */
    provingKey: oneOf("public", "confidential"),
  },
);

const decodePackage = object(
  {
    v: oneOf(1),
    name: decodeModelName,
    version: matching(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/, "a version of letters, digits, dots, underscores and hyphens"),
    /** SHA-256 of `model.onnx`. */
    digest,
    licence: text(128),
    inputs: array(decodeTensorSpec, 64),
    outputs: array(decodeTensorSpec, 64),
    /** Ids of the paths that the model can take. */
    paths: array(matching(/[a-z][a-z0-9-]{0,31}/, "a path id"), 8),
  },
  {
    title: text(256),
    description: text(4096),
    dataset: object({ name: text(256), source: text(1024), licence: text(128) }),
    labels: array(text(256), MAX_NAMES),
    /** Column-wise: the model takes `(raw - mean) / std`. */
    standardize: object({ mean: array(finite, MAX_NAMES), std: array(finite, MAX_NAMES) }),
    features: array(text(256), MAX_NAMES),
    /** Share of right answers on `n` rows that the model was not trained on. */
    accuracy: object({ heldBack: fraction, n: integer(1) }, { auc: fraction }),
    integer: decodeIntegerForm,
  },
);

/** A parsed `model.json`, or what it says of its integer form (`integerPackage`). */
export type ModelPackage = Decoded<typeof decodePackage> & {
  /** What the integers of an integer form mean; absent for a float model. */
  readonly meaning?: IntegerOutput["meaning"];
  /** Whether everyone may have the integer form; absent for a float model. */
  readonly visibility?: "public" | "confidential";
  /** Whether callers may have the proving key; absent for a float model. */
  readonly provingKey?: "public" | "confidential";
};

function invalid(reason: string, cause?: unknown): never {
  throw new TrisealError("MODEL_INVALID", reason, { cause });
}

function checkTensors(model: ModelPackage): void {
  for (const [kind, specs] of [["inputs", model.inputs] as const, ["outputs", model.outputs] as const]) {
    if (specs.length === 0) invalid(`model.json: \`${kind}\` is empty`);
    if (new Set(specs.map((spec) => spec.name)).size !== specs.length) invalid(`model.json: a name stands twice in \`${kind}\``);
  }
}

/** Numbers in one row (one sample) of the model's first input, or null where an axis behind the first is free or there is none. */
function rowLength(model: ModelPackage): number | null {
  const shape = model.inputs[0]?.shape ?? [];
  const row = shape.length > 1 ? shape.slice(1) : shape;
  return row.length === 0 || row.includes(-1) ? null : elementCount(row);
}

function checkColumns(model: ModelPackage): void {
  const columns = rowLength(model);
  const standardize = model.standardize;
  if (standardize !== undefined) {
    if (standardize.mean.length !== standardize.std.length) invalid("model.json: `standardize` has lists of different lengths");
    if (columns !== null && standardize.mean.length !== columns) invalid(`model.json: \`standardize\` needs ${columns} columns`);
    if (!standardize.std.every((deviation) => deviation > 0)) invalid("model.json: a `standardize.std` is not above 0");
  }
  if (model.features !== undefined && columns !== null && model.features.length !== columns) {
    invalid(`model.json: \`features\` needs ${columns} names`);
  }
}

function checkIntegerForm(model: ModelPackage, form: NonNullable<ModelPackage["integer"]>): void {
  if (form.name === model.name) invalid("model.json: the integer form needs a name of its own");
  if (new Set(form.paths).size !== form.paths.length) invalid("model.json: a path of the integer form stands twice");
  if (form.provingKey === "public" && form.visibility !== "public")
    invalid("model.json: a public proving key shows the weights, so that the integer form must be public, too");
  const [input, ...others] = model.inputs;
  const isSamples =
    input?.datatype === "FP32" && input.shape[0] === -1 && input.shape.length > 1 && !input.shape.slice(1).includes(-1);
  if (!isSamples || others.length > 0) invalid("model.json: an integer form needs one FP32 input of shape [-1, ...]");
}

/**
 * The package of the integer form: its own name and digest, the inputs of the float model, integers as output.
 * @throws TrisealError `MODEL_INVALID` where `model.json` describes no integer form, or other inputs or another model than `checked`.
 */
export function integerPackage(model: ModelPackage, checked: CheckedModel): ModelPackage {
  const { integer: form, accuracy: _, ...shared } = model;
  if (form === undefined) return invalid("model.json: no integer form");
  if (form.digest !== checked.digest) invalid("`integer.json` has not the digest that model.json states");
  const { input, output } = checked.model;
  const [declared] = model.inputs;
  if (declared?.name !== input.name || declared.shape.slice(1).join() !== input.shape.join()) {
    invalid("`integer.json` takes another input than model.json states");
  }
  const shape = checked.values.at(-1)?.shape ?? [];
  return {
    ...shared,
    name: form.name,
    digest: form.digest,
    paths: form.paths,
    outputs: [{ name: output.name, datatype: "INT32", shape: [-1, ...shape] }],
    meaning: output.meaning,
    visibility: form.visibility ?? "confidential",
    provingKey: form.provingKey ?? "confidential",
    ...(form.accuracy === undefined ? {} : { accuracy: { heldBack: form.accuracy.heldBack, n: form.accuracy.n } }),
  };
}

function checkLabels(model: ModelPackage): void {
  if (model.labels === undefined) return;
  if (new Set(model.labels).size !== model.labels.length) invalid("model.json: a label stands twice");
  const columns = model.outputs[0]?.shape.at(-1);
  const fits = columns === undefined || columns === -1 || model.labels.length === (columns === 1 ? 2 : columns);
  if (!fits) invalid("model.json: `labels` does not fit the first output");
}

/**
 * Parses a `model.json`. Does not read the model: whether `digest` is that of `model.onnx` is for `readPackage`.
 * @throws TrisealError `MODEL_INVALID`.
 */
export function parseModelPackage(bytes: Uint8Array): ModelPackage {
  if (bytes.length > MAX_MODEL_JSON_BYTES) invalid(`model.json: more than ${MAX_MODEL_JSON_BYTES} bytes`);
  let model: ModelPackage;
  try {
    model = decodePackage(parseJson(bytes), "model.json");
  } catch (cause) {
    return invalid(cause instanceof Error ? cause.message : "model.json: malformed", cause);
  }
  checkTensors(model);
  checkColumns(model);
  checkLabels(model);
  if (new Set(model.paths).size !== model.paths.length) invalid("model.json: a path stands twice");
  if (model.integer !== undefined) checkIntegerForm(model, model.integer);
  return model;
}

/**
 * A row of raw values as the model takes it: `(raw - mean) / std` in double precision, rounded to FP32 where the first
 * input is FP32. Without `standardize` the values are only rounded.
 * @throws TrisealError `REQUEST_TENSOR_INVALID` for the wrong number of values, `REQUEST_NOT_FINITE` for NaN, infinity
 *   or a value beyond FP32.
 */
export function standardizeRow(model: ModelPackage, row: readonly number[]): readonly number[] {
  const columns = model.standardize?.mean.length ?? rowLength(model);
  if (columns !== null && row.length !== columns) {
    throw new TrisealError(
      "REQUEST_TENSOR_INVALID",
      `model \`${model.name}\` takes ${columns} values per row, got ${row.length}`,
    );
  }
  const single = model.inputs[0]?.datatype === "FP32";
  return row.map((raw, column) => {
    const scaled = (raw - (model.standardize?.mean[column] ?? 0)) / (model.standardize?.std[column] ?? 1);
    const value = single ? Math.fround(scaled) : scaled;
    if (!Number.isFinite(value)) throw new TrisealError("REQUEST_NOT_FINITE", `value ${column} of the row is not finite`);
    return value;
  });
}

/** What one row of a model's answer means. */
export interface Answer {
  readonly label: string;
  /** Position of the label in `labels`. */
  readonly index: number;
  /** The model's score for the label. With one output column: that column, or one minus it for `labels[0]`. An integer form's own integer. */
  readonly score: number;
}

/**
 * The label of row `row` of the first output. A class is its own label. One column: 0.5 or more (logits and integers: 0 or
 * more) means `labels[1]`. Several: the largest wins, the first of equals. Null where the package names no labels, or the
 * answer has no such row, or is not numeric.
 */
export function labelOf(model: ModelPackage, outputs: readonly Tensor[], row = 0): Answer | null {
  const spec: TensorSpec | undefined = model.outputs[0];
  const output = outputs.find((tensor) => tensor.name === spec?.name);
  const columns = output?.shape.at(-1);
  if (model.labels === undefined || output === undefined || columns === undefined) return null;
  const scores = Array.from<unknown, number>(output.data.slice(row * columns, (row + 1) * columns), Number);
  if (row < 0 || scores.length !== columns || scores.length === 0 || !scores.every(Number.isFinite)) return null;
  const { index, score } = model.meaning === undefined ? bestShare(scores) : bestInteger(scores, model.meaning);
  const label = model.labels[index];
  return label === undefined ? null : { label, index, score };
}

type Best = Omit<Answer, "label">;

function bestShare(scores: readonly number[]): Best {
  const [first = Number.NaN] = scores;
  if (scores.length > 1) return largest(scores);
  return first >= 0.5 ? { index: 1, score: first } : { index: 0, score: 1 - first };
}

function bestInteger(scores: readonly number[], meaning: IntegerOutput["meaning"]): Best {
  const [first = Number.NaN] = scores;
  if (meaning === "class") return { index: first, score: first };
  return scores.length > 1 ? largest(scores) : { index: first >= 0 ? 1 : 0, score: first };
}

function largest(scores: readonly number[]): Best {
  const score = Math.max(...scores);
  return { index: scores.indexOf(score), score };
}
