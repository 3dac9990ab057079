/** `triseal keys`: keys of a gateway, each with one purpose; every change is a leaf of the log. */
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import { hashApiKey } from "../gateway/authenticate.ts";
import { KEY_PURPOSES, type KeyDescription, type KeyEvent, type KeyPurpose, KeyStore } from "../keys/key-store.ts";
import { makeDurableDirectory, nodeFiles } from "../log/store/files.ts";
import { MemoryReceiptIndex } from "../store/index.ts";
import { readConfig, TENANT_ID } from "./config.ts";
import { effectsAtRest, isActive, KeyChanges, logHistory } from "./key-changes.ts";
import { openLedger } from "./open-ledger.ts";
import { askGateway } from "./operator-client.ts";
import type { OperatorRequest } from "./operator-message.ts";
import { systemClock } from "./system-clock.ts";

/** What a person does next with a staged key. */
const STAGED_NEXT: Readonly<Record<KeyPurpose, string>> = {
  gateway:
    "name the key under `gateway.keys` of every trust file, the gateway's own included, then `triseal keys rotate gateway`",
  log: "name the key under `logs` of every trust file, the gateway's own included, and tell the witnesses, then `triseal keys rotate log`",
  policy:
    "name the key under `policySigners` of every trust file, the gateway's own included, then `triseal keys rotate policy` and `triseal policy sign`",
};

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

/**
 * Changes the keys of a folder that no gateway serves. The log is opened first: its lock keeps every gateway out until the
 * change is a leaf. A change of the log key itself is still signed by the key that it ends.
 */
async function changeAtRest(
  folder: KeyFolder,
  make: (changes: KeyChanges) => Promise<readonly KeyEvent[]>,
): Promise<readonly KeyEvent[]> {
  const { store, dataDir, origin } = folder;
  await makeDurableDirectory(nodeFiles, dataDir);
  const signer = await store.signer("log", "any");
  const openIndex = () => Promise.resolve(new MemoryReceiptIndex());
  const { ledger } = await openLedger({
    dataDir,
    origin,
    signer,
    retainDays: null,
    clock: systemClock,
    files: nodeFiles,
    openIndex,
  });
  try {
    await logHistory(store, ledger);
    return await make(new KeyChanges(store, ledger, systemClock, effectsAtRest(ledger.log)));
  } finally {
    await ledger.log.close();
  }
}

/** Has the gateway that serves the folder make the change, or makes it here where none does. */
async function change<P extends "/keys/stage" | "/keys/rotate" | "/keys/revoke" | "/keys/init">(
  folder: KeyFolder,
  path: P,
  request: Omit<OperatorRequest<P>, "v">,
  atRest: (changes: KeyChanges) => Promise<readonly KeyEvent[]>,
): Promise<readonly KeyEvent[]> {
  return (await askGateway(folder.dataDir, path, request))?.events ?? (await changeAtRest(folder, atRest));
}

/** Makes missing keys. The log may need its first key before it can be opened; no gateway runs without one. */
async function init(folder: KeyFolder, dev: boolean): Promise<readonly KeyEvent[]> {
  if ((await folder.store.list()).some((key) => key.purpose === "log" && isActive(key)))
    return change(folder, "/keys/init", { dev }, (changes) => changes.init(dev));
  const events = await folder.store.init({ dev, now: systemClock() });
  // Opening logs what is not logged yet.
  await changeAtRest(folder, async () => []);
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

function stateOf({ activatedAt, retiredAt, revoked }: KeyDescription): string {
  if (revoked !== null) return `revoked ${formatTime(revoked.at)}`;
  if (activatedAt === null) return "staged";
  return retiredAt === null ? "active" : `retired ${formatTime(retiredAt)}`;
}

async function list(flags: KeyFlags): Promise<void> {
  const { store } = await openFolder(flags);
  for (const key of await store.list()) {
    const line = `${key.purpose.padEnd(8)} ${key.keyId.padEnd(26)} ${key.publicKey}  ${stateOf(key)}`;
    console.log(flags.json ? JSON.stringify(key) : `${line}${key.dev ? "  (development)" : ""}`);
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
  const purposes = KEY_PURPOSES.join(" | ");
  withFolder(
    keys
      .command("stage")
      .argument("<purpose>", purposes)
      .description("make the successor of a key; it signs nothing before `rotate`, so that trust files can name it first"),
  ).action(async (name: string, flags: KeyFlags) => {
    const [folder, purpose] = [await openFolder(flags), parsePurpose(name)];
    printEvents(await change(folder, "/keys/stage", { purpose }, (changes) => changes.stage(purpose)), flags.json === true);
    if (!flags.json) console.log(STAGED_NEXT[purpose]);
  });
  withFolder(
    keys
      .command("rotate")
      .argument("<purpose>", purposes)
      .description("put the staged key, or a new one, in the place of the active key; a running gateway does it under traffic"),
  ).action(async (name: string, flags: KeyFlags) => {
    const [folder, purpose] = [await openFolder(flags), parsePurpose(name)];
    printEvents(await change(folder, "/keys/rotate", { purpose }, (changes) => changes.rotate(purpose)), flags.json === true);
  });
  withFolder(
    keys
      .command("revoke")
      .argument("<key id>")
      .requiredOption("--because <reason>", "why; it is logged")
      .description("mark a key as revoked"),
  ).action(async (keyId: string, flags: KeyFlags & { readonly because: string }) => {
    const { because } = flags;
    const revoke = (changes: KeyChanges) => changes.revoke(keyId, because);
    printEvents(await change(await openFolder(flags), "/keys/revoke", { keyId, because }, revoke), flags.json === true);
    if (!flags.json) console.log("add the key to `revoked.keys` of every trust file: only that rejects what it signed before");
  });
  keys
    .command("api")
    .description("make an API key for a tenant; the configuration holds its hash only")
    .requiredOption("--tenant <id>", "tenant of the key")
    .option("--json", "JSON")
    .action(printApiKey);
}
