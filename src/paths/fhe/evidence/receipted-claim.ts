/** The claim that a bundle is about. */
import type { Bundle } from "../../../receipt/bundle.ts";
import { eventsOf } from "../../../receipt/receipt.ts";
import { FHE_CLAIM_TYPE, parseClaim, type SignedClaim } from "../wire/claim.ts";

/** A claim with the receipt that names it. */
export interface BundledClaim extends SignedClaim {
  readonly receiptId: string;
}

/**
 * The claim of a bundle; null where its receipt has none. Verifies nothing: `verifyBundle` does.
 * @throws TrisealError `FORMAT_INVALID` for a claim that cannot be read.
 */
export function claimOfBundle({ receipt, blobs }: Bundle): BundledClaim | null {
  for (const event of eventsOf(receipt, "leg.sealed")) {
    if (event.status !== "final" || event.leg_media_type !== FHE_CLAIM_TYPE) continue;
    const bytes = blobs.get(event.leg_digest);
    if (bytes !== undefined) return { receiptId: receipt.receipt_id, ...parseClaim(bytes) };
  }
  return null;
}
