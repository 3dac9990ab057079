/** From a source model and what the command line says of its inputs to the integer model. */
import { TrisealError } from "../../core/errors.ts";
import { type Comparison, compareModels } from "../../model/compare.ts";
import type { FloatModel } from "../../model/float/float-model.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { calibrate, type Range, rangeSamples } from "../../model/quantise/calibrate.ts";
import { DEFAULT_OPTIONS, type QuantiseOptions } from "../../model/quantise/options.ts";
import { quantise } from "../../model/quantise/quantise.ts";
import { progressLine } from "./progress-line.ts";
import { importSource, parseRange, readSamples, readSource, type Samples, type SourceModel } from "./source-model.ts";

/** Flags that `preflight` and `build` share. */
export interface SourceFlags {
  readonly data?: string;
  readonly range?: string;
  readonly test?: string;
  readonly percentile: string;
  readonly inputBits: string;
  readonly weightBits: string;
  readonly activationBits: string;
  readonly json?: true;
}

/** The range of inputs that stands in where nobody named data or a range. */
const DEFAULT_RANGE: Range = { lo: -8, hi: 8 };

/** Float and integer model with what they come from. */
export interface QuantisedSource {
  readonly source: SourceModel;
  readonly model: FloatModel;
  readonly checked: CheckedModel;
  /** Samples that calibrated: of the data file, or made up from the range. */
  readonly calibration: {
    readonly data: Samples | null;
    readonly range: Range | null;
    readonly samples: number;
    readonly percentile: number;
  };
  /** Samples behind `calibration`, as the model takes them. */
  readonly rows: readonly (readonly number[])[];
  /** On the test file, or else on the data file; null where there is neither. */
  readonly comparison: (Comparison & { readonly on: "test" | "data" }) | null;
  readonly warnings: readonly string[];
}

function widths(text: string, flag: string): readonly number[] {
  const list = text.split(",").map(Number);
  if (list.every((width) => Number.isInteger(width) && width >= 2 && width <= 8)) return list;
  throw new TrisealError("FORMAT_INVALID", `${flag} wants widths from 2 to 8, one or several between commas`);
}

function optionsOf(flags: SourceFlags, range: Range | null): QuantiseOptions {
  return {
    ...DEFAULT_OPTIONS,
    inputBits: widths(flags.inputBits, "--input-bits")[0] ?? 8,
    weightBits: widths(flags.weightBits, "--weight-bits"),
    activationBits: widths(flags.activationBits, "--activation-bits"),
    inputRange: range,
  };
}

function percentileOf(flags: SourceFlags): number {
  const percentile = Number(flags.percentile);
  if (percentile > 50 && percentile <= 100) return percentile;
  throw new TrisealError("FORMAT_INVALID", "--percentile wants a number above 50, at most 100");
}

function warningsOf(range: Range | null, data: Samples | null, comparison: Comparison | null): readonly string[] {
  const warnings: string[] = [];
  if (data === null && range !== null) {
    const { lo, hi } = range;
    warnings.push(
      `calibrated on made-up inputs of even chance from ${lo} to ${hi}: give --data for accuracy that means something`,
    );
  }
  if (comparison !== null && comparison.refused > 0) {
    warnings.push(
      `${comparison.refused} of ${comparison.samples} samples are outside the input range and are refused: widen it with --range`,
    );
  }
  return warnings;
}

/** Reads, calibrates, quantises and compares. @throws TrisealError `FORMAT_INVALID`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`. */
export async function quantiseSource(file: string, flags: SourceFlags): Promise<QuantisedSource> {
  const silent = flags.json === true;
  const given = flags.range === undefined ? null : parseRange(flags.range);
  const percentile = percentileOf(flags);
  const source = await readSource(file);
  const model = importSource(source);
  const data = flags.data === undefined ? null : await readSamples(flags.data, model, source.card);
  const range = given ?? (data === null ? DEFAULT_RANGE : null);
  const options = optionsOf(flags, range);
  const rows = data?.rows ?? rangeSamples(model, range ?? DEFAULT_RANGE);
  const calibration = calibrate(model, rows, percentile, progressLine("calibrating", silent));
  const checked = quantise(model, calibration, options);
  const test = flags.test === undefined ? null : await readSamples(flags.test, model, source.card);
  const judged = test ?? data;
  const comparison = judged === null ? null : compare(model, checked, source, judged, silent);
  return {
    source,
    model,
    checked,
    calibration: { data, range, samples: calibration.samples, percentile },
    rows,
    comparison: comparison === null ? null : { ...comparison, on: test === null ? "data" : "test" },
    warnings: warningsOf(range, data, comparison),
  };
}

function compare(model: FloatModel, checked: CheckedModel, source: SourceModel, samples: Samples, silent: boolean): Comparison {
  const chooses = model.output.meaning !== "scores" || source.card?.model.labels !== undefined || samples.truth !== null;
  return compareModels(model, checked, samples.rows, samples.truth, chooses, progressLine("comparing", silent));
}
