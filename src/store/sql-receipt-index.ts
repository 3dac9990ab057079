/** The receipt index in the store's tables, written behind the log: what is not written yet is answered from memory. */
import type { Kysely } from "kysely";
import type { Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { answered, unavailable } from "./answered.ts";
import { IndexTail } from "./index-tail.ts";
import { KeyFilter } from "./key-filter.ts";
import type { IndexEntry, IndexedReceipt, KeyUse, ListedReceipt, ReceiptIndex, ReceiptListing } from "./receipt-index.ts";
import type { Tables } from "./schema.ts";
import { writeBatch } from "./write-batch.ts";

/** Entries that one statement writes at most. */
const BATCH = 500;
/**
 * How long entries are gathered before they are written, in milliseconds: a statement costs the embedded database about as
 * much for one entry as for a hundred. Reads see what waits, and after a crash the log has it.
 */
const GATHER_MS = 1000;
/** Places of shared documents that are kept in memory: reports, policies and sessions that are in use. */
const MAX_SHARED_KEPT = 1024;
/** Wait before a batch that failed is tried again, in milliseconds. */
const RETRY_MS = 1000;
/** Entries that may wait for a database that does not answer, before the index says that it has a problem. */
const MAX_WAITING = 20_000;
/** Key hashes that are read at once to fill the filter. */
const PAGE = 10_000;

/** The log that an index belongs to. */
export interface IndexedLog {
  readonly origin: string;
  readonly size: number;
  /** Hash of a leaf, 64 hexadecimal digits. */
  leafHashAt(index: number): string;
}

/** The index of one log. */
export class SqlReceiptIndex implements ReceiptIndex {
  private readonly shard: string;
  private readonly filter: KeyFilter;
  /** Null while the database of a new log is being opened: everything is in memory then. */
  private db: Kysely<Tables> | null = null;
  private end: number;
  private waiting: IndexEntry[] = [];
  private readonly tail = new IndexTail();
  private writing: Promise<void> | null = null;
  private gathering: NodeJS.Timeout | null = null;
  /** Leaves that somebody waits for: entries below this number are not gathered any longer. */
  private awaited = 0;
  /** A document's first leaf never changes. */
  private readonly sharedLeaves = new Map<Sha256Digest, number>();
  private failing: TrisealError | null = null;
  private closed = false;

  private constructor(shard: string, size: number, filter: KeyFilter) {
    this.shard = shard;
    this.end = size;
    this.filter = filter;
  }

  /**
   * Opens the index of a log; it may be behind the log, and whoever opens it adds what is missing.
   * The index of an empty log answers before its database is open.
   * @throws TrisealError `STORE_FOREIGN` where the tables know leaves that are not this log's; `STORE_UNAVAILABLE`.
   */
  static async open(database: Promise<Kysely<Tables>>, log: IndexedLog): Promise<SqlReceiptIndex> {
    if (log.size > 0) return SqlReceiptIndex.read(await database, log);
    const index = new SqlReceiptIndex(log.origin, 0, new KeyFilter());
    const empty = { origin: log.origin, size: 0, leafHashAt: (leaf: number) => log.leafHashAt(leaf) };
    index.writing = database
      .then(async (db) => {
        await readSize(db, empty);
        index.db = db;
      })
      .catch((cause: unknown) => {
        index.failing = cause instanceof TrisealError ? cause : unavailable(cause);
        index.closed = true;
      })
      .then(() => index.write());
    return index;
  }

  private static async read(db: Kysely<Tables>, log: IndexedLog): Promise<SqlReceiptIndex> {
    const size = await readSize(db, log);
    const index = new SqlReceiptIndex(log.origin, size, await answered(readFilter(db, log.origin)));
    index.db = db;
    return index;
  }

  get size(): number {
    return this.end;
  }

  add(entry: IndexEntry): void {
    if (entry.leafIndex !== this.end) throw new RangeError(`leaf ${entry.leafIndex} after ${this.end} leaves`);
    this.end++;
    this.tail.add(entry);
    if (entry.keyUse !== null) this.filter.add(entry.keyUse.keyHash);
    this.waiting.push(entry);
    // Whoever takes jobs reads them from the tables.
    if (entry.jobs.length > 0) this.awaited = this.end;
    this.schedule();
  }

  problem(): TrisealError | null {
    return this.closed || this.waiting.length >= MAX_WAITING ? this.failing : null;
  }

  async receipt(id: string): Promise<IndexedReceipt | null> {
    const known = this.tail.receipt(id);
    if (known !== null || this.db === null) return known;
    const rows = this.db.selectFrom("receipts").select(["leaf_index", "key_hash"]);
    const row = await answered(rows.where("id", "=", id).where("shard", "=", this.shard).executeTakeFirst());
    return row === undefined ? null : { leafIndex: Number(row.leaf_index), keyHash: row.key_hash };
  }

  async supplements(parentId: string): Promise<readonly number[]> {
    // Memory first: what is written meanwhile is then in both, and in order and once all the same.
    const recent = this.tail.supplements(parentId);
    if (this.db === null) return recent;
    const rows = this.db.selectFrom("receipts").select("leaf_index").where("parent_id", "=", parentId);
    const written = await answered(rows.where("shard", "=", this.shard).execute());
    return [...new Set([...written.map(({ leaf_index }) => Number(leaf_index)), ...recent])].sort((left, right) => left - right);
  }

  async keyUse(keyHash: string): Promise<KeyUse | null> {
    if (!this.filter.mayHave(keyHash)) return null;
    const recent = this.tail.keyUse(keyHash);
    if (this.db === null) return recent;
    const rows = this.db.selectFrom("key_uses").select(["leaf_index", "request_hash"]);
    const row = await answered(rows.where("key_hash", "=", keyHash).where("shard", "=", this.shard).executeTakeFirst());
    // What is written is older than what waits, and the first use stands.
    return row === undefined ? recent : { leafIndex: Number(row.leaf_index), requestHash: row.request_hash };
  }

  async sharedLeaf(document: Sha256Digest): Promise<number | null> {
    const known = this.sharedLeaves.get(document);
    if (known !== undefined) return known;
    const found = await this.findShared(document);
    if (this.sharedLeaves.size >= MAX_SHARED_KEPT) this.sharedLeaves.clear();
    if (found !== null) this.sharedLeaves.set(document, found);
    return found;
  }

  private async findShared(document: Sha256Digest): Promise<number | null> {
    const recent = this.tail.sharedLeaf(document);
    if (this.db === null) return recent;
    const rows = this.db.selectFrom("shared_documents").select("leaf_index").where("digest", "=", document);
    const row = await answered(rows.where("shard", "=", this.shard).executeTakeFirst());
    return row === undefined ? recent : Number(row.leaf_index);
  }

  async list({ keyHash, from, to, after, limit }: ReceiptListing): Promise<readonly ListedReceipt[]> {
    await this.flush();
    if (this.db === null) return [];
    const rows = this.db.selectFrom("receipts").select(["id", "leaf_index", "served_at"]);
    const mine = rows.where("shard", "=", this.shard).where("key_hash", "=", keyHash).where("leaf_index", ">", after);
    const within = mine
      .where("parent_id", "is", null)
      .where("served_at", ">=", from)
      .where("served_at", "<=", to)
      .orderBy("leaf_index")
      .limit(limit);
    return (await answered(within.execute())).map(({ id, leaf_index, served_at }) => ({
      id,
      leafIndex: Number(leaf_index),
      servedAt: Number(served_at),
    }));
  }

  async flush(): Promise<void> {
    const wanted = this.end;
    this.awaited = wanted;
    while (this.written < wanted) {
      if (this.failing !== null) throw this.failing;
      this.schedule();
      await Promise.race([this.writing, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
    }
  }

  /** Writes what waits, if the database answers, and nothing more. */
  async close(): Promise<void> {
    await this.flush().catch(() => undefined);
    this.closed = true;
    if (this.gathering !== null) clearTimeout(this.gathering);
  }

  /** Leaves that the tables have: all below this number. */
  private get written(): number {
    return this.end - this.waiting.length;
  }

  private get isDue(): boolean {
    return this.waiting.length >= BATCH || this.written < this.awaited;
  }

  /** Has what waits written: now where it is due, else when it has been gathered for a while. */
  private schedule(): void {
    if (this.writing !== null || this.waiting.length === 0) return;
    if (this.isDue) this.begin();
    else this.gathering ??= setTimeout(() => this.begin(), GATHER_MS).unref();
  }

  private begin(): void {
    if (this.gathering !== null) clearTimeout(this.gathering);
    this.gathering = null;
    this.writing ??= this.write();
  }

  /** Writes a batch, and more while more is due; waits and repeats where the database does not answer. */
  private async write(): Promise<void> {
    await Promise.resolve();
    while (this.db !== null && this.waiting.length > 0 && !this.closed) {
      const batch = this.waiting.slice(0, BATCH);
      try {
        await writeBatch(this.db, this.shard, batch);
        this.failing = null;
        this.waiting = this.waiting.slice(batch.length);
        for (const entry of batch) this.tail.forget(entry);
        if (!this.isDue) break;
      } catch (cause) {
        this.failing = unavailable(cause);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
    this.writing = null;
    if (!this.closed) this.schedule();
  }
}

/** Leaves of the log that the tables know. @throws TrisealError `STORE_FOREIGN`, `STORE_UNAVAILABLE`. */
async function readSize(db: Kysely<Tables>, log: IndexedLog): Promise<number> {
  const shards = db.selectFrom("shards").select(["size", "last_leaf"]).where("shard", "=", log.origin);
  const row = await answered(shards.executeTakeFirst());
  const size = Number(row?.size ?? 0);
  if (size > log.size || (size > 0 && log.leafHashAt(size - 1) !== row?.last_leaf))
    throw new TrisealError("STORE_FOREIGN", `the store has ${size} leaves of \`${log.origin}\` that are not this log's`);
  return size;
}

async function readFilter(db: Kysely<Tables>, shard: string): Promise<KeyFilter> {
  const filter = new KeyFilter();
  for (let after = ""; ; ) {
    const page = await db
      .selectFrom("key_uses")
      .select("key_hash")
      .where("shard", "=", shard)
      .where("key_hash", ">", after)
      .orderBy("key_hash")
      .limit(PAGE)
      .execute();
    for (const { key_hash } of page) filter.add(key_hash);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return filter;
    after = last.key_hash;
  }
}
