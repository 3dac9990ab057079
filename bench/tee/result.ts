/** The result document of the tee suite. */
import type { Interval } from "../statistics.ts";
import type { SuiteResult } from "../suite.ts";
import type { DiskRow } from "./disk.ts";
import type { LatencyRow } from "./latency.ts";
import type { MemoryResult } from "./memory.ts";
import type { StageRow } from "./stages.ts";
import type { ThroughputRow } from "./throughput.ts";
import type { VerificationResult } from "./verification.ts";

/** Times of one model. */
export interface ModelResult {
  readonly model: string;
  readonly title: string;
  readonly requestBytes: number;
  readonly latency: readonly LatencyRow[];
  readonly throughput: readonly ThroughputRow[];
}

/** The whole result. */
export interface TeeResult extends SuiteResult<"tee", true> {
  readonly disks: readonly DiskRow[];
  readonly models: readonly ModelResult[];
  readonly stages: readonly StageRow[];
  readonly verification: VerificationResult | null;
  readonly memory: MemoryResult | null;
  /** Goals of the project, by model: `tee_added_ms` where the bare route takes less than 30 ms, else the ratio of medians. */
  readonly ratios: {
    readonly tee_added_ms: Readonly<Record<string, Readonly<Record<string, Interval>>>>;
    readonly tee_sealed_over_http_p50: Readonly<Record<string, Interval>>;
  };
}
