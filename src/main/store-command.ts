/** `triseal store`: the database beside the log. It can always be made again from log and records. */
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { KeyStore } from "../keys/key-store.ts";
import { nodeFiles } from "../log/store/files.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import { emptyTables, openDatabase, type StoreDatabase } from "../store/index.ts";
import { readConfig } from "./config.ts";
import { openLedger } from "./open-ledger.ts";
import { openReceiptIndex, openStore } from "./open-store.ts";
import { Started } from "./started.ts";
import { systemClock } from "./system-clock.ts";

interface StoreFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
}

/** Address of PostgreSQL, or null for the embedded database. */
function databaseUrl(): string | null {
  return process.env["DATABASE_URL"] ?? null;
}

function print(json: boolean, result: Readonly<Record<string, string | number>>): void {
  if (json) console.log(JSON.stringify(result));
  else
    console.log(
      Object.entries(result)
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    );
}

async function emptied(dataDir: string, origin: string): Promise<StoreDatabase> {
  const url = databaseUrl();
  // What cannot be read is no obstacle: nothing in it is kept.
  if (url === null) await rm(join(dataDir, "database"), { recursive: true, force: true });
  const database = await openStore(dataDir, url, (line) => console.error(JSON.stringify(line)));
  await emptyTables(database.db, origin);
  return database;
}

/** Makes the tables of this log again. Its lock keeps every gateway out meanwhile. @throws TrisealError `LOG_LOCKED`, `STORE_UNAVAILABLE`. */
async function rebuild(flags: StoreFlags): Promise<void> {
  const config = await readConfig(flags.config ?? null);
  const dataDir = resolve(flags.data ?? config.dataDir);
  const { origin } = config.log;
  const started = new Started();
  try {
    const signer = await new KeyStore(join(dataDir, "keys")).signer("log", "any");
    const openIndex = async (log: TransparencyLog) => {
      const database = await emptied(dataDir, origin);
      started.add(() => database.close());
      return openReceiptIndex(Promise.resolve(database), log, origin, started);
    };
    const place = { dataDir, origin, signer, retainDays: null, clock: systemClock, files: nodeFiles, openIndex };
    const { ledger } = await openLedger(place);
    started.add(() => ledger.log.close());
    await ledger.indexed();
    print(flags.json === true, { log: origin, leaves: ledger.log.size });
  } finally {
    await started.close();
  }
}

/** Brings PostgreSQL's tables to this version before a gateway does. @throws TrisealError `STORE_UNAVAILABLE`. */
async function migrate(flags: StoreFlags): Promise<void> {
  const config = await readConfig(flags.config ?? null);
  const dataDir = resolve(flags.data ?? config.dataDir);
  const url = databaseUrl();
  const location = url === null ? { embedded: { folder: join(dataDir, "database"), template: null } } : { url };
  const database = await openDatabase(location);
  await database.close();
  print(flags.json === true, { store: url === null ? "embedded" : "postgresql", migrations: database.migrated.length });
}

function withFlags(command: Command): Command {
  return command.option("--data <dir>", "data folder").option("--config <file>", "configuration").option("--json", "JSON");
}

/** Adds `store` to the command line. */
export function addStoreCommand(program: Command): void {
  const store = program
    .command("store")
    .description("the database beside the log: embedded in the data folder, or PostgreSQL where DATABASE_URL names one");
  withFlags(store.command("rebuild").description("make the tables again from log and records; the gateway is stopped")).action(
    rebuild,
  );
  withFlags(store.command("migrate").description("bring the tables to this version")).action(migrate);
}
