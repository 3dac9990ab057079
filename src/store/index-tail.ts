/** The end of an index that its database does not have yet. */
import type { Sha256Digest } from "../core/digest.ts";
import type { IndexEntry, IndexedReceipt, KeyUse } from "./receipt-index.ts";

/** Entries by what they are asked for. Of two uses of one key, and two leaves of one document, the first stands. */
export class IndexTail {
  private readonly receipts = new Map<string, IndexedReceipt>();
  private readonly keyUses = new Map<string, KeyUse>();
  private readonly shared = new Map<Sha256Digest, number>();

  add({ leafIndex, shared, receipt, keyUse }: IndexEntry): void {
    if (shared !== null && !this.shared.has(shared)) this.shared.set(shared, leafIndex);
    if (receipt !== null) this.receipts.set(receipt.id, { leafIndex, keyHash: receipt.keyHash });
    if (keyUse !== null && !this.keyUses.has(keyUse.keyHash))
      this.keyUses.set(keyUse.keyHash, { leafIndex, requestHash: keyUse.requestHash });
  }

  /** Forgets an entry that the database has. A later entry of the same key or document goes with it: it never counted. */
  forget({ shared, receipt, keyUse }: IndexEntry): void {
    if (shared !== null) this.shared.delete(shared);
    if (receipt !== null) this.receipts.delete(receipt.id);
    if (keyUse !== null) this.keyUses.delete(keyUse.keyHash);
  }

  receipt(id: string): IndexedReceipt | null {
    return this.receipts.get(id) ?? null;
  }

  keyUse(keyHash: string): KeyUse | null {
    return this.keyUses.get(keyHash) ?? null;
  }

  sharedLeaf(document: Sha256Digest): number | null {
    return this.shared.get(document) ?? null;
  }
}
