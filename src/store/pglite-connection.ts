/** The one connection to an embedded PGlite database, which runs in a thread of its own. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** How the thread starts. */
export interface PgliteStart {
  /** Folder of the database; null keeps it in memory. */
  readonly folder: string | null;
  /** Image of an empty database to start from, which is faster than making one; null or a missing file makes one. */
  readonly template: string | null;
}

/** One query. Without parameters, `sql` may hold several statements. */
export interface PgliteRequest {
  readonly id: number;
  readonly sql: string;
  readonly parameters: readonly unknown[] | null;
}

/** Result of a query: the last statement's. */
export interface SqlResult {
  readonly rows: readonly Record<string, unknown>[];
  readonly affectedRows: number;
}

/** What the thread says of a query. */
export interface PgliteReply {
  readonly id: number;
  readonly result: SqlResult | null;
  readonly error: string | null;
}

/** An open connection. */
export interface PgliteConnection {
  /** Runs one query after the other. Rejects with the database's own message, and where the thread ended. */
  query(sql: string, parameters: readonly unknown[] | null): Promise<SqlResult>;
  close(): Promise<void>;
}

/** Opens the database. Rejects where it cannot be read. */
export async function openPglite(start: PgliteStart): Promise<PgliteConnection> {
  const thread = new Worker(new URL("./pglite-thread.js", import.meta.url), { workerData: start });
  const waiting = new Map<number, { resolve: (result: SqlResult) => void; reject: (error: Error) => void }>();
  let ended: Error | null = null;
  const end = (error: Error) => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  thread.on("error", end);
  thread.on("exit", () => end(new Error("the database thread ended")));
  thread.on("message", ({ id, result, error }: PgliteReply) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (result === null) call?.reject(new Error(error ?? "query failed"));
    else call?.resolve(result);
  });
  let next = 0;
  const expect = (id: number) =>
    new Promise<SqlResult>((resolve, reject) => {
      if (ended === null) waiting.set(id, { resolve, reject });
      else reject(ended);
    });
  await expect(next++);
  return {
    query(sql, parameters) {
      const id = next++;
      const result = expect(id);
      thread.postMessage({ id, sql, parameters } satisfies PgliteRequest);
      return result;
    },
    async close() {
      if (ended !== null) return;
      const exited = once(thread, "exit");
      thread.postMessage("close");
      await exited;
    },
  };
}
