/** Order statistics, and confidence intervals by bootstrap over rounds. */

/** A median with the bounds of its 95 % confidence interval, from `n` rounds. */
export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** Percentiles of `n` measured times, in milliseconds. */
export interface Percentiles {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** How `Interval`s are made; printed with every result. */
export const INTERVAL_METHOD =
  "95 % percentile bootstrap over rounds, 1000 resamples, fixed seed; a round is one request to every variant";

const RESAMPLES = 1000;

const rounded = (value: number): number => Number(value.toPrecision(5));

/** Quantile `q` (0 to 1) of `values`: the nearest rank. NaN where there are none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

/** Median, 95th and 99th percentile. */
export function percentiles(values: readonly number[]): Percentiles {
  const at = (q: number) => rounded(quantile(values, q));
  return { n: values.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** mulberry32: numbers from 0 to 1 that are the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A statistic of paired rounds with its bootstrap interval. `left[i]` and `right[i]` are of round `i`. */
function bootstrap(
  left: readonly number[],
  right: readonly number[],
  statistic: (left: readonly number[], right: readonly number[]) => number,
): Interval {
  const n = Math.min(left.length, right.length);
  const random = seededRandom(1);
  const resampled = Array.from({ length: RESAMPLES }, () => {
    const places = Array.from({ length: n }, () => Math.floor(random() * n));
    return statistic(
      places.map((place) => left[place] ?? 0),
      places.map((place) => right[place] ?? 0),
    );
  });
  return {
    median: rounded(statistic(left, right)),
    low: rounded(quantile(resampled, 0.025)),
    high: rounded(quantile(resampled, 0.975)),
    n,
  };
}

/** Ratio of the medians of two variants over the same rounds. */
export function ratioOfMedians(measured: readonly number[], base: readonly number[]): Interval {
  return bootstrap(measured, base, (left, right) => quantile(left, 0.5) / quantile(right, 0.5));
}

/** Difference of the medians of two variants over the same rounds. */
export function differenceOfMedians(measured: readonly number[], base: readonly number[]): Interval {
  return bootstrap(measured, base, (left, right) => quantile(left, 0.5) - quantile(right, 0.5));
}
