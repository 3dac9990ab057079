/** The store of a data folder: embedded there, or PostgreSQL where `DATABASE_URL` names one. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { JobOptions } from "../gateway/job.ts";
import type { OperatorLog } from "../gateway/options.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import { JobQueue, JobTable, openDatabase, type ReceiptIndex, SqlReceiptIndex, type StoreDatabase } from "../store/index.ts";
import type { TrisealConfig } from "./config.ts";
import { packageRoot } from "./package-root.ts";
import type { Started } from "./started.ts";

/** Image of an empty database, made by the build. */
const TEMPLATE = join(packageRoot, "dist", "src", "store", "empty-database.tar.gz");

/**
 * Opens the store. The embedded database syncs nothing to disk, and a power cut may leave it unreadable: it is made anew
 * then, because the log has everything that it held. PostgreSQL is never touched that way.
 * @throws TrisealError `STORE_UNAVAILABLE`.
 */
export function openStore(dataDir: string, url: string | null, log: OperatorLog): Promise<StoreDatabase> {
  const opened = url === null ? openEmbedded(join(dataDir, "database"), log) : openDatabase({ url });
  // Whoever needs the store meets the failure; until then it is nobody's.
  opened.catch(() => undefined);
  return opened;
}

/** The jobs of the configured log, in a store that is being opened. */
export function openJobs(config: TrisealConfig, database: Promise<StoreDatabase>, started: Started): JobOptions {
  const store = database.then(async (opened) => ({
    table: new JobTable(opened.db, config.log.origin),
    queue: await JobQueue.open(opened),
  }));
  // Where the start fails, nobody drains: the queue's timers would keep the process alive.
  started.add(async () => (await store.catch(() => null))?.queue.close());
  return { store, limits: config.jobs };
}

/** The index of a log in a store that is being opened. @throws TrisealError as `SqlReceiptIndex.open`. */
export async function openReceiptIndex(
  database: Promise<StoreDatabase>,
  log: TransparencyLog,
  origin: string,
  started: Started,
): Promise<ReceiptIndex> {
  const indexed = { origin, size: log.size, leafHashAt: (leaf: number) => log.leafHashAt(leaf) };
  const tables = database.then(({ db }) => db);
  const index = await SqlReceiptIndex.open(tables, indexed);
  started.add(() => index.close());
  return index;
}

async function openEmbedded(folder: string, log: OperatorLog): Promise<StoreDatabase> {
  const open = () => openDatabase({ embedded: { folder, template: existsSync(folder) ? null : TEMPLATE } });
  try {
    return await open();
  } catch {
    log({ level: "warn", event: "store", detail: "the embedded database cannot be read: it is made anew from the log" });
    await rm(folder, { recursive: true, force: true });
    return open();
  }
}
