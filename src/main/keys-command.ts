/** `triseal keys`: keys of a gateway, each with one purpose; every change is a leaf of the log. */
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { formatTime, unixSeconds } from "../core/time.ts";
import { hashApiKey } from "../gateway/authenticate.ts";
import { Ledger } from "../gateway/ledger.ts";
import { KEY_PURPOSES, type KeyEvent, type KeyPurpose, KeyStore } from "../keys/key-store.ts";
import { BlobStore } from "../log/store/blob-store.ts";
import { makeDurableDirectory, nodeFiles } from "../log/store/files.ts";
import { TransparencyLog } from "../log/store/transparency-log.ts";
import { readConfig, TENANT_ID } from "./config.ts";
import { systemClock } from "./system-clock.ts";
import { createVaultKeys } from "./vault-keys.ts";

interface KeyFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
  readonly dev?: true;
}

interface KeyFolder {
  readonly store: KeyStore;
  readonly dataDir: string;
  readonly origin: string;
}

async function openFolder(flags: KeyFlags): Promise<KeyFolder> {
  const config = await readConfig(flags.config ?? null);
  const dataDir = resolve(flags.data ?? config.dataDir);
  return { store: new KeyStore(join(dataDir, "keys")), dataDir, origin: config.log.origin };
}

/** The log of a data folder, signed by its active log key. @throws TrisealError `LOG_LOCKED` while a gateway runs; `KEY_UNKNOWN`. */
async function openLog({ store, dataDir, origin }: KeyFolder): Promise<TransparencyLog> {
  return TransparencyLog.open({
    directory: join(dataDir, "log"),
    origin,
    signer: await store.signer("log", "any"),
    files: nodeFiles,
  });
}

async function logEvents(log: TransparencyLog, dataDir: string, events: readonly KeyEvent[]): Promise<void> {
  const blobs = join(dataDir, "blobs");
  await makeDurableDirectory(nodeFiles, blobs);
  const vault = createVaultKeys(join(dataDir, "vault"), 1, systemClock, nodeFiles);
  const ledger = await Ledger.open(log, new BlobStore(nodeFiles, blobs), vault);
  for (const event of events) await ledger.logShared("key", encodeJcs(event));
}

/**
 * Changes keys and logs what changed. The log is opened first: its lock keeps every gateway out from before the change
 * until the change is a leaf. A change of the log key itself is still signed by the key that it ends.
 */
async function change(folder: KeyFolder, make: () => Promise<readonly KeyEvent[]>): Promise<readonly KeyEvent[]> {
  const log = await openLog(folder);
  try {
    const events = await make();
    await logEvents(log, folder.dataDir, events);
    return events;
  } finally {
    await log.close();
  }
}

/** Makes missing keys. The log may need its first key before it can be opened; no gateway runs without one. */
async function init(folder: KeyFolder, dev: boolean): Promise<readonly KeyEvent[]> {
  const make = () => folder.store.init({ dev, now: systemClock() });
  const hasLogKey = (await folder.store.list()).some(
    (key) => key.purpose === "log" && key.retiredAt === null && key.revoked === null,
  );
  if (hasLogKey) return change(folder, make);
  const events = await make();
  await change(folder, () => Promise.resolve(events));
  return events;
}

async function revoke(folder: KeyFolder, keyId: string, because: string): Promise<readonly KeyEvent[]> {
  const key = (await folder.store.list()).find((candidate) => candidate.keyId === keyId);
  if (key?.purpose === "log" && key.retiredAt === null && key.revoked === null) {
    throw new TrisealError("KEY_UNKNOWN", "the active log key signs the leaf that revokes it: rotate it first");
  }
  return change(folder, () => folder.store.revoke(keyId, because, systemClock()));
}

function printEvents(events: readonly KeyEvent[], json: boolean): void {
  for (const event of events) {
    console.log(
      json ? JSON.stringify(event) : `${event.type.padEnd(12)} ${event.purpose.padEnd(8)} ${event.keyId}  ${event.publicKey}`,
    );
  }
  if (events.length === 0 && !json) console.log("nothing to do: every purpose has an active key");
}

async function list(flags: KeyFlags): Promise<void> {
  const { store } = await openFolder(flags);
  for (const key of await store.list()) {
    const state =
      key.revoked !== null
        ? `revoked ${formatTime(key.revoked.at)}`
        : key.retiredAt !== null
          ? `retired ${formatTime(unixSeconds(key.retiredAt))}`
          : "active";
    console.log(
      flags.json
        ? JSON.stringify(key)
        : `${key.purpose.padEnd(8)} ${key.keyId.padEnd(26)} ${key.publicKey}  ${state}${key.dev ? "  (development)" : ""}`,
    );
  }
}

function parsePurpose(text: string): KeyPurpose {
  const purpose = KEY_PURPOSES.find((known) => known === text);
  if (purpose === undefined) throw new TrisealError("KEY_UNKNOWN", `purposes are ${KEY_PURPOSES.join(", ")}`);
  return purpose;
}

function printApiKey(flags: { readonly tenant: string; readonly json?: true }): void {
  if (!TENANT_ID.test(flags.tenant))
    throw new TrisealError("FORMAT_INVALID", "a tenant is lower-case letters, digits and hyphens, at most 64");
  const key = `tsk-${randomBytes(24).toString("hex")}`;
  const entry = { hash: hashApiKey(key), tenant: flags.tenant };
  if (flags.json) console.log(JSON.stringify({ key, ...entry }));
  else
    console.log(
      `key, shown once    ${key}\nfor apiKeys in triseal.config.yaml:\n  - { hash: ${entry.hash}, tenant: ${entry.tenant} }`,
    );
}

function withFolder(command: Command): Command {
  return command.option("--data <dir>", "data folder").option("--config <file>", "configuration").option("--json", "JSON lines");
}

/** Adds `keys` to the command line. */
export function addKeysCommand(program: Command): void {
  const keys = program.command("keys").description("the gateway's keys: files of mode 0600, one purpose each");
  withFolder(
    keys
      .command("init")
      .description("make a key for every purpose that has none")
      .option("--dev", "keys for `serve --dev`, which production refuses"),
  ).action(async (flags: KeyFlags) => {
    const folder = await openFolder(flags);
    printEvents(await init(folder, flags.dev === true), flags.json === true);
  });
  withFolder(keys.command("list").description("all keys, with what became of them")).action(list);
  withFolder(
    keys
      .command("rotate")
      .argument("<purpose>", KEY_PURPOSES.join(" | "))
      .description("make a new key and retire the active one"),
  ).action(async (purpose: string, flags: KeyFlags) => {
    const folder = await openFolder(flags);
    printEvents(await change(folder, () => folder.store.rotate(parsePurpose(purpose), systemClock())), flags.json === true);
  });
  withFolder(
    keys
      .command("revoke")
      .argument("<key id>")
      .requiredOption("--because <reason>", "why; it is logged")
      .description("mark a key as revoked"),
  ).action(async (keyId: string, flags: KeyFlags & { readonly because: string }) => {
    const folder = await openFolder(flags);
    printEvents(await revoke(folder, keyId, flags.because), flags.json === true);
    if (!flags.json) console.log("add the key to `revoked.keys` of every trust file: only that rejects what it signed before");
  });
  keys
    .command("api")
    .description("make an API key for a tenant; the configuration holds its hash only")
    .requiredOption("--tenant <id>", "tenant of the key")
    .option("--json", "JSON")
    .action(printApiKey);
}
