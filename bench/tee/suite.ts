/** The tee suite: bare route, unsealed, sealed with X25519 and sealed with the hybrid, in one interleaved run. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childrenOf } from "../program.ts";
import type { Interval } from "../statistics.ts";
import { INTERVAL_METHOD } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite } from "../suite.ts";
import { plainCaller, requestBytes, sdkCaller, sealingCaller } from "./caller.ts";
import { measureDisk } from "./disk.ts";
import { measureLatency, type Variant } from "./latency.ts";
import { measureMemory } from "./memory.ts";
import type { ModelResult, TeeResult } from "./result.ts";
import { type Service, startPlainRoute, startService } from "./service.ts";
import { measureStagesOf } from "./stages.ts";
import { teeTables } from "./tables.ts";
import { measureThroughput } from "./throughput.ts";
import { measureVerification } from "./verification.ts";
import { makeWorkloads, type Workload } from "./workload.ts";

const X25519 = ["hpke-x25519-sha256-aes256gcm"];

/** Below this time of the bare route the added milliseconds are what counts, from it on the ratio. */
const LARGE_MS = 30;

const NOTES = [
  "simulated: the worker's evidence is simulated and nothing ran inside a TEE; memory encryption and bounce buffers are not measured here",
  "answered: until the opened answer is in hand; verified: with its bundle fetched and verified by the SDK, too",
  "unsealed: sent in the clear; the gateway seals to the worker with X25519, logs and receipts",
  "throughput: the callers run on the same cores; sealed callers seal and open there and verify nothing",
  "large tensors travel as binary with every variant, the bare route included; small ones as JSON",
  "bare route: Hono and onnxruntime-node, one thread per run, as many processes as the worker has lanes",
];

interface Running {
  readonly plain: Awaited<ReturnType<typeof startPlainRoute>>;
  readonly disk: Service;
  readonly hybrid: Service;
  readonly memory: Service | null;
  readonly other: Service | null;
}

/** Folders under which data folders are made: the machine's temporary folder, and one in memory where there is one. */
const DISK = tmpdir();
const IN_MEMORY = existsSync("/dev/shm") ? "/dev/shm" : null;

function latencyVariants({ plain, disk, hybrid, memory, other }: Running): readonly Variant[] {
  return [
    { name: "bare", call: plainCaller(plain.url, null) },
    { name: "unsealed", call: sdkCaller(disk, false) },
    { name: "sealed x25519", call: sdkCaller(disk, true) },
    { name: "sealed hybrid", call: sdkCaller(hybrid, true) },
    ...(memory === null ? [] : [{ name: "sealed x25519, data on tmpfs", call: sdkCaller(memory, true) }]),
    ...(other === null ? [] : [{ name: "sealed x25519, other checkout", call: sdkCaller(other, true) }]),
  ];
}

const serversOf = ({ pid, workerPid }: Service) => [pid, workerPid];

/** Answers of every variant before those that count. */
const WARM_SECONDS = 15;

async function throughputVariants({ plain, disk, hybrid, other }: Running, model: string): Promise<readonly Variant[]> {
  return [
    { name: "bare", call: plainCaller(plain.url, null), servers: childrenOf(plain.pid) },
    { name: "unsealed", call: plainCaller(disk.url, disk.apiKey), servers: serversOf(disk) },
    { name: "sealed x25519", call: await sealingCaller(disk, model), servers: serversOf(disk) },
    { name: "sealed hybrid", call: await sealingCaller(hybrid, model), servers: serversOf(hybrid) },
    ...(other === null
      ? []
      : [
          {
            name: "sealed x25519, other checkout",
            call: await sealingCaller(other, model),
            servers: serversOf(other),
          },
        ]),
  ];
}

async function measureModels(workloads: readonly Workload[], running: Running, options: BenchOptions) {
  const levels = options.smallest ? [2] : [1, 2, 4, 8, 16];
  const share = options.seconds / workloads.length;
  const models: ModelResult[] = [];
  let bundle: Uint8Array | null = null;
  for (const workload of workloads) {
    options.progress(`${workload.name}: latency`);
    const latency = await measureLatency(workload, latencyVariants(running), share, options.smallest ? 0 : WARM_SECONDS);
    bundle ??= latency.bundle;
    options.progress(`${workload.name}: throughput`);
    const variants = await throughputVariants(running, workload.name);
    const throughput = await measureThroughput(workload, variants, levels, share);
    const described = { model: workload.name, title: workload.title, requestBytes: requestBytes(workload) };
    models.push({ ...described, latency: latency.rows, throughput });
  }
  return { models, bundle };
}

function goals(models: readonly ModelResult[]): TeeResult["ratios"] {
  const added: Record<string, Record<string, Interval>> = {};
  const ratios: Record<string, Interval> = {};
  for (const { model, latency } of models) {
    const isLarge = (latency[0]?.answeredMs.p50 ?? 0) >= LARGE_MS;
    for (const { variant, addedMs, ratio } of latency) {
      if (isLarge && ratio !== null && variant === "sealed x25519") ratios[model] = ratio;
      if (!isLarge && addedMs !== null) added[model] = { ...added[model], [variant]: addedMs };
    }
  }
  return { tee_added_ms: added, tee_sealed_over_http_p50: ratios };
}

async function measureAll(options: BenchOptions, models: string, stops: (() => Promise<void>)[]): Promise<TeeResult> {
  const before = load();
  const workloads = await makeWorkloads(options, models);
  const [smallest] = workloads;
  if (smallest === undefined) throw new Error("no workload");
  const open = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    stops.push(() => started.stop());
    return started;
  };
  options.progress("starting the services");
  const hybridAlgorithms = ["hpke-mlkem768-x25519-sha256-aes256gcm", ...X25519];
  const x25519Setup = { sealAlgorithms: X25519, under: DISK, models };
  const plain = await open(startPlainRoute(models));
  const disk = await open(startService(x25519Setup));
  const hybrid = await open(startService({ ...x25519Setup, sealAlgorithms: hybridAlgorithms }));
  const memory = IN_MEMORY === null ? null : await open(startService({ ...x25519Setup, under: IN_MEMORY }));
  const { against } = options;
  const other = against === null ? null : await open(startService({ ...x25519Setup, checkout: against }));
  const syncs = options.smallest ? 10 : 200;
  const disks = [await measureDisk(DISK, syncs), ...(IN_MEMORY === null ? [] : [await measureDisk(IN_MEMORY, syncs)])];
  const { models: measured, bundle } = await measureModels(workloads, { plain, disk, hybrid, memory, other }, options);
  options.progress("verification");
  const verification = bundle === null ? null : await bestTrust(bundle, [disk, hybrid, memory, other], options);
  for (const stop of stops.splice(0)) await stop();
  options.progress("stages");
  const requests = options.smallest ? 10 : 150;
  const stages = [...(await measureStagesOf(workloads, "sealed x25519", x25519Setup, requests))];
  if (!options.smallest) {
    const setup = { ...x25519Setup, sealAlgorithms: hybridAlgorithms };
    stages.push(...(await measureStagesOf(workloads, "sealed hybrid", setup, requests)));
  }
  options.progress(`memory over ${options.memoryRequests} requests`);
  const memoryResult = options.memoryRequests === 0 ? null : await measureMemory(smallest, x25519Setup, options.memoryRequests);
  return {
    schema: RESULT_SCHEMA,
    suite: "tee",
    simulated: true,
    ...provenance(["onnxruntime-node", "hono", "@hono/node-server", "hpke", "@panva/hpke-noble", "@noble/curves"]),
    seconds: options.seconds,
    load: { before, after: load() },
    intervals: INTERVAL_METHOD,
    notes: NOTES,
    disks,
    models: measured,
    stages,
    verification,
    memory: memoryResult,
    ratios: goals(measured),
  };
}

/** Verifies under the trust file of the service that the bundle is from. */
async function bestTrust(bundle: Uint8Array, services: readonly (Service | null)[], options: BenchOptions) {
  let failure: unknown = null;
  for (const service of services) {
    if (service === null) continue;
    try {
      return await measureVerification(bundle, service.trust, options.smallest ? 5 : 200);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function run(options: BenchOptions): Promise<TeeResult> {
  const models = mkdtempSync(join(tmpdir(), "triseal-bench-models-"));
  const stops: (() => Promise<void>)[] = [];
  try {
    return await measureAll(options, models, stops);
  } finally {
    for (const stop of stops) await stop();
    rmSync(models, { recursive: true, force: true });
  }
}

/** `npm run bench -- tee`. */
export const teeSuite: Suite<TeeResult> = { name: "tee", run, tables: teeTables };
