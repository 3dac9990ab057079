/** Latency at concurrency 1: rounds of one request to every variant, in rotating order. */
import { differenceOfMedians, type Interval, type Percentiles, percentiles, ratioOfMedians } from "../statistics.ts";
import type { Caller, Timed } from "./caller.ts";
import type { Workload } from "./workload.ts";

/** A way to get the same answer. */
export interface Variant {
  readonly name: string;
  readonly call: Caller;
  /** Processes that serve it. */
  readonly servers?: readonly number[];
}

/** What one variant took. */
export interface LatencyRow {
  readonly variant: string;
  readonly simulated: true;
  readonly answeredMs: Percentiles;
  /** With the bundle fetched and verified; null where the caller does not. */
  readonly verifiedMs: Percentiles | null;
  /** Median less the first variant's, of the same rounds; null for the first. */
  readonly addedMs: Interval | null;
  /** Median over the first variant's; null for the first. */
  readonly ratio: Interval | null;
}

/** Times of one workload, and the last bundle that was seen. */
export interface Latency {
  readonly rows: readonly LatencyRow[];
  readonly bundle: Uint8Array | null;
}

/** Rounds before the first that counts, at least. */
const LEAST_WARM_ROUNDS = 2;
const LEAST_ROUNDS = 5;

function row(variant: string, times: readonly Timed[], base: readonly Timed[] | null): LatencyRow {
  const answered = times.map((timed) => timed.answered);
  const verified = times.flatMap((timed) => timed.verified ?? []);
  const baseline = base?.map((timed) => timed.answered);
  return {
    variant,
    simulated: true,
    answeredMs: percentiles(answered),
    verifiedMs: verified.length === 0 ? null : percentiles(verified),
    addedMs: baseline === undefined ? null : differenceOfMedians(answered, baseline),
    ratio: baseline === undefined ? null : ratioOfMedians(answered, baseline),
  };
}

/** Measures `variants` on a workload for `seconds`, after `warmSeconds` that do not count; the first variant is the baseline. */
export async function measureLatency(
  workload: Workload,
  variants: readonly Variant[],
  seconds: number,
  warmSeconds: number,
): Promise<Latency> {
  const times = variants.map((): Timed[] => []);
  let bundle: Uint8Array | null = null;
  const round = async (index: number, keep: boolean) => {
    const inputs = workload.inputs[index % workload.inputs.length] ?? [];
    for (let step = 0; step < variants.length; step++) {
      const place = (index + step) % variants.length;
      const timed = await variants[place]?.call(workload.name, inputs);
      if (timed === undefined || !keep) continue;
      times[place]?.push({ ...timed, bundle: null });
      bundle = timed.bundle ?? bundle;
    }
  };
  // A gateway that runs for days is compiled; in its first few hundred answers it is not.
  const warm = performance.now() + warmSeconds * 1000;
  for (let index = 0; index < LEAST_WARM_ROUNDS || performance.now() < warm; index++) await round(index, false);
  const end = performance.now() + seconds * 1000;
  for (let index = 0; index < LEAST_ROUNDS || performance.now() < end; index++) await round(index, true);
  const rows = variants.map(({ name }, place) => row(name, times[place] ?? [], place === 0 ? null : (times[0] ?? [])));
  return { rows, bundle };
}
