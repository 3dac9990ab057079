/** Across bundles: one leg answers one request. Two receipts with one leg are a gateway that receipted an answer twice. */
import { parseBundle } from "../receipt/bundle.ts";
import { eventOf, eventsOf, type Receipt, receiptDigest } from "../receipt/receipt.ts";

/** A leg that stands in the receipts of two bundles, or two legs under one decision. */
export interface ReusedLeg {
  readonly legDigest: string;
  readonly receiptIds: readonly [string, string];
}

/**
 * What no two answers have in common: the leg, and the decision, whose nonce is of one exchange. A leg alone does not tell: whoever
 * has a proof can make another one of the same statement.
 */
function namesOf(receipt: Receipt, supplements: readonly Receipt[]): readonly (readonly [name: string, legDigest: string])[] {
  const legs = [receipt, ...supplements]
    .flatMap((one) => eventsOf(one, "leg.sealed"))
    .flatMap((leg) => (leg.status === "final" ? [leg.leg_digest] : []));
  const decision = eventOf(receipt, "policy.decided")?.decision_digest;
  const [first] = legs;
  const decided = decision === undefined || first === undefined ? [] : [[`decision ${decision}`, first] as const];
  return [...legs.map((leg) => [leg, leg] as const), ...decided];
}

/**
 * Legs that stand in several receipts of a set of accepted bundles, and those of several receipts under one decision; the same
 * receipt given twice is no reuse. A single bundle cannot show this.
 * @throws TrisealError `FORMAT_INVALID` where one of them is no bundle.
 */
export function findReusedLegs(bundles: readonly Uint8Array[]): readonly ReusedLeg[] {
  const first = new Map<string, Receipt>();
  const reused = new Map<string, ReusedLeg>();
  for (const bytes of bundles) {
    const { receipt, supplements } = parseBundle(bytes);
    const own = receiptDigest(receipt);
    for (const [name, legDigest] of namesOf(receipt, supplements)) {
      const other = first.get(name) ?? receipt;
      // By digest: a gateway could give two receipts one id.
      const before = receiptDigest(other);
      if (before !== own)
        reused.set(`${before} ${own} ${legDigest}`, { legDigest, receiptIds: [other.receipt_id, receipt.receipt_id] });
      first.set(name, other);
    }
  }
  return [...reused.values()];
}
