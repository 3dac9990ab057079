/** The result document of the zk suite. */
import type { Interval, Percentiles } from "../statistics.ts";
import type { SuiteResult } from "../suite.ts";

/** One prover on one model. */
export interface ProverRow {
  readonly prover: "rust" | "snarkjs" | "ezkl" | "ezkl-wasm";
  /** Null where it did not run; `unavailable` then says why. */
  readonly proveMs: Percentiles | null;
  readonly verifyMs: Percentiles | null;
  readonly setupMs: number | null;
  readonly proofBytes: number | null;
  readonly provingKeyBytes: number | null;
  /** Largest resident memory of the prover's process. */
  readonly peakBytes: number | null;
  readonly settings: object | null;
  readonly unavailable: string | null;
}

/** One model. */
export interface ZkModelResult {
  readonly model: string;
  readonly architecture: string;
  readonly weights: string;
  /** Weights as constants of the circuit, or private under a commitment. */
  readonly mode: "baked" | "committed";
  readonly rows: number;
  readonly domain: number;
  readonly wires: number;
  readonly publicSignals: number;
  readonly compileMs: number;
  readonly witnessMs: number;
  readonly provers: readonly ProverRow[];
  /** How many times the prover's median time another one's is, over the same rounds: `rust` or `snarkjs`, then the other. */
  readonly ratios: Readonly<Record<string, Interval>>;
}

/** The whole result. */
export interface ZkResult extends SuiteResult<"zk", false> {
  readonly models: readonly ZkModelResult[];
}
