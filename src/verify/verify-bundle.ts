/** `verifyBundle`: the auditor's question, answered offline. */
import { NOTHING_DISABLED } from "../core/check.ts";
import type { Appraiser } from "../paths/path.ts";
import type { Trust } from "../trust/trust-file.ts";
import { judgeBundle } from "./judge-bundle.ts";
import type { Verdict, VerifyOptions } from "./verdict.ts";

/** Verifies bundles. Never throws on bad bytes, fetches nothing, reads no clock. */
export type BundleVerifier = (bytes: Uint8Array, trust: Trust, options: VerifyOptions) => Promise<Verdict>;

/** A verifier that knows the given paths and makes every check. `verifyBundle` of this folder knows all that Triseal ships. */
export function createBundleVerifier(appraisers: readonly Appraiser[]): BundleVerifier {
  return (bytes, trust, options) => judgeBundle(appraisers, bytes, trust, options, NOTHING_DISABLED);
}
