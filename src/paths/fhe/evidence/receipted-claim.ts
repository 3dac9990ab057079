/** The claim that a bundle is about. */
import { digestFromHex } from "../../../core/digest.ts";
import type { Bundle } from "../../../receipt/bundle.ts";
import { eventsOf } from "../../../receipt/receipt.ts";
import { type AccountDocument, parseAccount } from "../wire/account.ts";
import { type Claim, FHE_CLAIM_TYPE, parseClaim, type SignedClaim } from "../wire/claim.ts";
import { firstWrites } from "./state-checks.ts";

/** A claim with the receipt that names it. */
export interface ReceiptedClaim {
  readonly receiptId: string;
  readonly claim: Claim;
  /** Documents of accounts that it writes for the first time, as far as the bundle has them. */
  readonly opened: readonly AccountDocument[];
}

/**
 * The claim of a bundle; null where its receipt has none. Verifies nothing: `verifyBundle` does.
 * @throws TrisealError `FORMAT_INVALID` for a claim, or an account's document, that cannot be read.
 */
export function claimOfBundle({ receipt, blobs }: Bundle): (ReceiptedClaim & SignedClaim) | null {
  for (const event of eventsOf(receipt, "leg.sealed")) {
    if (event.status !== "final" || event.leg_media_type !== FHE_CLAIM_TYPE) continue;
    const bytes = blobs.get(event.leg_digest);
    if (bytes === undefined) continue;
    const signed = parseClaim(bytes);
    const opened = firstWrites(signed.claim).flatMap(({ prevHead }) => {
      const document = blobs.get(digestFromHex(prevHead));
      return document === undefined ? [] : [parseAccount(document)];
    });
    return { receiptId: receipt.receipt_id, opened, ...signed };
  }
  return null;
}
