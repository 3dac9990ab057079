/** The end of an index that its database does not have yet. */
import type { Sha256Digest } from "../core/digest.ts";
import type { IndexEntry, IndexedReceipt, KeyUse } from "./receipt-index.ts";

/** Entries by what they are asked for. Of two uses of one key, and two leaves of one document, the first stands. */
export class IndexTail {
  private readonly receipts = new Map<string, IndexedReceipt>();
  private readonly keyUses = new Map<string, KeyUse>();
  /** Leaves of supplements by the receipt that they continue. */
  private readonly supplemented = new Map<string, readonly number[]>();
  private readonly shared = new Map<Sha256Digest, number>();

  add({ leafIndex, shared, receipt, keyUse }: IndexEntry): void {
    if (shared !== null && !this.shared.has(shared)) this.shared.set(shared, leafIndex);
    if (receipt !== null) this.receipts.set(receipt.id, { leafIndex, keyHash: receipt.keyHash });
    if (receipt?.parentId != null) this.supplemented.set(receipt.parentId, [...this.supplements(receipt.parentId), leafIndex]);
    if (keyUse !== null && !this.keyUses.has(keyUse.keyHash))
      this.keyUses.set(keyUse.keyHash, { leafIndex, requestHash: keyUse.requestHash });
  }

  /** Forgets an entry that the database has. A later entry of the same key or document goes with it: it never counted. */
  forget({ leafIndex, shared, receipt, keyUse }: IndexEntry): void {
    if (shared !== null) this.shared.delete(shared);
    if (receipt !== null) this.receipts.delete(receipt.id);
    if (receipt?.parentId != null) this.forgetSupplement(receipt.parentId, leafIndex);
    if (keyUse !== null) this.keyUses.delete(keyUse.keyHash);
  }

  receipt(id: string): IndexedReceipt | null {
    return this.receipts.get(id) ?? null;
  }

  supplements(parentId: string): readonly number[] {
    return this.supplemented.get(parentId) ?? [];
  }

  keyUse(keyHash: string): KeyUse | null {
    return this.keyUses.get(keyHash) ?? null;
  }

  sharedLeaf(document: Sha256Digest): number | null {
    return this.shared.get(document) ?? null;
  }

  private forgetSupplement(parentId: string, leafIndex: number): void {
    const left = this.supplements(parentId).filter((leaf) => leaf !== leafIndex);
    if (left.length === 0) this.supplemented.delete(parentId);
    else this.supplemented.set(parentId, left);
  }
}
