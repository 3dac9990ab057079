/**
 * The enclave worker: a process of its own. Its configuration is one JSON line on standard input; it says that it is
 * ready, or why not, in one JSON line on standard output, logs to standard error, and ends when standard input closes:
 * its parent is gone then, and an orphan would hold keys that nobody asks for.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import { isTrisealError, TrisealError } from "../../src/core/errors.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { type LoadedPackage, readPackage, readPackages } from "../../src/model/read/read-package.ts";
import { workerFilesDigest } from "../../src/paths/tee/wire/keyset.ts";
import { useNodePrimitives } from "../../src/signing/node-primitives.ts";
import { openAttester } from "../attester/open-attester.ts";
import { listWorkerFiles } from "../image/released-file.ts";
import { readConfigLine } from "../process/config-line.ts";
import { warmCommitments } from "./commit-run.ts";
import { MAX_CONFIG_BYTES, parseWorkerConfig, type WorkerConfig } from "./config.ts";
import { createWorkerServer } from "./http-server.ts";
import { knownRuns } from "./integer-run.ts";
import { KeyRing } from "./key-ring.ts";
import { createLog } from "./log-line.ts";
import { ModelLanes } from "./model-lane.ts";
import { ReplayGuard } from "./replay-guard.ts";

/** How long requests in progress may go on after SIGTERM. */
const DRAIN_MS = 3000;

/** How often the memory in use is logged where stage times are. */
const MEMORY_MS = 2000;

const memoryOf = ({ rss, heapUsed }: NodeJS.MemoryUsage) => ({ rss, heap: heapUsed });

const clock = () => unixSeconds(Math.floor(Date.now() / 1000));
const log = createLog((line) => process.stderr.write(line), Date.now);

let ending = false;

/** Whether a model thread may be inside the runtime now. */
let isRuntimeBusy = () => false;

/** Ends the process at once. `process.exit` would wait for a thread that is inside the runtime, so that is cut off. */
function end(code: number): void {
  ending = true;
  if (isRuntimeBusy()) process.kill(process.pid, "SIGKILL");
  else process.exit(code);
}

async function loadPackages(config: WorkerConfig): Promise<readonly LoadedPackage[]> {
  const packages: LoadedPackage[] = [];
  if (config.modelsFolder !== undefined) packages.push(...(await readPackages(config.modelsFolder)));
  for (const folder of config.packageFolders ?? []) packages.push(...(await readPackage(folder)));
  if (packages.length === 0) throw new TrisealError("CONFIG_INVALID", "worker config: no model package");
  if (new Set(packages.map(({ model }) => model.name)).size !== packages.length) {
    throw new TrisealError("MODEL_INVALID", "two model packages have one name");
  }
  return packages;
}

async function openWorker(config: WorkerConfig): Promise<{ server: Server; lanes: ModelLanes }> {
  const packages = await loadPackages(config);
  const files = await listWorkerFiles();
  const workerDigest = workerFilesDigest(files);
  const attester = await openAttester(config.attester, workerDigest);
  const keys = new KeyRing({ subject: config.name, lifetimeS: config.keysetLifetimeS, clock, algorithms: config.sealAlgorithms });
  await keys.current();
  const models = packages.map(({ model }) => model);
  isRuntimeBusy = () => true;
  const lanes = await ModelLanes.open(
    {
      models: packages.map(({ model, onnx, integer }) => ({
        name: model.name,
        onnx,
        answers: integer === null ? null : knownRuns(integer),
      })),
      executionProviders: config.executionProviders,
      intraOpThreads: config.intraOpThreads,
    },
    models,
    config,
    (reason) => {
      if (ending) return;
      log("error", "ending", { reason });
      end(1);
    },
  );
  isRuntimeBusy = () => lanes.load.running > 0;
  const integers = new Map(packages.flatMap(({ model, integer }) => (integer === null ? [] : [[model.name, integer.checked]])));
  warmCommitments(integers.values());
  const server = createWorkerServer({
    worker: {
      models: new Map(models.map((model) => [model.name, model])),
      integers,
      keys,
      guard: new ReplayGuard(config.replayCapacity),
      lanes,
      clock,
      maxTensorElements: config.maxTensorElements,
    },
    report: { attester, keys, files, workerDigest, modelDigests: [...new Set(models.map((model) => model.digest))].sort() },
    maxBodyBytes: config.maxBodyBytes,
    stageTimes: config.stageTimes,
    log,
  });
  return { server, lanes };
}

async function listen(server: Server, socket: string | undefined): Promise<{ port: number } | { socket: string }> {
  if (socket === undefined) server.listen({ host: "127.0.0.1", port: 0 });
  else server.listen({ path: socket });
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? { port: address.port } : { socket: socket ?? "" };
}

function drainAndEnd(server: Server): void {
  log("info", "draining");
  server.close(() => end(0));
  server.closeIdleConnections();
  setTimeout(() => end(0), DRAIN_MS);
}

async function main(): Promise<void> {
  useNodePrimitives();
  const configured = readConfigLine(MAX_CONFIG_BYTES);
  // `end` comes when the parent closes its side or dies, whatever killed it.
  for (const event of ["end", "error", "close"]) process.stdin.on(event, () => end(0));
  // An interrupt from the terminal reaches the whole group: the parent drains first, then closes the input.
  process.on("SIGINT", () => {});
  const config = parseWorkerConfig(await configured);
  const { server, lanes } = await openWorker(config);
  process.on("SIGTERM", () => drainAndEnd(server));
  const address = await listen(server, config.socket);
  if (config.stageTimes) setInterval(() => log("info", "memory", memoryOf(process.memoryUsage())), MEMORY_MS).unref();
  for (const reason of lanes.passedOver) log("warn", "provider passed over", { reason });
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, ...address, provider: lanes.provider })}\n`);
}

main().catch((error: unknown) => {
  const known = isTrisealError(error);
  const line = {
    ready: false,
    code: known ? error.code : "INTERNAL",
    message: known ? error.message : String(error).slice(0, 300),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`, () => end(1));
});
