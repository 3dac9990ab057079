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
import { lockData } from "../log/store/data-lock.ts";
import { nodeFiles } from "../log/store/files.ts";
import { TransparencyLog } from "../log/store/transparency-log.ts";
import { readConfig } from "./config.ts";
import { systemClock } from "./system-clock.ts";
import { createVaultKeys } from "./vault-keys.ts";

interface KeyFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
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

/** Changes keys under the log's lock, so that no gateway runs meanwhile, and logs what changed. */
async function change(
  { store, dataDir, origin }: KeyFolder,
  make: () => Promise<readonly KeyEvent[]>,
): Promise<readonly KeyEvent[]> {
  await nodeFiles.makeDirectory(dataDir);
  const allowDev = { allowDev: true };
  await nodeFiles.makeDirectory(join(dataDir, "log"));
  // Before any key changes: a gateway that runs here holds the lock, and would go on with the old keys.
  const lock = await lockData(join(dataDir, "log", "lock"));
  const events = await make().finally(() => lock.release());
  const log = await TransparencyLog.open({
    directory: join(dataDir, "log"),
    origin,
    signer: await store.signer("log", allowDev),
    files: nodeFiles,
  });
  try {
    await nodeFiles.makeDirectory(join(dataDir, "blobs"));
    const ledger = await Ledger.open(
      log,
      new BlobStore(nodeFiles, join(dataDir, "blobs")),
      createVaultKeys(join(dataDir, "vault"), 1, systemClock),
    );
    for (const event of events) await ledger.logShared("key", encodeJcs(event));
  } finally {
    await log.close();
  }
  return events;
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
  withFolder(keys.command("init").description("make a key for every purpose that has none")).action(async (flags: KeyFlags) => {
    const folder = await openFolder(flags);
    printEvents(await change(folder, () => folder.store.init({ dev: false, now: systemClock() })), flags.json === true);
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
    printEvents(await change(folder, () => folder.store.revoke(keyId, flags.because, systemClock())), flags.json === true);
    if (!flags.json) console.log("add the key to `revoked.keys` of every trust file: only that rejects what it signed before");
  });
  keys
    .command("api")
    .description("make an API key for a tenant; the configuration holds its hash only")
    .requiredOption("--tenant <id>", "tenant of the key")
    .option("--json", "JSON")
    .action(printApiKey);
}
