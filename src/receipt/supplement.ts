/** Supplement receipts: a signed receipt never changes, so what arrives later is a receipt of its own (SPEC.md section 3.7). */
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import { eventOf, type Receipt, receiptDigest, signReceipt } from "./receipt.ts";

/** What a supplement is made of beside its parent. */
export interface SupplementParts {
  readonly receiptId: string;
  /** Final `leg.sealed` events, one for each leg that arrived, in the order of the parent's pending ones. */
  readonly legs: readonly JsonObject[];
  readonly servedAt: UnixSeconds;
}

/**
 * The signed supplement of `parent`. It repeats what the request was and who served it, names its parent by id and digest, and
 * seals the legs. Does not check that the parent awaits them: a verifier does.
 * @param signer the receipt key that signed the parent: both stand under one keyset.
 * @throws TrisealError `INTERNAL` for a parent that another key signed or that has not the two events, `FORMAT_INVALID` for an
 *   event of another form.
 */
export function signSupplement(parent: Receipt, { receiptId, legs, servedAt }: SupplementParts, signer: Signer): Receipt {
  const received = eventOf(parent, "request.received");
  const service = eventOf(parent, "service.described");
  if (received === null || service === null || signer.keyId !== parent.key_id)
    throw new TrisealError("INTERNAL", "a supplement is signed by its parent's key, over its parent's request");
  const continued = { type: "parent", receipt_id: parent.receipt_id, receipt_digest: receiptDigest(parent) };
  return signReceipt(
    {
      receiptId,
      chatId: parent.chat_id,
      model: parent.model,
      keysetDigest: parent.workload_keyset_digest,
      endpoint: parent.endpoint,
      method: parent.method,
      servedAt,
      events: [{ ...received }, { ...service }, continued, ...legs],
    },
    signer,
  );
}
