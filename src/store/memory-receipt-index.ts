/** The index of a log that is opened for a moment, without a database. */
import type { IndexEntry, IndexedReceipt, KeyUse, ListedReceipt, ReceiptIndex, ReceiptListing } from "./receipt-index.ts";

/** Keeps every entry. */
export class MemoryReceiptIndex implements ReceiptIndex {
  private readonly entries: IndexEntry[] = [];

  get size(): number {
    return this.entries.length;
  }

  add(entry: IndexEntry): void {
    if (entry.leafIndex !== this.size) throw new RangeError(`leaf ${entry.leafIndex} after ${this.size} leaves`);
    this.entries.push(entry);
  }

  receipt(id: string): Promise<IndexedReceipt | null> {
    const entry = this.entries.find(({ receipt }) => receipt?.id === id);
    const keyHash = entry?.receipt?.keyHash;
    return Promise.resolve(entry === undefined || keyHash === undefined ? null : { leafIndex: entry.leafIndex, keyHash });
  }

  supplements(parentId: string): Promise<readonly number[]> {
    return Promise.resolve(this.entries.flatMap(({ leafIndex, receipt }) => (receipt?.parentId === parentId ? [leafIndex] : [])));
  }

  keyUse(keyHash: string): Promise<KeyUse | null> {
    const entry = this.entries.find((known) => known.keyUse?.keyHash === keyHash);
    const use = entry?.keyUse ?? null;
    return Promise.resolve(
      entry === undefined || use === null ? null : { leafIndex: entry.leafIndex, requestHash: use.requestHash },
    );
  }

  sharedLeaf(document: string): Promise<number | null> {
    return Promise.resolve(this.entries.find(({ shared }) => shared === document)?.leafIndex ?? null);
  }

  list({ keyHash, from, to, after, limit }: ReceiptListing): Promise<readonly ListedReceipt[]> {
    const listed = this.entries.flatMap(({ leafIndex, receipt }) =>
      receipt?.keyHash === keyHash && receipt.parentId === null
        ? [{ id: receipt.id, leafIndex, servedAt: receipt.servedAt }]
        : [],
    );
    const within = listed.filter(({ leafIndex, servedAt }) => leafIndex > after && servedAt >= from && servedAt <= to);
    return Promise.resolve(within.slice(0, limit));
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}
