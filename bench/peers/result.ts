/** The result document of the serving suite. */
import type { Ratio } from "../combined.ts";
import type { Interval, Percentiles } from "../statistics.ts";
import type { SuiteResult } from "../suite.ts";

/** One way to have the model served, with one caller and with several. */
export interface ServingRow {
  readonly variant: string;
  readonly simulated: boolean;
  readonly unavailable: string | null;
  readonly answeredMs: Percentiles | null;
  /** Over the bare route's, of the same rounds. */
  readonly ratio: Interval | null;
  readonly levels: readonly ServingLevel[];
}

/** Throughput at one number of callers: blocks of one variant after the other, in rotating order. */
export interface ServingLevel {
  readonly concurrency: number;
  /** Median over blocks. */
  readonly answersPerSecond: number;
  readonly blocks: readonly number[];
  readonly p50Ms: number;
  /** Processor time of the serving processes for one answer. */
  readonly serverCpuMs: number;
}

/** The whole result. */
export interface ServingResult extends SuiteResult<"serving", true> {
  readonly model: string;
  readonly rows: readonly ServingRow[];
  /** Sealed answers per second over another variant's, by number of callers. */
  readonly sealedOver: Readonly<Record<string, Readonly<Record<string, Interval>>>>;
  readonly ratios: {
    readonly tee_sealed_over_mlserver_throughput: Readonly<Record<string, Ratio>>;
    readonly tee_sealed_over_mlserver_p50: Readonly<Record<string, Ratio>>;
  };
}
