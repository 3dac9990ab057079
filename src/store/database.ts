/** The store's database: embedded (PGlite) or PostgreSQL, with one dialect. */
import { CompiledQuery, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { TrisealError } from "../core/errors.ts";
import { migrate } from "./migrations.ts";
import { openPglite, type PgliteStart, type SqlResult } from "./pglite-connection.ts";
import { pgliteDialect } from "./pglite-dialect.ts";
import type { Tables } from "./schema.ts";

/** Which database. */
export type DatabaseLocation = { readonly embedded: PgliteStart } | { readonly url: string };

/** An open, migrated database. */
export interface StoreDatabase {
  readonly db: Kysely<Tables>;
  /** Whether this process alone owns it; it does not sync to disk then, and is never the only copy of anything. */
  readonly embedded: boolean;
  /** Names of the migrations that opening it made. */
  readonly migrated: readonly string[];
  /** Runs SQL as it is; several statements where there are no parameters. */
  execute(sql: string, parameters?: readonly unknown[]): Promise<SqlResult>;
  close(): Promise<void>;
}

/** Connections to PostgreSQL that one process holds at most. */
const POOL_SIZE = 8;
const CONNECT_TIMEOUT_MS = 5000;
/** No statement of ours takes longer on a database that works. */
const STATEMENT_TIMEOUT_MS = 30_000;

async function openEmbedded(start: PgliteStart): Promise<Omit<StoreDatabase, "close" | "migrated">> {
  const connection = await openPglite(start);
  const db = new Kysely<Tables>({ dialect: pgliteDialect(connection) });
  return {
    db,
    embedded: true,
    // Through Kysely's connection, so that no statement falls into the middle of a transaction.
    execute: (sql, parameters) =>
      db.connection().execute(async (held) => {
        if (parameters === undefined || parameters.length === 0) return connection.query(sql, null);
        const { rows, numAffectedRows } = await held.executeQuery<Record<string, unknown>>(
          CompiledQuery.raw(sql, [...parameters]),
        );
        return { rows, affectedRows: Number(numAffectedRows ?? 0n) };
      }),
  };
}

function openPostgres(url: string): Omit<StoreDatabase, "close" | "migrated"> {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  // An idle connection that the server cut is replaced at its next use.
  pool.on("error", () => undefined);
  return {
    db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }),
    embedded: false,
    async execute(sql, parameters) {
      const values = parameters === undefined || parameters.length === 0 ? undefined : [...parameters];
      const answer: unknown = await pool.query(sql, values);
      // Several statements answer with a list.
      const last = (Array.isArray(answer) ? answer.at(-1) : answer) as pg.QueryResult<Record<string, unknown>> | undefined;
      return { rows: last?.rows ?? [], affectedRows: last?.rowCount ?? 0 };
    },
  };
}

/**
 * Opens and migrates the database.
 * @throws TrisealError `STORE_UNAVAILABLE` where it cannot be reached, read or migrated. The address is not repeated: it may hold a password.
 */
export async function openDatabase(location: DatabaseLocation): Promise<StoreDatabase> {
  const opened = "url" in location ? openPostgres(location.url) : await openEmbedded(location.embedded).catch(unavailable);
  try {
    const migrated = await migrate(opened.db);
    return { ...opened, migrated, close: () => opened.db.destroy() };
  } catch (cause) {
    await opened.db.destroy().catch(() => undefined);
    return unavailable(cause);
  }
}

function unavailable(cause: unknown): never {
  if (cause instanceof TrisealError) throw cause;
  throw new TrisealError("STORE_UNAVAILABLE", "the database cannot be opened", { cause });
}
