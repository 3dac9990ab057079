/** The result document of the paths suite. */
import type { Interval, Percentiles } from "../statistics.ts";
import type { SuiteResult } from "../suite.ts";

/** One way to get a model's answer. */
export interface PathRow {
  readonly variant: string;
  readonly path: "none" | "tee" | "zk" | "fhe";
  /** Whether evidence behind the answer is simulated. */
  readonly simulated: boolean;
  /** Milliseconds of the first call, sessions and caches cold; null where it did not run. */
  readonly firstMs: number | null;
  /** Until the opened answer was in hand; null where it did not run. */
  readonly answeredMs: Percentiles | null;
  /** With the bundle fetched and verified; null where the caller does not. */
  readonly verifiedMs: Percentiles | null;
  /** Median over the median of plain HTTP, of the same rounds. */
  readonly ratio: Interval | null;
  /** Median less the median of plain HTTP, milliseconds. */
  readonly addedMs: Interval | null;
  /** Length of the bundle that an auditor keeps. */
  readonly bundleBytes: number | null;
  /** One verification of that bundle, warm, by the auditor's library. */
  readonly verifyMs: Percentiles | null;
  /** Why there is nothing to show, or null. */
  readonly unavailable: string | null;
}

/** One model on every path. */
export interface PathsModel {
  readonly model: string;
  readonly architecture: string;
  readonly rows: readonly PathRow[];
}

/** The whole result. */
export interface PathsResult extends SuiteResult<"paths", true> {
  readonly models: readonly PathsModel[];
  /** Resident bytes of the programs at the end, at most so far. */
  readonly peakBytes: Readonly<Record<string, number>>;
  readonly ratios: { readonly zk_gateway_over_direct_prove: Readonly<Record<string, Interval>> };
}
