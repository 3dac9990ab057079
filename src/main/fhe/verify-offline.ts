/** Verifies bundles of encrypted runs where nothing of their exchanges is at hand. */
import { type Trust, type Verdict, type VerifyOptions, verifyBundle } from "../../verify/index.ts";
import { systemClock } from "../system-clock.ts";

/** The verdict on a bundle as of now. @param programs what programs compute, where that was found out here. */
export function verifyOffline(
  bundle: Uint8Array,
  trust: Trust,
  programs: NonNullable<VerifyOptions["programs"]> = new Map(),
): Promise<Verdict> {
  const nothing = { at: null, request: null, response: null, opening: null, allowPending: false };
  return verifyBundle(bundle, trust, { now: systemClock(), ...nothing, programs });
}
