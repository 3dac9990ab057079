/** What a demo finds in the bundles that it leaves. */
import { parseDecision } from "../../policy/index.ts";
import { eventOf, eventsOf, parseBundle } from "../../receipt/index.ts";
import { EMPTY_TRUST, type Trust, verifyBundle } from "../../verify/index.ts";
import { systemClock } from "../system-clock.ts";

/** What a bundle says of its decision. */
export interface BundleDecision {
  /** Paths of the receipt: the first answered, the others confirmed. None of a refusal. */
  readonly legs: readonly string[];
  readonly rule: string;
  readonly why: string;
}

/** Rule and reason of a bundle's decision, and what came of it. */
export function decisionOf(bundle: Uint8Array): BundleDecision {
  const { receipt, blobs } = parseBundle(bundle);
  const legs = eventsOf(receipt, "leg.sealed").map(({ path }) => path);
  const event = eventOf(receipt, "policy.decided");
  const bytes = event === null ? undefined : blobs.get(event.decision_digest);
  if (bytes === undefined) return { legs, rule: "none", why: "refused before policy was asked" };
  const decision = parseDecision(bytes);
  return { legs, rule: decision.ruleIds.join(", "), why: decision.reason };
}

/** Whether the bundle verifies with the trust file, and is refused without it. */
export async function verifies(bundle: Uint8Array, trust: Trust): Promise<boolean> {
  const options = { now: systemClock(), at: null, request: null, response: null, opening: null, allowPending: false };
  const trusted = await verifyBundle(bundle, trust, options);
  const untrusted = await verifyBundle(bundle, EMPTY_TRUST, options);
  return trusted.outcome === "accepted" && untrusted.outcome === "rejected";
}
