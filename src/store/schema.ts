/** Tables of the store. Everything but `jobs` progress can be made again from log and records (`triseal store rebuild`). */
import type { ColumnType } from "kysely";

/** `bigint` arrives as text from PostgreSQL and as a number from PGlite; readers convert it. */
type Int8 = ColumnType<number | string, number, number>;

/** Receipts by id. */
export interface ReceiptTable {
  id: string;
  shard: string;
  leaf_index: Int8;
  /** SHA-256 of the API key that made the request, 64 hexadecimal digits. */
  key_hash: string;
  tenant: string;
  /** Seconds since the epoch. */
  served_at: Int8;
  /** The receipt that a supplement continues; null for all others. */
  parent_id: string | null;
}

/** Idempotency keys that a receipt used up, by their hash. */
export interface KeyUseTable {
  key_hash: string;
  shard: string;
  leaf_index: Int8;
  request_hash: string;
}

/** Logged documents that receipts share. */
export interface SharedDocumentTable {
  digest: string;
  shard: string;
  leaf_index: Int8;
}

/** How far a log is in the tables. */
export interface ShardTable {
  /** Origin of the log. */
  shard: string;
  /** Leaves that are in the tables: all below this number. */
  size: Int8;
  /** Hash of leaf `size - 1`, 64 hexadecimal digits; empty for size 0. Another log of the same name has another. */
  last_leaf: string;
}

/** Jobs by id. */
export interface JobTable {
  id: string;
  shard: string;
  tenant: string;
  key_hash: string;
  path: string;
  model: string;
  /** One of `JOB_STATES`. */
  state: string;
  /** From 0 to 1. */
  progress: number;
  /** What the job does now, in a few words of the path. */
  stage: string;
  accepted_at: Int8;
  deadline_at: Int8;
  finished_at: Int8 | null;
  /** Leaf of the `request.accepted` document, or of the receipt that awaits a leg; its record holds the encrypted request. */
  leaf_index: Int8;
  /** Id that the receipt, or the supplement, has or will have. */
  receipt_id: string;
  /** The receipt that awaits a leg of this job; null for a request that is answered later. */
  parent_id: string | null;
  /** Code of a refusal; null for an answer, and while the job goes on. */
  code: string | null;
  attempts: number;
}

/** How far a log is in the tables of the state. */
export interface StateMarkTable {
  shard: string;
  /** Leaves whose changes are in the tables: all below this number. Some above may be, too. */
  size: Int8;
}

/** Accounts by tenant and name: what each is now. */
export interface StateAccountTable {
  shard: string;
  tenant: string;
  name: string;
  /** The logged document, in JCS form. */
  document: string;
  /** Writes so far. */
  version: Int8;
  /** End of the chain of writes, 64 hexadecimal digits. */
  head: string;
  /** The value that the account holds, 64 hexadecimal digits; null before the first write, and for one in the clear. */
  handle: string | null;
  /** SHA-256 of that value's bytes, 64 hexadecimal digits. */
  digest: string | null;
  /** A value in the clear. */
  clear: string | null;
}

/** Values by their id: what each denotes, and who may use it. */
export interface StateValueTable {
  shard: string;
  tenant: string;
  id: string;
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  digest: string;
  /** What the path keeps of it, in JCS form. */
  document: string;
}

/** Inputs that were used, and may not be again, by their digest. */
export interface StateInputTable {
  shard: string;
  digest: string;
}

/** All tables. */
export interface Tables {
  receipts: ReceiptTable;
  key_uses: KeyUseTable;
  shared_documents: SharedDocumentTable;
  shards: ShardTable;
  jobs: JobTable;
  state_marks: StateMarkTable;
  state_accounts: StateAccountTable;
  state_values: StateValueTable;
  state_inputs: StateInputTable;
}
