/** The serving suite: a model of 30 ms and more through plain HTTP, the tee path, and MLServer, interleaved in one run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ratio } from "../combined.ts";
import { childrenOf } from "../program.ts";
import { reasonOf } from "../python-environment.ts";
import { INTERVAL_METHOD, type Interval, percentiles, quantile, ratioOfMedians } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite } from "../suite.ts";
import { plainCaller, sealingCaller } from "../tee/caller.ts";
import { startPlainRoute, startService } from "../tee/service.ts";
import { makeWorkloads, type Workload } from "../tee/workload.ts";
import { otherCallers, ownCallers, type ServingLane } from "./lanes.ts";
import { type MlServer, restCaller, startMlServer } from "./mlserver.ts";
import type { ServingLevel, ServingResult, ServingRow } from "./result.ts";
import { servingTables } from "./tables.ts";

const X25519 = ["hpke-x25519-sha256-aes256gcm"];
const HYBRID = ["hpke-mlkem768-x25519-sha256-aes256gcm", ...X25519];
const SEALED = "sealed x25519";
const REST = "MLServer, REST, JSON";
const GRPC = "MLServer, gRPC, raw tensors";
const BASE64 = "MLServer, REST, base64";
/** What a client that follows the protocol sends; base64 takes an agreement with the runtime's author. */
const STANDARD = [REST, GRPC];

const LEVELS = [2, 4, 8];
/** The level of the stated ratio: twice as many callers as cores. */
const STATED = 4;
const WARM_ROUNDS = 10;
const LEAST_ROUNDS = 5;
const LEAST_BLOCKS = 3;
const BLOCK_MS = 1500;
/** Share of the seconds that goes to one caller at a time. */
const LATENCY_SHARE = 0.3;

const NOTES = [
  "simulated: the tee rows' worker shows simulated evidence and nothing ran inside a TEE; memory encryption and bounce buffers are not measured here",
  "sealed: sealed and opened by the SDK's parts, answered, logged and receipted; bundles are neither fetched nor verified, in the rows of one caller too",
  "every server runs the model with onnxruntime, one thread for a run, in two processes or threads; callers run on the same cores",
  "tensors: binary on the bare route; binary inside the seal; MLServer has no binary tensors over REST, and takes raw ones over gRPC",
  "MLServer: two parallel workers, a custom runtime for ONNX, no batching; base64 is a convention of that runtime, and no part of the protocol",
  "gRPC callers are a Python process with grpc.aio, the others Node; a ratio of throughput is of medians over blocks, resampled by block",
];

type Stops = (() => Promise<void>)[];

async function mlServerLanes(workload: Workload, server: MlServer): Promise<readonly ServingLane[]> {
  return [
    ownCallers(REST, false, workload, restCaller(server.url, "json"), server.pids),
    otherCallers(GRPC, await server.grpcCaller(), server.pids),
    ownCallers(BASE64, false, workload, restCaller(server.url, "base64"), server.pids),
  ];
}

/** The lanes that could be opened, the first of them the bare route; and why MLServer is not among them. */
async function openLanes(workload: Workload, models: string, stops: Stops) {
  const open = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    stops.push(() => started.stop());
    return started;
  };
  const plain = await open(startPlainRoute(models));
  const lanes = [ownCallers("bare", false, workload, plainCaller(plain.url, null), childrenOf(plain.pid))];
  for (const [variant, sealAlgorithms] of [
    [SEALED, X25519],
    ["sealed hybrid", HYBRID],
  ] as const) {
    const service = await open(startService({ sealAlgorithms, under: tmpdir(), models }));
    const call = await sealingCaller(service, workload.name);
    lanes.push(ownCallers(variant, true, workload, call, [service.pid, service.workerPid]));
  }
  try {
    const onnx = join(models, workload.name, "model.onnx");
    const folder = mkdtempSync(join(tmpdir(), "triseal-bench-mlserver-"));
    stops.push(async () => rmSync(folder, { recursive: true, force: true }));
    const server = await open(startMlServer(workload, onnx, folder));
    lanes.push(...(await mlServerLanes(workload, server)));
    return { lanes, versions: server.versions, unavailable: null };
  } catch (error) {
    return { lanes, versions: [], unavailable: reasonOf(error) };
  }
}

async function measureOne(lanes: readonly ServingLane[], seconds: number): Promise<void> {
  for (let round = 0; round < WARM_ROUNDS; round++) for (const lane of lanes) await lane.one(round);
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < LEAST_ROUNDS || performance.now() < end; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      const lane = lanes[(round + turn) % lanes.length];
      lane?.answered.push(await lane.one(round));
    }
  }
}

async function measureBlocks(lanes: readonly ServingLane[], levels: readonly number[], seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < LEAST_BLOCKS || performance.now() < end; round++) {
    for (const concurrency of levels) {
      for (let turn = 0; turn < lanes.length; turn++) {
        const lane = lanes[(round + turn) % lanes.length];
        const block = await lane?.block(concurrency, BLOCK_MS);
        if (lane !== undefined && block !== undefined)
          lane.blocks.set(concurrency, [...(lane.blocks.get(concurrency) ?? []), block]);
      }
    }
  }
}

const ratesOf = (lane: ServingLane | undefined, level: number) => (lane?.blocks.get(level) ?? []).map(({ rate }) => rate);

function rowOf(lane: ServingLane, bare: ServingLane | undefined): ServingRow {
  const levels = [...lane.blocks].map(([concurrency, blocks]): ServingLevel => {
    const median = (values: readonly number[]) => Number(quantile(values, 0.5).toPrecision(5));
    return {
      concurrency,
      answersPerSecond: median(blocks.map(({ rate }) => rate)),
      blocks: blocks.map(({ rate }) => Number(rate.toPrecision(5))),
      p50Ms: median(blocks.map(({ p50Ms }) => p50Ms)),
      serverCpuMs: median(blocks.map(({ cpuMs }) => cpuMs)),
    };
  });
  const ratio = bare === undefined || bare === lane ? null : ratioOfMedians(lane.answered, bare.answered);
  const { variant, simulated, answered } = lane;
  return { variant, simulated, unavailable: null, answeredMs: percentiles(answered), ratio, levels };
}

function sealedOver(lanes: readonly ServingLane[], levels: readonly number[]): ServingResult["sealedOver"] {
  const sealed = lanes.find(({ variant }) => variant === SEALED);
  const over = (lane: ServingLane): Record<string, Interval> =>
    Object.fromEntries(levels.map((level) => [String(level), ratioOfMedians(ratesOf(sealed, level), ratesOf(lane, level))]));
  return Object.fromEntries(lanes.filter((lane) => lane !== sealed).map((lane) => [lane.variant, over(lane)]));
}

/** Ours against the fastest standard way to call MLServer, and against its base64 convention. */
function ratiosOf(
  model: string,
  lanes: readonly ServingLane[],
  level: number,
  unavailable: string | null,
): ServingResult["ratios"] {
  const find = (name: string) => lanes.find(({ variant }) => variant === name);
  const [sealed, base64] = [find(SEALED), find(BASE64)];
  const standard = STANDARD.flatMap((name) => find(name) ?? []);
  const fastest = [...standard].sort((a, b) => quantile(ratesOf(b, level), 0.5) - quantile(ratesOf(a, level), 0.5))[0];
  const quickest = [...standard].sort((a, b) => quantile(a.answered, 0.5) - quantile(b.answered, 0.5))[0];
  const none: Ratio = { median: null, reason: unavailable ?? "not measured" };
  const rates = (other: ServingLane | undefined): Ratio =>
    other === undefined ? none : ratioOfMedians(ratesOf(sealed, level), ratesOf(other, level));
  const p50 = (other: ServingLane | undefined): Ratio =>
    other === undefined ? none : ratioOfMedians(sealed?.answered ?? [], other.answered);
  const convention = `${model}, tensors in base64`;
  return {
    tee_sealed_over_mlserver_throughput: { [model]: rates(fastest), [convention]: rates(base64) },
    tee_sealed_over_mlserver_p50: { [model]: p50(quickest), [convention]: p50(base64) },
  };
}

async function measureAll(options: BenchOptions, models: string, stops: Stops): Promise<ServingResult> {
  const before = load();
  const workload = (await makeWorkloads({ ...options, smallest: false }, models)).at(-1);
  if (workload === undefined) throw new Error("no workload");
  options.progress("starting the services");
  const { lanes, versions, unavailable } = await openLanes(workload, models, stops);
  stops.unshift(async () => {
    for (const lane of lanes) lane.close();
  });
  options.progress(`${workload.name}: one caller`);
  await measureOne(lanes, options.seconds * LATENCY_SHARE);
  const levels = options.smallest ? [STATED] : LEVELS;
  options.progress(`${workload.name}: several callers`);
  await measureBlocks(lanes, levels, options.seconds * (1 - LATENCY_SHARE));
  const missing = { variant: "MLServer", simulated: false, answeredMs: null, ratio: null, levels: [] };
  const about = provenance(["onnxruntime-node", "hono", "hpke"]);
  return {
    schema: RESULT_SCHEMA,
    suite: "serving",
    simulated: true,
    ...about,
    versions: { ...about.versions, ...Object.fromEntries(versions.map((text) => text.split("==") as [string, string])) },
    seconds: options.seconds,
    load: { before, after: load() },
    intervals: INTERVAL_METHOD,
    notes: NOTES,
    model: workload.name,
    rows: [...lanes.map((lane) => rowOf(lane, lanes[0])), ...(unavailable === null ? [] : [{ ...missing, unavailable }])],
    sealedOver: sealedOver(lanes, levels),
    ratios: ratiosOf(workload.name, lanes, STATED, unavailable),
  };
}

async function run(options: BenchOptions): Promise<ServingResult> {
  const models = mkdtempSync(join(tmpdir(), "triseal-bench-serving-"));
  const stops: Stops = [];
  try {
    return await measureAll(options, models, stops);
  } finally {
    for (const stop of stops) await stop();
    rmSync(models, { recursive: true, force: true });
  }
}

/** `npm run bench -- serving`. */
export const servingSuite: Suite<ServingResult> = { name: "serving", run, tables: servingTables };
