/** `triseal log`: the witness, and the offline check of a log. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { encodeHex, parseHex, utf8 } from "../core/bytes.ts";
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { makeDurableDirectory, nodeFiles, replaceFile } from "../log/store/files.ts";
import type { WitnessLog } from "../log/store/witness.ts";
import { createSeedSigner } from "../signing/ed25519-signer.ts";
import { parseTrust } from "../trust/trust-file.ts";
import { stopSignal } from "./stop-signal.ts";
import { systemClock } from "./system-clock.ts";
import { verifyLog } from "./verify-log.ts";
import { runWitness } from "./witness.ts";

interface WitnessFlags {
  readonly name: string;
  readonly data: string;
  readonly port: string;
  readonly log: readonly string[];
  readonly json?: true;
}

/** The witness's own key, made at its first start and kept in its data folder. */
async function witnessSigner(dataDir: string): Promise<Signer> {
  const path = join(dataDir, "witness.seed");
  await makeDurableDirectory(nodeFiles, dataDir);
  const existing = await nodeFiles.read(path);
  const text = existing === null ? encodeHex(new Uint8Array(randomBytes(32))) : new TextDecoder().decode(existing).trim();
  if (existing === null) await replaceFile(nodeFiles, path, utf8(`${text}\n`));
  return createSeedSigner("witness", parseHex(text));
}

/** The logs to watch. An origin that stands more than once has several keys: before its log key is rotated, the successor is added. */
function parseWatched(entries: readonly string[]): readonly WitnessLog[] {
  const keysOf = new Map<string, string[]>();
  for (const entry of entries) {
    const [, origin = "", key = ""] = /^([^=\s+]+)=([0-9a-f]{64})$/.exec(entry) ?? [];
    if (origin === "") throw new TrisealError("FORMAT_INVALID", "--log wants <origin>=<public key in hexadecimal>");
    keysOf.set(origin, [...(keysOf.get(origin) ?? []), key]);
  }
  return [...keysOf].map(([origin, publicKeys]) => ({ origin, publicKeys }));
}

async function witness(flags: WitnessFlags): Promise<void> {
  const stopped = stopSignal();
  const dataDir = resolve(flags.data);
  const signer = await witnessSigner(dataDir);
  const running = await runWitness({
    name: flags.name,
    signer,
    logs: parseWatched(flags.log),
    stateDir: join(dataDir, "state"),
    port: Number(flags.port),
    clock: systemClock,
  });
  const url = `http://127.0.0.1:${running.port}`;
  if (flags.json)
    console.log(JSON.stringify({ ready: true, url, name: flags.name, publicKey: signer.publicKey, pid: process.pid }));
  else console.log(`witness ${flags.name}\nkey     ${signer.publicKey}\nlistens ${url}/add-checkpoint`);
  await stopped;
  await running.close();
}

interface VerifyFlags {
  readonly data: string;
  readonly trust: string;
  readonly from?: string;
  readonly json?: true;
}

async function verify(flags: VerifyFlags): Promise<void> {
  const { services } = parseTrust(new Uint8Array(await readFile(flags.trust)));
  const from = flags.from === undefined ? null : await readFile(flags.from, "utf8");
  const logs = services.flatMap((service) => service.logs);
  const audit = await verifyLog({ dataDir: resolve(flags.data), logs, from });
  if (flags.json) console.log(JSON.stringify({ verified: true, ...audit }));
  else for (const [name, value] of Object.entries(audit)) console.log(`${name.padEnd(16)}${value ?? "none"}`);
}

/** Adds `log` to the command line. */
export function addLogCommand(program: Command): void {
  const log = program.command("log").description("the transparency log: its offline check, and a witness");
  log
    .command("verify")
    .description(
      "check a data folder's log: every checkpoint against the leaves and the log's key, every record against its leaf",
    )
    .requiredOption("--data <dir>", "data folder; a gateway may run on it")
    .requiredOption("--trust <file>", "trust file that names the log's keys")
    .option("--from <file>", "an earlier checkpoint of this log, which it must extend")
    .option("--json", "print one JSON line")
    .addHelpText("after", "\nExit codes: 0 verified, 1 anything else. Tiles are not read: they are made again at each start.")
    .action(verify);
  log
    .command("witness")
    .description("cosign checkpoints of the named logs, once each was checked to extend the last one (C2SP tlog-witness)")
    .requiredOption("--name <name>", "the witness's name in cosignatures, such as example.com/witness")
    .requiredOption("--data <dir>", "folder of its key and of what it saw; must survive restarts")
    .requiredOption(
      "--log <origin=key...>",
      "logs to watch: origin and Ed25519 public key in hexadecimal; an origin may stand twice, with the key that is to come",
    )
    .option("--port <n>", "port on the loopback address; 0 takes a free one", "0")
    .option("--json", "print one JSON line when ready")
    .action(witness);
}
