/** The auditor's library. Portable: runs in a browser, offline, with no clock of its own. */
import { defaultAppraisers } from "./appraisers.ts";
import { createBundleVerifier } from "./verify-bundle.ts";

export type { Basis, Check } from "../core/check.ts";
export { EMPTY_TRUST, parseTrust, type Trust, type Waiver } from "../trust/trust-file.ts";
export { verifyChecks } from "./check-table.ts";
export { findReusedLegs, type ReusedLeg } from "./reused-leg.ts";
export type { Claim, Opening, Outcome, Verdict, VerifyOptions } from "./verdict.ts";
export { type BundleVerifier, createBundleVerifier } from "./verify-bundle.ts";

/**
 * Verifies one bundle against a trust file. Never throws on bad bytes, fetches nothing, reads no clock.
 * It does not check that the answer is right where correctness rests on attestation, nor that a shown request was
 * really sent by anyone: the verdict's claims say what is supported, each with its weakest basis.
 */
export const verifyBundle = createBundleVerifier(defaultAppraisers);
