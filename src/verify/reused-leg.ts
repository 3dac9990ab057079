/** Across bundles: one leg answers one request. Two receipts with one leg are a gateway that receipted an answer twice. */
import { parseBundle } from "../receipt/bundle.ts";
import { eventsOf } from "../receipt/receipt.ts";

/** A leg that stands in the receipts of two bundles. */
export interface ReusedLeg {
  readonly legDigest: string;
  readonly receiptIds: readonly [string, string];
}

/**
 * Legs that stand in several receipts of a set of accepted bundles; the same receipt given twice is no reuse. A single
 * bundle cannot show this.
 * @throws TrisealError `FORMAT_INVALID` where one of them is no bundle.
 */
export function findReusedLegs(bundles: readonly Uint8Array[]): readonly ReusedLeg[] {
  const first = new Map<string, string>();
  const reused: ReusedLeg[] = [];
  for (const bytes of bundles) {
    const { receipt, supplements } = parseBundle(bytes);
    for (const leg of [receipt, ...supplements].flatMap((one) => eventsOf(one, "leg.sealed"))) {
      if (leg.status !== "final") continue;
      const { leg_digest: legDigest } = leg;
      const other = first.get(legDigest) ?? receipt.receipt_id;
      if (other !== receipt.receipt_id) reused.push({ legDigest, receiptIds: [other, receipt.receipt_id] });
      first.set(legDigest, other);
    }
  }
  return reused;
}
