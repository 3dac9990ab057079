/** Migrations, in order. One that was released is never edited: a change is a further one. */
import { type Kysely, type Migration, Migrator, sql } from "kysely";
import { TrisealError } from "../core/errors.ts";
import type { Tables } from "./schema.ts";

const migrations: Readonly<Record<string, Migration>> = {
  "0001-receipts-and-jobs": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("shards")
        .addColumn("shard", "text", (column) => column.primaryKey())
        .addColumn("size", "bigint", (column) => column.notNull())
        .addColumn("last_leaf", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("receipts")
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("leaf_index", "bigint", (column) => column.notNull())
        .addColumn("key_hash", "text", (column) => column.notNull())
        .addColumn("tenant", "text", (column) => column.notNull())
        .addColumn("served_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("receipts_key", ["shard", "id"])
        .execute();
      await db.schema.createIndex("receipts_by_key").on("receipts").columns(["shard", "key_hash", "leaf_index"]).execute();
      await db.schema
        .createTable("key_uses")
        .addColumn("key_hash", "text", (column) => column.notNull())
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("leaf_index", "bigint", (column) => column.notNull())
        .addColumn("request_hash", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("key_uses_key", ["shard", "key_hash"])
        .execute();
      await db.schema
        .createTable("shared_documents")
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("leaf_index", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("shared_documents_key", ["shard", "digest"])
        .execute();
      await db.schema
        .createTable("jobs")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("tenant", "text", (column) => column.notNull())
        .addColumn("key_hash", "text", (column) => column.notNull())
        .addColumn("path", "text", (column) => column.notNull())
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("progress", "double precision", (column) => column.notNull().defaultTo(0))
        .addColumn("stage", "text", (column) => column.notNull().defaultTo(""))
        .addColumn("accepted_at", "bigint", (column) => column.notNull())
        .addColumn("deadline_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint")
        .addColumn("leaf_index", "bigint", (column) => column.notNull())
        .addColumn("receipt_id", "text", (column) => column.notNull().unique())
        .addColumn("code", "text")
        .addColumn("attempts", "integer", (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema.createIndex("jobs_by_state").on("jobs").columns(["shard", "state"]).execute();
    },
  },
  "0002-supplements": {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("receipts").addColumn("parent_id", "text").execute();
      await db.schema.alterTable("jobs").addColumn("parent_id", "text").execute();
      // Of the few receipts that continue one: writing any other costs nothing more.
      await sql`create index receipts_by_parent on receipts (shard, parent_id) where parent_id is not null`.execute(db);
    },
  },
  "0003-state": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("state_marks")
        .addColumn("shard", "text", (column) => column.primaryKey())
        .addColumn("size", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("state_accounts")
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("tenant", "text", (column) => column.notNull())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("document", "text", (column) => column.notNull())
        .addColumn("version", "bigint", (column) => column.notNull())
        .addColumn("head", "text", (column) => column.notNull())
        .addColumn("handle", "text")
        .addColumn("digest", "text")
        .addColumn("clear", "text")
        .addPrimaryKeyConstraint("state_accounts_key", ["shard", "tenant", "name"])
        .execute();
      await db.schema
        .createTable("state_values")
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("tenant", "text", (column) => column.notNull())
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("document", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("state_values_key", ["shard", "tenant", "id"])
        .execute();
      await db.schema.createIndex("state_values_by_digest").on("state_values").columns(["shard", "tenant", "digest"]).execute();
      await db.schema
        .createTable("state_inputs")
        .addColumn("shard", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("state_inputs_key", ["shard", "digest"])
        .execute();
    },
  },
  "0004-whose-values": {
    async up(db: Kysely<unknown>) {
      // A value without a handle says since then whose it is: the next start makes these again, from the first leaf of the log on.
      await sql`delete from state_values where id like 'fresh:%'`.execute(db);
      await sql`delete from state_marks`.execute(db);
    },
  },
};

/** Tables of the state that paths keep. */
const STATE_TABLES = ["state_marks", "state_accounts", "state_values", "state_inputs"] as const;

/** Brings the tables to this program's version; two processes may do so at once. @throws TrisealError `STORE_UNAVAILABLE`. */
export async function migrate(db: Kysely<Tables>): Promise<readonly string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined)
    throw new TrisealError("STORE_UNAVAILABLE", "the store could not be migrated: it may be of a newer version", {
      cause: error,
    });
  return (results ?? []).filter(({ status }) => status === "Success").map(({ migrationName }) => migrationName);
}

/** Deletes everything that log and records can bring back. Jobs come back as they were accepted. */
export async function emptyTables(db: Kysely<Tables>, shard: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const table of ["receipts", "key_uses", "shared_documents", "jobs", "shards", ...STATE_TABLES] as const)
      await tx.deleteFrom(table).where(sql.ref("shard"), "=", shard).execute();
  });
}
