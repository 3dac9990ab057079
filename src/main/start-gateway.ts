/** Composition root of the gateway: keys, log, policy, workers and routes become one running server. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import { coreCodes, TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import type { Clock } from "../core/time.ts";
import { hashApiKey } from "../gateway/authenticate.ts";
import { createGateway } from "../gateway/create-gateway.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { CatalogModel, OperatorLog, Tenant } from "../gateway/options.ts";
import { createServiceIdentity } from "../gateway/service-identity.ts";
import { KeyStore } from "../keys/key-store.ts";
import type { DurableFiles } from "../log/store/files.ts";
import { createWitnessClient, type WitnessClient } from "../log/store/witness-client.ts";
import { readPackages } from "../model/read/read-package.ts";
import { codes as teeCodes } from "../paths/tee/wire/codes.ts";
import { parseTrust, type TrustedService } from "../trust/trust-file.ts";
import type { TrisealConfig } from "./config.ts";
import { makeDevApiKey, makeSimulatedPlatform, signDevPolicy, writeDevTrust } from "./dev-setup.ts";
import { listen } from "./listen.ts";
import { openLedger } from "./open-ledger.ts";
import { packageRoot } from "./package-root.ts";
import { followPolicy, type PolicySource } from "./policy-source.ts";
import { observeStages } from "./stage-log.ts";
import { startWorkers } from "./start-workers.ts";

/** How a gateway is started. */
export interface StartOptions {
  readonly config: TrisealConfig;
  /** Development: own keys, simulated evidence, marked receipts. */
  readonly dev: boolean;
  readonly clock: Clock;
  readonly log: OperatorLog;
  /** The disk of keys, log, records, blobs and vault. */
  readonly files: DurableFiles;
}

/** A gateway that answers. */
export interface RunningGateway {
  readonly url: string;
  /** The trust file that names this gateway: made here with `dev`, else the configured one. */
  readonly trustFile: string;
  /** The development API key, or null. */
  readonly apiKey: string | null;
  /** Process ids of the workers. */
  workerPids(): readonly number[];
  /** Drains, then stops workers and log. */
  close(): Promise<void>;
}

/** Keys of a running gateway. */
interface GatewayKeys {
  readonly gateway: Signer;
  readonly log: Signer;
  readonly policy: Signer;
}

/** Longest wait for the first admitted worker before the server answers anyway, not ready. */
const FIRST_ADMISSION_MS = 60_000;
/** How often keys of stored answers that are past retention are deleted. */
const SWEEP_INTERVAL_MS = 3_600_000;

/** The models of the configuration. @throws TrisealError `MODEL_INVALID`. */
export async function readCatalog(
  config: TrisealConfig,
): Promise<{ readonly folder: string; readonly models: readonly CatalogModel[] }> {
  const folder = config.modelsDir ?? join(packageRoot, "models");
  const packages = await readPackages(folder);
  const models = packages.map(({ model }) => ({ ...model, platform: "onnxruntime_onnx" }));
  return { folder, models };
}

async function openKeys(options: StartOptions): Promise<{ keys: GatewayKeys; created: readonly Uint8Array[] }> {
  const { config, dev, clock, files } = options;
  const store = new KeyStore(join(config.dataDir, "keys"), files);
  const created = dev ? await store.init({ dev: true, now: clock() }) : [];
  const signer = (purpose: "gateway" | "log" | "policy") => store.signer(purpose, dev ? "dev" : "production");
  return {
    keys: { gateway: await signer("gateway"), log: await signer("log"), policy: await signer("policy") },
    created: created.map(encodeJcs),
  };
}

/** The one service of the trust file that names this gateway's receipt key and its log. @throws TrisealError `CONFIG_INVALID`. */
async function readService(trustFile: string, keys: GatewayKeys, origin: string): Promise<TrustedService> {
  const trust = parseTrust(new Uint8Array(await readFile(trustFile)));
  const services = trust.services.filter(
    ({ gateway, logs }) =>
      gateway.keys.some((key) => key.publicKey === keys.gateway.publicKey) &&
      logs.some((log) => log.origin === origin && log.publicKey === keys.log.publicKey),
  );
  const [service] = services;
  if (service === undefined || services.length > 1) {
    const names = `gateway key ${keys.gateway.publicKey} and log ${origin} ${keys.log.publicKey}`;
    throw new TrisealError("CONFIG_INVALID", `${trustFile} has ${services.length} services that name ${names}`);
  }
  return service;
}

/** Refuses what only development may use. @throws TrisealError `CONFIG_INVALID`. */
function assertProduction(config: TrisealConfig): void {
  if (config.workers.attester === "simulated") {
    throw new TrisealError(
      "CONFIG_INVALID",
      "workers.attester is `simulated`: production refuses it; `--dev` accepts it and marks every receipt",
    );
  }
  if (config.diagnostics.stageTimes)
    throw new TrisealError("CONFIG_INVALID", "diagnostics.stageTimes: times inside a worker are for development; add --dev");
  if (config.trust === null)
    throw new TrisealError("CONFIG_INVALID", "trust: name the trust file that workers are admitted under");
}

/** Everything that was started, in the order in which it is to be stopped. */
class Started {
  private readonly closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.closers.unshift(close);
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0)) await close();
  }
}

/**
 * Starts a gateway and resolves once it listens; with a worker admitted where one comes up in time.
 * @throws TrisealError `CONFIG_INVALID`, `KEY_UNKNOWN`, `KEY_FILE_INVALID`, `LOG_LOCKED`, `LOG_CORRUPT`, `MODEL_INVALID`.
 */
export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  if (!options.dev) assertProduction(options.config);
  const started = new Started();
  try {
    return await start(options, started);
  } catch (error) {
    await started.close();
    throw error;
  }
}

async function start(options: StartOptions, started: Started): Promise<RunningGateway> {
  const { config, dev, clock } = options;
  const { keys, created } = await openKeys(options);
  const ledger = await startLedger(options, keys, started);
  for (const event of created) await ledger.logShared("key", event);
  const catalog = await readCatalog(config);
  const platform = dev ? await makeSimulatedPlatform(config.dataDir) : null;
  const trustFile =
    platform === null
      ? (config.trust ?? "")
      : (config.trust ?? (await writeDevTrust(config.dataDir, config, keys, platform.publicKey, catalog.models)));
  const service = await readService(trustFile, keys, config.log.origin);
  const notAfter = clock() + config.keysetLifetimeDays * 86_400;
  const identity = createServiceIdentity(keys.gateway, { notAfter, dev });
  await ledger.storeKeyset(identity.keyset);
  await ledger.store(identity.reportBytes);
  const policy = await openPolicy(options, keys, service, ledger, started);
  startWitnesses(options, ledger, started);
  const tee = startWorkers({ ...options, service, catalog, seedFile: platform?.seedFile ?? null }, ledger);
  started.add(() => tee.close());
  const apiKey = dev ? await makeDevApiKey(config.dataDir) : null;
  const gateway = createGateway({
    identity,
    ledger,
    policy: policy.current,
    policyProblem: policy.problem,
    paths: [tee],
    models: catalog.models,
    tenants: tenantsOf(config, apiKey),
    codes: { ...coreCodes, ...teeCodes },
    limits: config.limits,
    clock,
    log: options.log,
    ...(config.diagnostics.stageTimes ? { observe: observeStages(options.log, started) } : {}),
    wellKnown: hintsOf(options, keys, catalog.models),
  });
  await tee.admitted(AbortSignal.timeout(FIRST_ADMISSION_MS)).catch(() => undefined);
  const server = await listen(gateway.fetch, config);
  started.add(() => server.close(() => gateway.drain()));
  return { url: server.url, trustFile, apiKey, workerPids: () => tee.pids(), close: () => started.close() };
}

function hintsOf({ config, dev }: StartOptions, keys: GatewayKeys, models: readonly CatalogModel[]) {
  const { quorum, peers } = config.witnesses;
  return {
    gateway_keys: [keys.gateway.publicKey],
    log: { origin: config.log.origin, public_keys: [keys.log.publicKey] },
    witnesses: { quorum, keys: peers.map(({ name, publicKey }) => ({ name, public_key: publicKey })) },
    policy_signers: [keys.policy.publicKey],
    models: models.map(({ name, digest }) => ({ name, digest })),
    dev,
  };
}

function tenantsOf(config: TrisealConfig, devApiKey: string | null): ReadonlyMap<string, Tenant> {
  const tenants = new Map<string, Tenant>(
    config.apiKeys.map(({ hash, tenant, tier, jurisdiction }) => [hash, { id: tenant, tier, jurisdiction }]),
  );
  if (devApiKey !== null) tenants.set(hashApiKey(devApiKey), { id: "dev", tier: "gold", jurisdiction: null });
  return tenants;
}

async function startLedger({ config, clock, files }: StartOptions, keys: GatewayKeys, started: Started): Promise<Ledger> {
  const { dataDir, log, retainDays } = config;
  const { ledger, vault } = await openLedger({ dataDir, origin: log.origin, signer: keys.log, retainDays, clock, files });
  started.add(() => ledger.log.close());
  const sweeping = setInterval(() => void vault.sweep().catch(() => undefined), SWEEP_INTERVAL_MS);
  sweeping.unref();
  started.add(() => clearInterval(sweeping));
  return ledger;
}

async function openPolicy(
  options: StartOptions,
  keys: GatewayKeys,
  service: TrustedService,
  ledger: Ledger,
  started: Started,
): Promise<PolicySource> {
  const { config, dev, clock } = options;
  const file = config.policy.file ?? join(packageRoot, "policies", dev ? "demo.policy.yaml" : "default.policy.yaml");
  const ownStatement = dev && config.policy.statement === null;
  const statement = config.policy.statement ?? (dev ? join(config.dataDir, "dev", "policy.sig.json") : `${file}.sig.json`);
  if (ownStatement) await signDevPolicy(file, statement, keys.policy, clock());
  const source = await followPolicy({ policy: file, statement, service, paths: ["tee"] }, async (active) => {
    await ledger.store(active.policyBytes);
    await ledger.store(active.statementBytes);
    await ledger.logShared("policy", active.statementBytes);
  });
  started.add(() => source.close());
  return source;
}

function startWitnesses({ config, log: write }: StartOptions, ledger: Ledger, started: Started): void {
  const { quorum, peers, timeoutMs } = config.witnesses;
  if (quorum === 0 || peers.length === 0) return;
  const client: WitnessClient = createWitnessClient({
    origin: config.log.origin,
    witnesses: peers,
    quorum,
    log: ledger.log,
    roundTimeoutMs: timeoutMs,
    onFailure: (witness, reason) => write({ level: "warn", event: "witness", witness, reason }),
  });
  ledger.useWitnesses(
    async (index) => {
      await client.settled(index, timeoutMs);
    },
    () => client.request(),
  );
  client.request();
  started.add(() => client.close());
}
