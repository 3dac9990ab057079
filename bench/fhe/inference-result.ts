/** The result document of the fhe-inference suite. */
import type { Ratio } from "../combined.ts";
import type { Interval, Percentiles } from "../statistics.ts";
import type { SuiteResult } from "../suite.ts";

/** One system on one model. Times are null where it could not be run. */
export interface InferenceRow {
  readonly system: string;
  readonly unavailable: string | null;
  /** Share of held-back rows that its integer model puts into their class. */
  readonly accuracy: number | null;
  readonly evaluateMs: Percentiles | null;
  readonly encryptMs: Percentiles | null;
  readonly decryptMs: Percentiles | null;
  readonly bootstraps: number | null;
  readonly keygenMs: number | null;
  readonly evaluationKeyBytes: number | null;
  readonly inputBytes: number | null;
  /** Answers, of all that were decrypted, other than the system's own model gives in the clear. */
  readonly wrong: number | null;
  /** What else the system says of itself. */
  readonly about: Readonly<Record<string, unknown>>;
}

/** One model. */
export interface InferenceModel {
  readonly model: string;
  readonly heldBack: number;
  readonly rows: readonly InferenceRow[];
  /** The system of another that ours is held against: the fastest that is at least as accurate, or else the most accurate. */
  readonly against: string | null;
  /** Times as fast as each other system: evaluation on the server, and with encryption and decryption. */
  readonly evaluation: Readonly<Record<string, Interval>>;
  readonly roundTrip: Readonly<Record<string, Interval>>;
}

/** The whole result. */
export interface InferenceResult extends SuiteResult<"fhe-inference", false> {
  readonly models: readonly InferenceModel[];
  readonly ratios: { readonly concrete_ml_over_fhe: Readonly<Record<string, Ratio>> };
}
