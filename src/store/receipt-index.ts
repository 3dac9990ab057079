/** Where receipts, used idempotency keys and shared documents stand in the log. The log is the truth; an index can be made again. */
import type { Sha256Digest } from "../core/digest.ts";
import type { AcceptedJob } from "./job-table.ts";

/** A receipt's place, and whose it is. */
export interface IndexedReceipt {
  readonly leafIndex: number;
  /** SHA-256 of the API key that made the request, 64 hexadecimal digits. */
  readonly keyHash: string;
}

/** The place where an `Idempotency-Key` was used up. */
export interface KeyUse {
  /** The leaf of the receipt or of the accepted job. */
  readonly leafIndex: number;
  /** Hash of the request that used it, 64 hexadecimal digits. */
  readonly requestHash: string;
}

/** What is kept of one leaf. */
export interface IndexEntry {
  readonly leafIndex: number;
  /** Hash of the leaf, 64 hexadecimal digits. */
  readonly leafHash: string;
  /** Digest of a document that receipts share; null for a receipt's leaf and for one whose record was deleted. */
  readonly shared: Sha256Digest | null;
  readonly receipt: {
    readonly id: string;
    readonly keyHash: string;
    readonly tenant: string;
    /** Seconds since the epoch. */
    readonly servedAt: number;
    /** The receipt that this one continues, of a supplement. */
    readonly parentId: string | null;
  } | null;
  /** Jobs that were accepted with this leaf. */
  readonly jobs: readonly AcceptedJob[];
  /** Hash of the idempotency key that a receipt or an accepted job used up, and of the request; 64 hexadecimal digits each. */
  readonly keyUse: { readonly keyHash: string; readonly requestHash: string } | null;
}

/** One line of a list of receipts. */
export interface ListedReceipt {
  readonly id: string;
  readonly leafIndex: number;
  /** Seconds since the epoch, as the operator asserts it. */
  readonly servedAt: number;
}

/** Which receipts are listed: those of one API key, oldest first. Supplements stand in no list: they belong to their parents. */
export interface ReceiptListing {
  readonly keyHash: string;
  /** Seconds since the epoch, both included. */
  readonly from: number;
  readonly to: number;
  /** Leaf of the last receipt of the page before; -1 for the first page. Receipts are in the order of their leaves. */
  readonly after: number;
  readonly limit: number;
}

/** An index over one log. Reads see every entry that was added before. */
export interface ReceiptIndex {
  /** Leaves that are in the index: all below this number. */
  readonly size: number;
  /** Takes the entry of the next leaf; it is written behind. Entries come in the order of their leaves. */
  add(entry: IndexEntry): void;
  receipt(id: string): Promise<IndexedReceipt | null>;
  /** Leaves of the supplements that continue a receipt, in their order. */
  supplements(parentId: string): Promise<readonly number[]>;
  /** The first use of a key, whatever was logged later. */
  keyUse(keyHash: string): Promise<KeyUse | null>;
  sharedLeaf(document: Sha256Digest): Promise<number | null>;
  list(listing: ReceiptListing): Promise<readonly ListedReceipt[]>;
  /** Resolves when all that was added is written. @throws TrisealError `STORE_UNAVAILABLE`. */
  flush(): Promise<void>;
}
