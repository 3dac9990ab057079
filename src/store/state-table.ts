/** State that a path keeps: accounts with versioned values. What changed it stands in the log; this is what it is now. */
import { type Kysely, type Selectable, sql } from "kysely";
import { TrisealError } from "../core/errors.ts";
import type { StateAccount, StateChange, StateValue, StateWrite } from "../core/kept-state.ts";
import { answered, unavailable } from "./answered.ts";
import type { StateAccountTable, Tables } from "./schema.ts";

/** The state of one log. Every method throws TrisealError `STORE_UNAVAILABLE` where the database does not answer. */
export class StateTable {
  private readonly db: Kysely<Tables>;
  private readonly shard: string;

  constructor(db: Kysely<Tables>, shard: string) {
    this.db = db;
    this.shard = shard;
  }

  /** Leaves whose changes are here: all below this number. */
  async mark(): Promise<number> {
    const row = this.db.selectFrom("state_marks").select("size").where("shard", "=", this.shard);
    return Number((await answered(row.executeTakeFirst()))?.size ?? 0);
  }

  /** Notes that all leaves below `size` are here. Never goes back. */
  async setMark(size: number): Promise<void> {
    await answered(this.writeMark(this.db, size));
  }

  /** Other logs whose state is in this database, by their origin; at most 16. */
  async others(): Promise<readonly string[]> {
    const rows = this.db.selectFrom("state_marks").select("shard").where("shard", "<>", this.shard).orderBy("shard").limit(16);
    return (await answered(rows.execute())).map(({ shard }) => shard);
  }

  /** An account, or null. */
  async account(tenant: string, name: string): Promise<StateAccount | null> {
    const row = await answered(this.accountsOf(tenant).where("name", "=", name).executeTakeFirst());
    return row === undefined ? null : accountOf(row);
  }

  /** Accounts of a tenant in the order of their names, after `after`. */
  async accounts(tenant: string, after: string, limit: number): Promise<readonly StateAccount[]> {
    const rows = this.accountsOf(tenant).where("name", ">", after).orderBy("name").limit(limit);
    return (await answered(rows.execute())).map(accountOf);
  }

  /** The account whose document has this digest, or null. @param documentDigest 64 hexadecimal digits. */
  async accountWith(tenant: string, documentDigest: string): Promise<StateAccount | null> {
    const mine = this.accountsOf(tenant).where(sql`encode(sha256(convert_to(document, 'UTF8')), 'hex')`, "=", documentDigest);
    const row = await answered(mine.executeTakeFirst());
    return row === undefined ? null : accountOf(row);
  }

  /** Number of accounts of a tenant. */
  async accountCount(tenant: string): Promise<number> {
    const count = sql<number | string>`count(*)`.as("count");
    const rows = this.db.selectFrom("state_accounts").select(count).where("shard", "=", this.shard).where("tenant", "=", tenant);
    return Number((await answered(rows.executeTakeFirst()))?.count ?? 0);
  }

  /** A value by its id, or null. */
  async value(tenant: string, id: string): Promise<StateValue | null> {
    return (await answered(this.valuesOf(tenant).where("id", "=", id).executeTakeFirst())) ?? null;
  }

  /** Values that have these bytes, in the order of their ids, after `after`. */
  async valuesWith(tenant: string, digest: string, after: string, limit: number): Promise<readonly StateValue[]> {
    const rows = this.valuesOf(tenant).where("digest", "=", digest).where("id", ">", after);
    return answered(rows.orderBy("id").limit(limit).execute());
  }

  /** Whether an input was used. */
  async isUsed(digest: string): Promise<boolean> {
    const rows = this.db.selectFrom("state_inputs").select("digest").where("shard", "=", this.shard);
    return (await answered(rows.where("digest", "=", digest).executeTakeFirst())) !== undefined;
  }

  /**
   * Makes a change, all of it or nothing, and notes how far the log is here. One that was made before changes nothing.
   * @throws TrisealError `LOG_CORRUPT` for a write that does not follow what the account was.
   */
  async apply(change: StateChange, mark: number): Promise<void> {
    const made = this.db.transaction().execute(async (tx) => {
      for (const account of change.accounts) await this.insertAccount(tx, account);
      for (const write of change.writes) await this.write(tx, write);
      await this.insertRest(tx, change);
      await this.writeMark(tx, mark);
    });
    await made.catch((cause: unknown) => {
      throw cause instanceof TrisealError ? cause : unavailable(cause);
    });
  }

  private async insertAccount(tx: Kysely<Tables>, account: StateAccount): Promise<void> {
    const rows = tx.insertInto("state_accounts").values({ shard: this.shard, ...account });
    await rows.onConflict((conflict) => conflict.doNothing()).execute();
  }

  private async write(tx: Kysely<Tables>, { tenant, name, prevHead, ...now }: StateWrite): Promise<void> {
    const mine = tx
      .updateTable("state_accounts")
      .set(now)
      .where("shard", "=", this.shard)
      .where("tenant", "=", tenant)
      .where("name", "=", name);
    const before = mine.where("version", "=", now.version - 1).where("head", "=", prevHead);
    if ((await before.returning("name").executeTakeFirst()) !== undefined) return;
    const row = await this.accountsOf(tenant, tx).where("name", "=", name).executeTakeFirst();
    const version = Number(row?.version ?? -1);
    const isThere = version > now.version || (version === now.version && row?.head === now.head);
    if (!isThere) throw new TrisealError("LOG_CORRUPT", `version ${now.version} of an account follows no version that it had`);
  }

  private async insertRest(tx: Kysely<Tables>, { values, inputs }: StateChange): Promise<void> {
    const { shard } = this;
    if (values.length > 0) {
      const rows = tx.insertInto("state_values").values(values.map((value) => ({ shard, ...value })));
      await rows.onConflict((conflict) => conflict.doNothing()).execute();
    }
    if (inputs.length === 0) return;
    const rows = tx.insertInto("state_inputs").values(inputs.map((digest) => ({ shard, digest })));
    await rows.onConflict((conflict) => conflict.doNothing()).execute();
  }

  private async writeMark(db: Kysely<Tables>, size: number): Promise<void> {
    await sql`
      insert into state_marks (shard, size) values (${this.shard}::text, ${size}::bigint)
      on conflict (shard) do update set size = greatest(state_marks.size, excluded.size)
    `.execute(db);
  }

  private accountsOf(tenant: string, db: Kysely<Tables> = this.db) {
    return db.selectFrom("state_accounts").selectAll().where("shard", "=", this.shard).where("tenant", "=", tenant);
  }

  private valuesOf(tenant: string) {
    const columns = ["tenant", "id", "digest", "document"] as const;
    return this.db.selectFrom("state_values").select(columns).where("shard", "=", this.shard).where("tenant", "=", tenant);
  }
}

function accountOf(row: Selectable<StateAccountTable>): StateAccount {
  const { tenant, name, document, version, head, handle, digest, clear } = row;
  return { tenant, name, document, version: Number(version), head, handle, digest, clear };
}
