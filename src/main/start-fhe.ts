/** Starts the gateway's engine behind the fhe path, where it is built, with the key that signs its claims. */
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseHex } from "../core/bytes.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Clock } from "../core/time.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { nodeFiles } from "../log/store/files.ts";
import { readPackages } from "../model/read/read-package.ts";
import { findShipped } from "../paths/fhe/compile/shipped.ts";
import { createAbsentFhePath } from "../paths/fhe/server/absent-path.ts";
import { programReader, shippedPrograms } from "../paths/fhe/server/compiled-program.ts";
import { createEngine } from "../paths/fhe/server/engine-client.ts";
import { createFhePath } from "../paths/fhe/server/fhe-path.ts";
import { KeyVault } from "../paths/fhe/server/key-vault.ts";
import { modelProgram } from "../paths/fhe/server/model-program.ts";
import { ProgramCompiler } from "../paths/fhe/server/program-compiler.ts";
import { Programs, type RunProgram } from "../paths/fhe/server/programs.ts";
import { assertOnlyLog } from "../paths/fhe/server/shared-store.ts";
import { AccountStates } from "../paths/fhe/server/state.ts";
import type { InferencePath } from "../paths/path.ts";
import { createSeedSigner } from "../signing/ed25519-signer.ts";
import { StateTable, type StoreDatabase } from "../store/index.ts";
import type { TrisealConfig } from "./config.ts";
import { packageRoot, programArguments } from "./package-root.ts";
import { makeSecretFile } from "./secret-file.ts";

/** An engine's program, and what stands before its own arguments. */
export interface EngineCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** What the fhe path is started with. */
export interface FheSetup {
  readonly config: TrisealConfig;
  readonly clock: Clock;
  readonly log: OperatorLog;
  readonly modelsFolder: string;
  /** Address of a PostgreSQL database that other gateways may use, too; null where the data folder has its own. */
  readonly databaseUrl: string | null;
  /** Another engine than the built one. */
  readonly fheEngine?: EngineCommand;
}

/** The path, and the trust section that names its engine. */
export interface StartedFhe {
  readonly path: InferencePath;
  /** For a development trust file; null where no engine runs. */
  readonly trustSection: (because: string) => JsonObject | null;
}

/** The engine's program; `npm run build:engine` makes it. */
export const ENGINE = join(packageRoot, "src", "paths", "fhe", "engine", "target", "release", "triseal-fhe");

const SWEEP_INTERVAL_MS = 3_600_000;

/** Programs that may wait to be compiled. */
const MAX_WAITING_PROGRAMS = 256;

/** Why no engine runs, or null. */
function absence({ config: { fhe }, fheEngine }: FheSetup): string | null {
  if (!fhe.enabled) return "the fhe path is switched off (`fhe.enabled`)";
  try {
    accessSync(fheEngine?.command ?? ENGINE, constants.X_OK);
    return null;
  } catch {
    return "the FHE engine is not built: `npm run build:engine` needs cargo";
  }
}

/**
 * The fhe path. The engine starts with its first operation; the accounts are made up to the log's end beside everything else.
 * @param database the store that is being opened.
 * @throws TrisealError `CONFIG_INVALID` for a database that has another log's accounts, and as `modelPrograms`.
 */
export async function startFhe(setup: FheSetup, ledger: Ledger, database: Promise<StoreDatabase>): Promise<StartedFhe> {
  const { config, log } = setup;
  const missing = absence(setup);
  if (missing !== null) {
    if (config.fhe.enabled) log({ level: "warn", event: "fhe", detail: missing });
    return { path: createAbsentFhePath(missing), trustSection: () => null };
  }
  if (setup.databaseUrl !== null && !config.fhe.separateAccounts)
    await assertOnlyLog(new StateTable((await database).db, config.log.origin));
  const folder = join(config.dataDir, "fhe");
  await nodeFiles.makeDirectory(folder);
  const signingKeyFile = join(folder, "engine.seed");
  const { publicKey } = createSeedSigner("fhe-engine", parseHex(await makeSecretFile(signingKeyFile, 32)));
  const path = await openPath(setup, { ledger, database, folder, signingKeyFile });
  return {
    path,
    trustSection: (because) => ({
      engines: [{ publicKey, because }],
      keys: { accept: "any", because },
      programs: { accept: "any", because },
      models: { accept: "any", because },
    }),
  };
}

async function openPath(
  { config, clock, log, modelsFolder, fheEngine = { command: ENGINE, args: [] } }: FheSetup,
  {
    ledger,
    database,
    folder,
    signingKeyFile,
  }: {
    readonly ledger: Ledger;
    readonly database: Promise<StoreDatabase>;
    readonly folder: string;
    readonly signingKeyFile: string;
  },
): Promise<InferencePath> {
  const { fhe, workers } = config;
  const models = await modelPrograms(fhe.models, modelsFolder);
  const engine = createEngine(
    {
      ...fheEngine,
      keysDir: join(folder, "keys"),
      signingKeyFile,
      cacheBytes: fhe.cacheMib * 2 ** 20,
      threads: fhe.threads === 0 ? availableParallelism() : fhe.threads,
      memoryBytes: fhe.memoryMib * 2 ** 20,
    },
    log,
  );
  const keys = await openKeys(folder, config, engine, clock);
  const limits = { pbs: fhe.maxPbs, depth: fhe.maxDepth, programsPerTenant: fhe.programsPerTenant };
  const states = openStates(config, ledger, database, log);
  // Whoever needs the accounts meets the failure.
  states.catch(() => log({ level: "error", event: "state", detail: "the accounts could not be made from the log" }));
  const { jurisdiction } = workers;
  const compiler = openCompiler(config);
  const shipped = [...shippedPrograms(compiler), ...models];
  return createFhePath({
    engine,
    compiler,
    keys,
    blobs: { put: (bytes) => ledger.store(bytes), get: (digest) => ledger.document(digest) },
    programs: await Programs.open(shipped, folder, limits, programReader(compiler)),
    states,
    limits: { ...limits, accountsPerTenant: fhe.accountsPerTenant, timeoutMs: fhe.timeoutMs },
    claims: jurisdiction === null ? [] : [{ name: "jurisdiction", origin: "claim", value: jurisdiction }],
  });
}

/** Programs are compiled beside the event loop: the largest one takes seconds. */
function openCompiler({ fhe }: TrisealConfig): ProgramCompiler {
  const [thread = ""] = programArguments("src/paths/fhe/server/compile-thread");
  const { maxPbs, compileMs, compileMib } = fhe;
  return new ProgramCompiler(thread, {
    mostPbs: maxPbs,
    timeoutMs: compileMs,
    memoryMib: compileMib,
    maxQueued: MAX_WAITING_PROGRAMS,
  });
}

/** @throws TrisealError `CONFIG_INVALID` for a model that is none, or that encrypted inference does not carry. */
async function modelPrograms(names: readonly string[], folder: string): Promise<readonly RunProgram[]> {
  const packages = names.length === 0 ? [] : await readPackages(folder);
  return [...new Set(names)].map((name) => {
    const found = packages.find(({ model }) => model.name === name);
    if (found?.integer == null)
      throw new TrisealError("CONFIG_INVALID", `fhe.models: \`${name}\` is no integer model of the models folder`);
    // A shipped program moves units by its name.
    if (findShipped(name) !== null) throw new TrisealError("CONFIG_INVALID", `fhe.models: \`${name}\` is the name of a program`);
    try {
      return modelProgram(found.model, found.integer.checked);
    } catch (cause) {
      if (!isTrisealError(cause, "FHE_MODEL_UNSUPPORTED")) throw cause;
      throw new TrisealError("CONFIG_INVALID", `fhe.models: \`${name}\` cannot be run encrypted: ${cause.message}`, { cause });
    }
  });
}

async function openKeys(folder: string, { fhe }: TrisealConfig, engine: ReturnType<typeof createEngine>, clock: Clock) {
  const limits = {
    keysPerTenant: fhe.keysPerTenant,
    bytesPerTenant: fhe.keyMibPerTenant * 2 ** 20,
    bytes: fhe.keyMib * 2 ** 20,
    uploadSeconds: fhe.uploadHours * 3600,
  };
  const keys = new KeyVault(folder, limits, engine);
  await keys.open(clock() * 1000);
  setInterval(() => void keys.sweep(clock() * 1000).catch(() => undefined), SWEEP_INTERVAL_MS).unref();
  return keys;
}

/** The accounts, once what the log has beyond the database is made up for. */
async function openStates(
  { log: { origin } }: TrisealConfig,
  ledger: Ledger,
  database: Promise<StoreDatabase>,
  log: OperatorLog,
): Promise<AccountStates> {
  const { db } = await database;
  const port = {
    size: () => ledger.log.size,
    leafAt: (index: number) => ledger.loggedAt(index),
    logAccount: (document: Uint8Array) => ledger.logShared("account", document),
  };
  return AccountStates.open(new StateTable(db, origin), port, log);
}
