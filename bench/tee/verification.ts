/** Verification of one tee bundle by the auditor's library, cold and warm. */
import { unixSeconds } from "../../src/core/index.ts";
import type { Trust } from "../../src/trust/index.ts";
import { verifyBundle } from "../../src/verify/index.ts";
import { type Percentiles, percentiles } from "../statistics.ts";

/** What verifying took. */
export interface VerificationResult {
  readonly simulated: true;
  readonly bundleBytes: number;
  readonly outcome: string;
  readonly warmMs: Percentiles;
}

/** Verifies `bundle` `runs` times after as many that do not count. @throws Error where it is not accepted. */
export async function measureVerification(bundle: Uint8Array, trust: Trust, runs: number): Promise<VerificationResult> {
  const times: number[] = [];
  let outcome = "";
  for (let index = 0; index < 2 * runs; index++) {
    const now = unixSeconds(Math.floor(Date.now() / 1000));
    const begun = performance.now();
    const verdict = await verifyBundle(bundle, trust, {
      now,
      at: null,
      request: null,
      response: null,
      opening: null,
      allowPending: false,
    });
    if (index >= runs) times.push(performance.now() - begun);
    outcome = verdict.outcome;
  }
  if (outcome !== "accepted") throw new Error(`the bundle was not accepted: ${outcome}`);
  return { simulated: true, bundleBytes: bundle.length, outcome, warmMs: percentiles(times) };
}
