/**
 * The key holder: a process of its own. Its configuration is one JSON line on standard input; it says that it is ready, or why not, in one
 * JSON line on standard output, logs to standard error, and ends when standard input closes.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { isTrisealError, TrisealError } from "../../src/core/errors.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { lockData } from "../../src/log/store/data-lock.ts";
import { makeDurableDirectory, nodeFiles } from "../../src/log/store/files.ts";
import { parseKeyDocument } from "../../src/paths/fhe/wire/key-document.ts";
import { holderConfigurationDigest } from "../../src/paths/fhe/wire/key-holder.ts";
import { workerFilesDigest } from "../../src/paths/tee/wire/keyset.ts";
import { useNodePrimitives } from "../../src/signing/node-primitives.ts";
import { openAttester } from "../attester/open-attester.ts";
import { listHolderFiles } from "../image/released-file.ts";
import { readConfigLine } from "../process/config-line.ts";
import { type KeyHolderConfig, MAX_CONFIG_BYTES, parseKeyHolderConfig } from "./config.ts";
import { openDecryptProgram } from "./decrypt-program.ts";
import { HolderEvidence } from "./holder-evidence.ts";
import { createHolderServer } from "./http-server.ts";
import { KeyHolder } from "./key-holder.ts";
import { RevealRecord } from "./reveal-record.ts";

const clock = () => unixSeconds(Math.floor(Date.now() / 1000));

function log(event: string, fields: Readonly<Record<string, string | number>>): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
}

/** @throws TrisealError `CONFIG_INVALID` where the folder holds another key set than the configuration names. */
async function assertKeySet({ keys, measured }: KeyHolderConfig): Promise<string> {
  const document = await readFile(join(keys, "key.json")).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", "key holder config: the key set cannot be read", { cause });
  });
  const { keyId, kind } = parseKeyDocument(new Uint8Array(document));
  if (keyId === measured.keyId && kind === "integer") return join(keys, "client.key");
  throw new TrisealError("CONFIG_INVALID", "key holder config: the folder holds another key set than `measured.keyId` names");
}

async function openHolder(config: KeyHolderConfig): Promise<Server> {
  const clientKey = await assertKeySet(config);
  await makeDurableDirectory(nodeFiles, config.dataDir);
  // The system frees nothing of it: a process that follows a dead one takes it over.
  await lockData(join(config.dataDir, "lock"));
  const { measured: configuration } = config;
  const decrypt = await openDecryptProgram(config.program, configuration.decryptsWith, clientKey, config.dataDir);
  const files = await listHolderFiles();
  const attester = await openAttester(config.attester, workerFilesDigest(files));
  const digest = holderConfigurationDigest(configuration);
  const evidence = new HolderEvidence({ attester, files, configuration: digest, clock });
  const record = await RevealRecord.open(nodeFiles, config.dataDir);
  const holder = new KeyHolder({ configuration, record, evidence, decrypt, clock });
  return createHolderServer({ holder, revealed: () => record.size, log });
}

async function main(): Promise<void> {
  useNodePrimitives();
  const configured = readConfigLine(MAX_CONFIG_BYTES);
  for (const event of ["end", "error", "close"]) process.stdin.on(event, () => process.exit(0));
  process.on("SIGINT", () => {});
  const config = parseKeyHolderConfig(await configured);
  const server = await openHolder(config);
  process.on("SIGTERM", () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 3000);
  });
  if (config.socket === undefined) server.listen({ host: "127.0.0.1", port: config.port ?? 0 });
  else server.listen({ path: config.socket });
  await once(server, "listening");
  const address = server.address();
  const at = typeof address === "object" && address !== null ? { port: address.port } : { socket: config.socket };
  const configuration = holderConfigurationDigest(config.measured);
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, ...at, configuration })}\n`);
}

main().catch((error: unknown) => {
  const { code, message } = isTrisealError(error) ? error : new TrisealError("INTERNAL", String(error).slice(0, 300));
  process.stdout.write(`${JSON.stringify({ ready: false, code, message })}\n`, () => process.exit(1));
});
