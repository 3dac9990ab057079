/** Entries of the receipt index on their way into the tables. */
import { type Kysely, sql } from "kysely";
import { acceptedRows } from "./job-table.ts";
import type { IndexEntry } from "./receipt-index.ts";
import type { Tables } from "./schema.ts";

/** Writes entries and how far the tables are now, all or nothing. Of two rows under one key the first stands. */
export async function writeBatch(db: Kysely<Tables>, shard: string, batch: readonly IndexEntry[]): Promise<void> {
  const last = batch.at(-1);
  if (last === undefined) return;
  const jobs = batch.flatMap((entry) => entry.jobs);
  if (jobs.length === 0) {
    await writeRows(db, shard, batch, last);
    return;
  }
  await db.transaction().execute(async (tx) => {
    const rows = tx.insertInto("jobs").values(acceptedRows(shard, jobs));
    await rows.onConflict((conflict) => conflict.doNothing()).execute();
    await writeRows(tx, shard, batch, last);
  });
}

/** One statement of one text, whatever the number of rows: the database plans it in no time, and no parameter is read one by one. */
async function writeRows(db: Kysely<Tables>, shard: string, batch: readonly IndexEntry[], last: IndexEntry): Promise<void> {
  const receipts = batch.flatMap(({ leafIndex, receipt }) => (receipt === null ? [] : [{ ...receipt, leafIndex }]));
  const uses = batch.flatMap(({ keyUse, leafIndex }) => (keyUse === null ? [] : [{ ...keyUse, leafIndex }]));
  const shared = batch.flatMap(({ leafIndex, shared: digest }) => (digest === null ? [] : [{ digest, leafIndex }]));
  await sql`
    with new_receipts as (
      insert into receipts (id, shard, leaf_index, key_hash, tenant, served_at, parent_id)
      select "id", ${shard}::text, "leafIndex", "keyHash", "tenant", "servedAt", "parentId"
      from json_to_recordset(${JSON.stringify(receipts)}::text::json)
        as r("id" text, "leafIndex" bigint, "keyHash" text, "tenant" text, "servedAt" bigint, "parentId" text)
      on conflict do nothing
    ), new_uses as (
      insert into key_uses (key_hash, shard, leaf_index, request_hash)
      select "keyHash", ${shard}::text, "leafIndex", "requestHash"
      from json_to_recordset(${JSON.stringify(uses)}::text::json)
        as r("keyHash" text, "leafIndex" bigint, "requestHash" text)
      on conflict do nothing
    ), new_documents as (
      insert into shared_documents (digest, shard, leaf_index)
      select "digest", ${shard}::text, "leafIndex"
      from json_to_recordset(${JSON.stringify(shared)}::text::json) as r("digest" text, "leafIndex" bigint)
      on conflict do nothing
    )
    insert into shards (shard, size, last_leaf)
    values (${shard}::text, ${last.leafIndex + 1}::bigint, ${last.leafHash}::text)
    on conflict (shard) do update set size = excluded.size, last_leaf = excluded.last_leaf
  `.execute(db);
}
