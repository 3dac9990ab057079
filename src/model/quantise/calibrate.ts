/** What the values of a float model are like on given samples: the ranges that a quantiser spreads its integers over. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { FloatModel } from "../float/float-model.ts";
import { traceFloat } from "../float/run-float.ts";

/** Least and largest of one value. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** Ranges of every value, value 0 first, and whether every input was a whole number. */
export interface Calibration {
  readonly ranges: readonly Range[];
  readonly wholeInputs: boolean;
  readonly samples: number;
}

/** Most samples that are run. Further ones would only make it longer. */
export const MAX_CALIBRATION_SAMPLES = 4096;

/** Samples that stand in for data where only a range is given. */
const RANGE_SAMPLES = 256;

/** The `share` quantile of `values`, which it sorts: 1 is the largest. */
function quantile(values: number[], share: number): number {
  values.sort((left, right) => left - right);
  return values[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)] ?? 0;
}

/**
 * Ranges over samples. With a `percentile` below 100, an activation's range ends at that percentile of the samples' own
 * largest (and least) numbers; inputs always keep their full range.
 * @throws TrisealError `FORMAT_INVALID` for no sample, one of another length, or one that is not finite.
 */
export function calibrate(
  model: FloatModel,
  samples: readonly (readonly number[])[],
  percentile: number,
  progress: (done: number, total: number) => void,
): Calibration {
  const length = elementCount(model.input.shape);
  const used = samples.slice(0, MAX_CALIBRATION_SAMPLES);
  if (used.length === 0) throw new TrisealError("FORMAT_INVALID", "calibration data: no sample");
  const low = model.shapes.map((): number[] => []);
  const high = model.shapes.map((): number[] => []);
  used.forEach((sample, at) => {
    if (sample.length !== length) {
      throw new TrisealError(
        "FORMAT_INVALID",
        `calibration data: sample ${at} has ${sample.length} values, the model takes ${length}`,
      );
    }
    if (!sample.every((item) => Number.isFinite(Math.fround(item)))) {
      throw new TrisealError("FORMAT_INVALID", `calibration data: sample ${at} holds a number that FP32 cannot hold`);
    }
    traceFloat(model, sample).forEach((value, number) => {
      low[number]?.push(value.reduce((least, item) => Math.min(least, item), Number.POSITIVE_INFINITY));
      high[number]?.push(value.reduce((most, item) => Math.max(most, item), Number.NEGATIVE_INFINITY));
    });
    progress(at + 1, used.length);
  });
  const share = percentile / 100;
  const ranges = model.shapes.map((_, value): Range => {
    const part = value === 0 ? 1 : share;
    const lows = (low[value] ?? []).map((item) => -item);
    return { lo: -quantile(lows, part), hi: quantile(high[value] ?? [], part) };
  });
  return { ranges, wholeInputs: used.every((sample) => sample.every(Number.isInteger)), samples: used.length };
}

/** A small generator of the same numbers every time (xorshift32): from 0 to 1, without 1. */
export function fixedRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Samples of even chance in a range, the same every time, for a model whose data nobody gave. */
export function rangeSamples(model: FloatModel, range: Range): readonly (readonly number[])[] {
  const random = fixedRandom(0x7259_6e65);
  const length = elementCount(model.input.shape);
  return Array.from({ length: RANGE_SAMPLES }, () => Array.from({ length }, () => range.lo + (range.hi - range.lo) * random()));
}
