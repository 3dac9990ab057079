/** Thread that owns one PGlite database: its WebAssembly would hold up the gateway's event loop for milliseconds a query. */
import { readFile } from "node:fs/promises";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import type { PgliteReply, PgliteRequest, PgliteStart } from "./pglite-connection.ts";

/** Rows of a query without parameters may come from several statements: the last one's are the answer. */
async function run(database: PGlite, { sql, parameters }: PgliteRequest): Promise<PgliteReply["result"]> {
  if (parameters === null) {
    const results = await database.exec(sql);
    const last = results.at(-1);
    return { rows: last?.rows ?? [], affectedRows: last?.affectedRows ?? 0 };
  }
  const { rows, affectedRows } = await database.query(sql, [...parameters]);
  return { rows: rows as Record<string, unknown>[], affectedRows: affectedRows ?? 0 };
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { folder, template } = workerData as PgliteStart;
  const image = template === null ? null : await readFile(template).catch(() => null);
  const database = await PGlite.create({
    ...(folder === null ? {} : { dataDir: folder }),
    ...(image === null ? {} : { loadDataDir: new Blob([Uint8Array.from(image)]) }),
  });
  port.on("message", async (request: PgliteRequest | "close") => {
    if (request === "close") {
      await database.close();
      port.close();
      return;
    }
    try {
      port.postMessage({ id: request.id, result: await run(database, request), error: null } satisfies PgliteReply);
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : "query failed";
      port.postMessage({ id: request.id, result: null, error } satisfies PgliteReply);
    }
  });
  port.postMessage({ id: 0, result: { rows: [], affectedRows: 0 }, error: null } satisfies PgliteReply);
}

if (parentPort !== null) await serve(parentPort);
