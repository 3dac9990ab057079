/** Composition root of the gateway: keys, log, policy, workers and routes become one running server. */
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import { coreCodes, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Clock } from "../core/time.ts";
import { createGateway } from "../gateway/create-gateway.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { type KeyPurpose, KeyStore } from "../keys/key-store.ts";
import { type DurableFiles, makeDurableDirectory } from "../log/store/files.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import { codes as fheCodes } from "../paths/fhe/wire/codes.ts";
import type { TeePath } from "../paths/tee/server/tee-path.ts";
import { codes as teeCodes } from "../paths/tee/wire/codes.ts";
import { codes as zkCodes } from "../paths/zk/wire/codes.ts";
import type { StoreDatabase } from "../store/index.ts";
import { type Catalog, hintsOf, readCatalog, tenantsOf } from "./catalog.ts";
import type { TrisealConfig } from "./config.ts";
import { makeDevPlatform, NO_PLATFORM } from "./dev-platform.ts";
import { devTrustFile, makeDevApiKey, signDevPolicy, writeDevTrust } from "./dev-setup.ts";
import { assertDevelopment, assertProduction } from "./fit-config.ts";
import { IdentitySource } from "./identity-source.ts";
import { KeyChanges, logHistory } from "./key-changes.ts";
import { type ActiveKeys, type KeyedParts, RunningKeyEffects } from "./key-effects.ts";
import { listen } from "./listen.ts";
import { startLedger, startWitnesses } from "./open-ledger.ts";
import { openJobs, openReceiptIndex, openStore } from "./open-store.ts";
import { createOperatorApp, type OperatorActions, openOperatorChannel } from "./operator-channel.ts";
import type { OperatorAnswer } from "./operator-message.ts";
import { packageRoot } from "./package-root.ts";
import { followPolicy, type PolicySource, SERVED_PATHS } from "./policy-source.ts";
import { ServiceTrust } from "./service-trust.ts";
import { observeStages } from "./stage-log.ts";
import { type EngineCommand, type FheSetup, type StartedFhe, startFhe } from "./start-fhe.ts";
import { type StartedProvers, startProvers } from "./start-provers.ts";
import { startWorkers } from "./start-workers.ts";
import { Started } from "./started.ts";
import { followTls, type TlsPair, type TlsSource, tlsChanges } from "./tls-source.ts";

/** How a gateway is started. */
export interface StartOptions {
  readonly config: TrisealConfig;
  /** Development: own keys, simulated evidence, marked receipts. */
  readonly dev: boolean;
  /** Address of the PostgreSQL database; null embeds one in the data folder. */
  readonly databaseUrl: string | null;
  readonly clock: Clock;
  readonly log: OperatorLog;
  /** The disk of keys, log, records, blobs and vault. */
  readonly files: DurableFiles;
  /** Another engine of the fhe path than the one that `npm run build:engine` makes. */
  readonly fheEngine?: EngineCommand;
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

/** Longest wait for the first admitted worker before the server answers anyway, not ready. */
const FIRST_ADMISSION_MS = 60_000;

/**
 * Starts a gateway and resolves once it listens; with a worker admitted where one comes up in time.
 * @throws TrisealError `CONFIG_INVALID`, `KEY_UNKNOWN`, `KEY_FILE_INVALID`, `LOG_LOCKED`, `LOG_CORRUPT`, `MODEL_INVALID`,
 *   `TRUST_FILE_INVALID`, `POLICY_INVALID`.
 */
export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  if (options.dev) assertDevelopment(options.config);
  else assertProduction(options.config);
  const started = new Started();
  try {
    return await start(options, started);
  } catch (error) {
    await started.close();
    throw error;
  }
}

async function start(options: StartOptions, started: Started): Promise<RunningGateway> {
  const { config, dev, clock, files } = options;
  let adoptTls: (pair: TlsPair) => Promise<void> = () => Promise.reject(new Error("no keyset is in force yet"));
  const tls = await openTls(options, (pair) => adoptTls(pair), started);
  await makeDurableDirectory(files, config.dataDir);
  const store = new KeyStore(join(config.dataDir, "keys"), files);
  const active = await openKeys(options, store);
  assertOwnRole(tls, active);
  const { dataDir } = config;
  const { ledger, database } = await openLog(options, active.log, started);
  await logHistory(store, ledger);
  const catalog = await readCatalog(config);
  const platform = dev ? await makeDevPlatform(config, clock()) : NO_PLATFORM;
  const provers = await openProvers(options, catalog, started);
  const fhe = await openFhe({ ...options, modelsFolder: catalog.folder }, ledger, database, started);
  const shown = { catalog, provers, fhe, evidence: platform.evidence };
  const { trust, writeTrust } = await openTrust(options, store, active, shown);
  const lifetimeSeconds = config.keysetLifetimeDays * 86_400;
  const identity = await IdentitySource.open(
    { dataDir, lifetimeSeconds, dev, ledger, files, tls, clock, log: options.log },
    active.gateway,
  );
  adoptTls = (pair) => identity.adoptTls(pair);
  started.add(identity.watch());
  const { policy, signPolicy } = await openPolicy(options, active.policy, trust, ledger);
  started.add(() => policy.close());
  startWitnesses(config, options.log, ledger, started);
  const tee = startWorkers({ ...options, service: () => trust.current(), catalog, platform }, ledger);
  started.add(() => tee.close());
  const apiKey = dev ? await makeDevApiKey(config.dataDir) : null;
  const gateway = createGateway({
    identity: identity.current,
    receiptSigner: (keyId) => store.signerById("gateway", keyId),
    ledger,
    policy: policy.current,
    policyProblem: policy.problem,
    paths: [tee, provers.path, fhe.path],
    jobs: openJobs(config, database, started),
    models: catalog.models,
    tenants: tenantsOf(config, apiKey),
    codes: { ...coreCodes, ...teeCodes, ...zkCodes, ...fheCodes },
    limits: config.limits,
    clock,
    log: options.log,
    ...(config.diagnostics.stageTimes ? { observe: observeStages(options.log, started) } : {}),
    wellKnown: async () => hintsOf(config, await store.list(), catalog.models, dev),
  });
  await tee.admitted(AbortSignal.timeout(FIRST_ADMISSION_MS)).catch(() => undefined);
  const server = await listen(gateway.fetch, config, tls);
  started.add(() => server.close(() => gateway.drain()));
  gateway
    .startJobs()
    .catch(() => options.log({ level: "error", event: "jobs", detail: "no job is taken: the store cannot be opened" }));
  const trustChanged = async () => {
    tee.reappraise();
    await policy.reload();
  };
  const parts = { store, active, trust, writeTrust, identity, log: ledger.log, policy, signPolicy, trustChanged };
  await openOperator(options, parts, ledger, tee, started);
  return { url: server.url, trustFile: trust.file, apiKey, workerPids: () => tee.pids(), close: () => started.close() };
}

/** The provers, started before the trust file is written that names their keys. */
async function openProvers(options: StartOptions, { folder }: Catalog, started: Started): Promise<StartedProvers> {
  const provers = await startProvers({ ...options, modelsFolder: folder });
  started.add(() => provers.path.close());
  return provers;
}

/** The engine's path; it is closed before the database that it writes to. */
async function openFhe(
  options: FheSetup,
  ledger: Ledger,
  database: Promise<StoreDatabase>,
  started: Started,
): Promise<StartedFhe> {
  const fhe = await startFhe(options, ledger, database);
  started.add(() => fhe.path.close());
  return fhe;
}

/** The ledger, and the store that is its index. @throws TrisealError as `openLedger`; `STORE_UNAVAILABLE` for PostgreSQL. */
async function openLog({ config, databaseUrl, clock, files, log: write }: StartOptions, signer: Signer, started: Started) {
  const { dataDir, retainDays } = config;
  const { origin } = config.log;
  const database = openStore(dataDir, databaseUrl, write);
  started.add(async () => (await database.catch(() => null))?.close());
  // The embedded one is opened beside everything else: a new log needs it for nothing yet.
  if (databaseUrl !== null) await database;
  const openIndex = (log: TransparencyLog) => openReceiptIndex(database, log, origin, started);
  return { ledger: await startLedger({ dataDir, origin, signer, retainDays, clock, files, openIndex }, started), database };
}

async function openKeys({ dev, clock }: StartOptions, store: KeyStore): Promise<ActiveKeys> {
  if (dev) await store.init({ dev: true, now: clock() });
  const signer = (purpose: KeyPurpose) => store.signer(purpose, dev ? "dev" : "production");
  return { gateway: await signer("gateway"), log: await signer("log"), policy: await signer("policy") };
}

/** The trust file in force; a development gateway without a configured one writes its own. */
async function openTrust(
  { config, dev }: StartOptions,
  store: KeyStore,
  active: ActiveKeys,
  shown: {
    readonly catalog: Catalog;
    readonly provers: StartedProvers;
    readonly fhe: StartedFhe;
    readonly evidence: readonly JsonObject[];
  },
): Promise<{ readonly trust: ServiceTrust; readonly writeTrust: KeyedParts["writeTrust"] }> {
  const { dataDir } = config;
  const { catalog, provers, fhe, evidence } = shown;
  const sections = { zkSection: provers.trustSection, fheSection: fhe.trustSection };
  const isOwn = dev && config.trust === null;
  const writeTrust: KeyedParts["writeTrust"] = isOwn
    ? (keys) => writeDevTrust({ dataDir, config, evidence, models: catalog.models, ...sections }, keys)
    : null;
  await writeTrust?.(await store.list());
  const keys = { gateway: active.gateway.publicKey, log: active.log.publicKey };
  const file = isOwn ? devTrustFile(dataDir) : (config.trust ?? "");
  return { trust: await ServiceTrust.open(file, config.log.origin, keys), writeTrust };
}

async function openPolicy(
  { config, dev, clock }: StartOptions,
  signer: Signer,
  trust: ServiceTrust,
  ledger: Ledger,
): Promise<{ readonly policy: PolicySource; readonly signPolicy: KeyedParts["signPolicy"] }> {
  const file = config.policy.file ?? join(packageRoot, "policies", dev ? "demo.policy.yaml" : "default.policy.yaml");
  const isOwn = dev && config.policy.statement === null;
  const statement = config.policy.statement ?? (dev ? join(config.dataDir, "dev", "policy.sig.json") : `${file}.sig.json`);
  const signPolicy = isOwn ? (by: Signer) => signDevPolicy(file, statement, by, clock()) : null;
  await signPolicy?.(signer);
  const files = { policy: file, statement, service: () => trust.current(), paths: SERVED_PATHS };
  const policy = await followPolicy(files, async (active) => {
    await ledger.store(active.policyBytes);
    await ledger.store(active.statementBytes);
    await ledger.logShared("policy", active.statementBytes);
  });
  return { policy, signPolicy };
}

/** Opens the operator's channel, last: what it changes is complete then. It is closed first, so that nothing changes while the gateway drains. */
async function openOperator(
  { config, clock, log }: StartOptions,
  parts: KeyedParts,
  ledger: Ledger,
  tee: TeePath,
  started: Started,
): Promise<void> {
  const effects = new RunningKeyEffects(parts);
  const changes = new KeyChanges(parts.store, ledger, clock, effects);
  const answer = (events: OperatorAnswer["events"] = []): OperatorAnswer => ({ v: 1, events, workers: tee.pids() });
  const actions: OperatorActions = {
    "/keys/init": async ({ dev }) => answer(await changes.init(dev)),
    "/keys/stage": async ({ purpose }) => answer(await changes.stage(purpose)),
    "/keys/rotate": async ({ purpose }) => answer(await changes.rotate(purpose)),
    "/keys/revoke": async ({ keyId, because }) => answer(await changes.revoke(keyId, because)),
    "/trust/reload": async () => {
      await effects.reloadTrust();
      return answer();
    },
    "/workers/restart": async () => {
      await tee.restart();
      return answer();
    },
  };
  const close = await openOperatorChannel(config.dataDir, createOperatorApp(actions, log));
  if (close === null)
    log({ level: "warn", event: "no operator channel", reason: "the data folder's path is too long for a socket" });
  else started.add(close);
}

/** The configured TLS key, or null. @throws TrisealError `CONFIG_INVALID`. */
async function openTls(
  { config, clock, log }: StartOptions,
  adopt: (pair: TlsPair) => Promise<void>,
  started: Started,
): Promise<TlsSource | null> {
  if (config.listen.tls === null) return null;
  const tls = await followTls(config.listen.tls, clock, tlsChanges(log, adopt));
  started.add(() => tls.close());
  return tls;
}

/** One key has one role (ACI section 3.1). @throws TrisealError `CONFIG_INVALID`. */
function assertOwnRole(tls: TlsSource | null, { gateway, log, policy }: ActiveKeys): void {
  if ([gateway, log, policy].some((key) => key.publicKey === tls?.pair.ed25519Key))
    throw new TrisealError("CONFIG_INVALID", "listen.tls.keyFile: this key signs for the gateway already: make another for TLS");
}
