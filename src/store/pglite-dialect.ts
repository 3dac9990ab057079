/** Kysely on the embedded database: PostgreSQL's grammar, and one connection that callers take in turn. */
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { PgliteConnection } from "./pglite-connection.ts";

class PgliteDriver implements Driver {
  private readonly connection: DatabaseConnection;
  private readonly pglite: PgliteConnection;
  /** Resolves when the last one in the queue gave the connection back. */
  private free: Promise<void> = Promise.resolve();
  private giveBack: (() => void) | null = null;

  constructor(pglite: PgliteConnection) {
    this.pglite = pglite;
    this.connection = {
      async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
        const { rows, affectedRows } = await pglite.query(sql, parameters);
        return { rows: [...rows] as R[], numAffectedRows: BigInt(affectedRows) };
      },
      streamQuery() {
        throw new Error("the embedded database streams no rows");
      },
    };
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.free;
    let release: () => void = () => undefined;
    this.free = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    this.giveBack = release;
    return this.connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin"));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("rollback"));
  }

  releaseConnection(): Promise<void> {
    this.giveBack?.();
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    return this.pglite.close();
  }
}

/** The dialect over one open connection, which it closes with the database. */
export function pgliteDialect(connection: PgliteConnection): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new PgliteDriver(connection),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}
