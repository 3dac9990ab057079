/** A gateway in this process: real keys, a real log and real files in a folder of its own, any paths. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { coreCodes, type ErrorTable } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { type Clock, unixSeconds } from "../../src/core/time.ts";
import { hashApiKey } from "../../src/gateway/authenticate.ts";
import { createGateway, type Gateway } from "../../src/gateway/create-gateway.ts";
import type { JobOptions } from "../../src/gateway/job.ts";
import { Ledger } from "../../src/gateway/ledger.ts";
import type { ActivePolicy, CatalogModel, GatewayOptions } from "../../src/gateway/options.ts";
import type { VaultKeys } from "../../src/gateway/response-vault.ts";
import { createServiceIdentity } from "../../src/gateway/service-identity.ts";
import { BlobStore } from "../../src/log/store/blob-store.ts";
import { nodeFiles } from "../../src/log/store/files.ts";
import { TransparencyLog } from "../../src/log/store/transparency-log.ts";
import type { InferencePath } from "../../src/paths/path.ts";
import { parsePolicy, signPolicyStatement } from "../../src/policy/index.ts";
import { JobQueue, JobTable, SqlReceiptIndex, type StoreDatabase } from "../../src/store/index.ts";
import { MemoryReceiptIndex } from "../../src/store/memory-receipt-index.ts";
import { parseTrust, type Trust } from "../../src/trust/index.ts";
import { testSigner } from "../fixtures/signer.ts";

export const NOW = unixSeconds(1_790_000_000);
export const ORIGIN = "log.example/gateway";
export const API_KEY = "a key of sixteen characters".replaceAll(" ", "-");
export const OTHER_KEY = "another-key-of-sixteen-characters";
/** A second key of the first one's tenant. */
export const COLLEAGUE_KEY = "a-colleague-of-sixteen-characters";

const signers = { gateway: testSigner("gateway-1", 21), log: testSigner("log-1", 22), policy: testSigner("policy-1", 23) };

/** Keys of stored answers, in memory. */
export function memoryVault(): VaultKeys & { readonly keys: Map<string, Uint8Array> } {
  const keys = new Map([["2026-09-21", new Uint8Array(32).fill(5)]]);
  return {
    keys,
    current: async () => ({ name: "2026-09-21", key: keys.get("2026-09-21") ?? new Uint8Array(32) }),
    find: async (name) => keys.get(name) ?? null,
  };
}

/** A policy whose rules are this YAML, signed and in force. */
export function activePolicy(rules: string): ActivePolicy {
  const policyBytes = utf8(`apiVersion: triseal.dev/v1\ndefaults: { effect: deny }\nrules:\n${rules}`);
  const period = { notBefore: unixSeconds(NOW - 1000), notAfter: unixSeconds(NOW + 1000) };
  const body = { v: 1, policyDigest: digestOf(policyBytes), sequence: 1, ...period } as const;
  return {
    policy: parsePolicy(policyBytes),
    policyBytes,
    statementBytes: signPolicyStatement(body, signers.policy),
    sequence: 1,
    ...period,
  };
}

/** What the gateway's auditor trusts. */
export function trustFor(paths: Readonly<Record<string, JsonObject>>, more: JsonObject = {}): Trust {
  const service = {
    name: "test",
    gateway: { keys: [{ publicKey: signers.gateway.publicKey }], teeTypes: [{ accept: "triseal-none", because: "a test" }] },
    logs: [{ origin: ORIGIN, publicKey: signers.log.publicKey }],
    witnesses: { accept: "none", because: "a test" },
    policySigners: [{ publicKey: signers.policy.publicKey, minSequence: 1 }],
    paths,
    ...more,
  };
  return parseTrust(utf8(JSON.stringify({ apiVersion: "triseal.dev/trust/v1", services: [service] })));
}

/** A gateway and what stands behind it. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly ledger: Ledger;
  readonly log: TransparencyLog;
  readonly folder: string;
  readonly vault: ReturnType<typeof memoryVault>;
  readonly lines: readonly JsonObject[];
  /** Opens the ledger again over the same folder and log. */
  reopenLedger(): Promise<Ledger>;
  /** Puts another process in the place of this one: nothing but log, records, vault and database is left. The old one does no more. */
  restart(): Promise<void>;
  /** Puts another policy in force. */
  usePolicy(rules: string): Promise<void>;
  post(path: string, body: string | Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Response>;
  get(path: string, apiKey?: string): Promise<Response>;
  /** The bundle of a receipt. */
  bundle(receiptId: string): Promise<Uint8Array>;
}

/** Starts a gateway; it is gone after the test. */
export async function startGateway(options: {
  readonly paths: readonly InferencePath[];
  readonly models: readonly CatalogModel[];
  readonly rules: string;
  readonly codes?: ErrorTable;
  readonly limits?: Partial<GatewayOptions["limits"]>;
  /** Index and jobs in this database; without one the index is in memory, and there are no jobs. */
  readonly database?: StoreDatabase;
  readonly jobs?: Partial<JobOptions["limits"]>;
  readonly clock?: Clock;
  readonly receiptSigner?: GatewayOptions["receiptSigner"];
}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-gateway-"));
  const log = await TransparencyLog.open({ directory: `${folder}/log`, origin: ORIGIN, signer: signers.log, files: nodeFiles });
  onTestFinished(async () => {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  });
  await nodeFiles.makeDirectory(`${folder}/blobs`);
  const vault = memoryVault();
  const { database, clock = () => NOW } = options;
  const indexed = () => ({ origin: ORIGIN, size: log.size, leafHashAt: (leaf: number) => log.leafHashAt(leaf) });
  const openIndex = async () =>
    database === undefined ? new MemoryReceiptIndex() : SqlReceiptIndex.open(Promise.resolve(database.db), indexed());
  const openLedger = async () => Ledger.open(log, new BlobStore(nodeFiles, `${folder}/blobs`), vault, await openIndex());
  let ledger = await openLedger();
  const identity = createServiceIdentity(signers.gateway, { notAfter: NOW + 86_400, dev: false, tlsKeys: [] });
  let policy = activePolicy(options.rules);
  const usePolicy = async (active: ActivePolicy) => {
    for (const bytes of [active.policyBytes, active.statementBytes]) await ledger.store(bytes);
    await ledger.logShared("policy", active.statementBytes);
    policy = active;
  };
  await ledger.storeKeyset(identity.keyset);
  await ledger.store(identity.reportBytes);
  await usePolicy(policy);
  const lines: JsonObject[] = [];
  const limits = { maxOpenPerTenant: 8, deadlineSeconds: 900, maxAttempts: 3, concurrency: 1, ...options.jobs };
  const openJobs = async (opened: StoreDatabase) => ({
    table: new JobTable(opened.db, ORIGIN),
    queue: await JobQueue.open(opened),
  });
  const open = (from: Ledger) =>
    createGateway({
      identity: () => identity,
      receiptSigner: options.receiptSigner ?? (async (keyId) => (keyId === signers.gateway.keyId ? signers.gateway : null)),
      ledger: from,
      policy: () => policy,
      policyProblem: () => null,
      paths: options.paths,
      jobs: database === undefined ? null : { store: openJobs(database), limits },
      models: options.models,
      tenants: new Map([
        [hashApiKey(API_KEY), { id: "acme", tier: "gold", jurisdiction: "EU" }],
        [hashApiKey(COLLEAGUE_KEY), { id: "acme", tier: "gold", jurisdiction: "EU" }],
        [hashApiKey(OTHER_KEY), { id: "other", tier: null, jurisdiction: null }],
      ]),
      codes: { ...coreCodes, ...options.codes },
      limits: {
        maxBodyBytes: 100_000,
        maxTensorElements: 1000,
        maxInFlight: 8,
        maxInFlightPerTenant: 1000,
        maxHeldBytes: 1_000_000,
        maxHeldBytesPerTenant: 1_000_000,
        challengeSeconds: 300,
        maxChallengesPerTenant: 8,
        ...options.limits,
      },
      clock,
      log: (line) => lines.push(line),
      wellKnown: () => ({}),
    });
  let gateway = open(ledger);
  if (database !== undefined) {
    await gateway.startJobs();
    onTestFinished(() => gateway.drain());
  }
  const call = async (path: string, init: RequestInit) => gateway.fetch(new Request(`http://gateway.test${path}`, init));
  const get = (path: string, apiKey = API_KEY) => call(path, { headers: { authorization: `Bearer ${apiKey}` } });
  return {
    get gateway() {
      return gateway;
    },
    get ledger() {
      return ledger;
    },
    log,
    folder,
    vault,
    lines,
    reopenLedger: openLedger,
    restart: async () => {
      await gateway.drain();
      ledger = await openLedger();
      gateway = open(ledger);
      await gateway.startJobs();
    },
    usePolicy: (rules) => usePolicy(activePolicy(rules)),
    get,
    post: (path, body, headers = {}) =>
      call(path, {
        method: "POST",
        body: typeof body === "string" ? body : Uint8Array.from(body),
        headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers },
      }),
    bundle: async (id) => new Uint8Array(await (await get(`/v1/receipts/${id}/bundle`)).arrayBuffer()),
  };
}
