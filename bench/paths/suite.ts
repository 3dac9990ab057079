/** The paths suite: the same records of the same models through no service, plain HTTP, and each of the three paths, interleaved. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isNativeBuilt } from "../../src/main/fhe/native-program.ts";
import { systemClock } from "../../src/main/system-clock.ts";
import { verifyBundle } from "../../src/verify/index.ts";
import { childrenOf, peakResidentBytes } from "../program.ts";
import { differenceOfMedians, INTERVAL_METHOD, type Percentiles, percentiles, ratioOfMedians } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, repository, type Suite } from "../suite.ts";
import { type Service, startPlainRoute, startService } from "../tee/service.ts";
import { DIRECT, directLanes } from "./direct-proof.ts";
import { type Answered, encryptedLane, inProcessLane, type Lane, plainLane, sdkLane } from "./lane.ts";
import { PATHS_MODELS, type PathsCase } from "./models.ts";
import type { PathRow, PathsModel, PathsResult } from "./result.ts";
import { pathsTables } from "./tables.ts";

const NOTES = [
  "simulated: the tee rows' worker shows simulated evidence and nothing ran inside a TEE; memory encryption and bounce buffers are not measured here",
  "onnxruntime and plain HTTP run the float model; tee and zk its integer form, fhe the form that is named beside it",
  "tee and zk: answered is until the opened answer is in hand; verified is with its bundle fetched and verified by the SDK, too",
  "zk: Groth16 under development keys, which are as large and as fast as those of a ceremony; input salted and committed to",
  "fhe: encoding, encryption, the run, decryption and verification, with key sets uploaded before; no row of it without verification",
  "direct: the prover's process alone, on a witness that is made already; it neither salts, logs nor signs",
];

/** Rounds at least, and rounds that do not count. */
const LEAST_ROUNDS = 5;
const WARM_ROUNDS = 3;
/** A lane that takes longer than this is warm after its first call, and joins no more than the least rounds. */
const SLOW_MS = 2000;
const VERIFICATIONS = 20;

interface Running {
  readonly plainUrl: string;
  readonly hybrid: Service;
  readonly x25519: Service;
}

interface Measured {
  readonly lane: Lane;
  readonly first: Answered;
  readonly kept: Answered[];
}

const X25519 = ["hpke-x25519-sha256-aes256gcm"];
const HYBRID = ["hpke-mlkem768-x25519-sha256-aes256gcm", ...X25519];

async function lanesOf({ model, encrypted, proven }: PathsCase, running: Running, folder: string): Promise<readonly Lane[]> {
  const { hybrid, x25519, plainUrl } = running;
  return [
    plainLane(model, plainUrl),
    await inProcessLane(model),
    sdkLane(model, hybrid, { variant: "tee, unsealed", path: "tee", seal: false }),
    sdkLane(model, x25519, { variant: "tee, sealed X25519", path: "tee", seal: true }),
    sdkLane(model, hybrid, { variant: "tee, sealed hybrid", path: "tee", seal: true }),
    ...(proven ? [sdkLane(model, hybrid, { variant: "zk, proof by the gateway", path: "zk", seal: false })] : []),
    ...(proven ? await directLanes(model, folder) : []),
    ...(encrypted !== null && isNativeBuilt() ? [await encryptedLane(encrypted, hybrid)] : []),
  ];
}

/** The first call of every lane, rounds that do not count, and rounds in rotating order until the time is over. */
async function measure(lanes: readonly Lane[], seconds: number): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const lane of lanes) measured.push({ lane, first: await lane.call(0), kept: [] });
  const joins = ({ first, kept }: Measured, keep: boolean) => first.answeredMs < SLOW_MS || (keep && kept.length < LEAST_ROUNDS);
  const round = async (index: number, keep: boolean) => {
    for (let turn = 0; turn < measured.length; turn++) {
      const one = measured[(index + turn) % measured.length];
      if (one === undefined || !joins(one, keep)) continue;
      const answered = await one.lane.call(index % 16);
      if (keep) one.kept.push(answered);
    }
  };
  for (let index = 0; index < WARM_ROUNDS; index++) await round(index, false);
  const end = performance.now() + seconds * 1000;
  for (let index = 0; index < LEAST_ROUNDS || performance.now() < end; index++) await round(index, true);
  return measured;
}

async function verifyTimes(bundle: Uint8Array, services: readonly Service[]): Promise<Percentiles> {
  const options = { at: null, request: null, response: null, opening: null, allowPending: false } as const;
  for (const { trust } of services) {
    const verify = () => verifyBundle(bundle, trust, { ...options, now: systemClock() });
    if ((await verify()).outcome !== "accepted") continue;
    const times: number[] = [];
    for (let index = 0; index < 2 * VERIFICATIONS; index++) {
      const begun = performance.now();
      await verify();
      if (index >= VERIFICATIONS) times.push(performance.now() - begun);
    }
    return percentiles(times);
  }
  throw new Error("a bundle was not accepted under the trust file of its service");
}

async function rowOf({ lane, first, kept }: Measured, base: Measured, services: readonly Service[]): Promise<PathRow> {
  const answered = kept.map(({ answeredMs }) => answeredMs);
  const verified = kept.flatMap(({ verifiedMs }) => verifiedMs ?? []);
  const baseline = base.kept.map(({ answeredMs }) => answeredMs);
  const bundle = kept.at(-1)?.bundle ?? null;
  const isBase = lane === base.lane;
  return {
    variant: lane.variant,
    path: lane.path,
    simulated: lane.simulated,
    firstMs: first.answeredMs,
    answeredMs: percentiles(answered),
    verifiedMs: verified.length === 0 ? null : percentiles(verified),
    ratio: isBase ? null : ratioOfMedians(answered, baseline),
    addedMs: isBase ? null : differenceOfMedians(answered, baseline),
    bundleBytes: bundle?.length ?? null,
    verifyMs: bundle === null ? null : await verifyTimes(bundle, services),
    unavailable: null,
  };
}

/** Rows of the paths that a model has no answer on, with the reason. */
function missing({ encrypted, proven, why }: PathsCase): readonly PathRow[] {
  const nothing = { simulated: false, firstMs: null, answeredMs: null, verifiedMs: null, ratio: null, addedMs: null };
  const row = (path: "zk" | "fhe", unavailable: string): PathRow => ({
    variant: path,
    path,
    ...nothing,
    bundleBytes: null,
    verifyMs: null,
    unavailable,
  });
  const engine = encrypted !== null && !isNativeBuilt() ? "the engine is not built: `npm run build:engine`" : null;
  return [
    ...(proven ? [] : [row("zk", why.zk ?? "not served with proofs here")]),
    ...(encrypted === null ? [row("fhe", why.fhe ?? "no form of it that runs encrypted")] : []),
    ...(engine === null ? [] : [row("fhe", engine)]),
  ];
}

async function measureModel(pathsCase: PathsCase, running: Running, folder: string, seconds: number) {
  const lanes = await lanesOf(pathsCase, running, folder);
  try {
    const measured = await measure(lanes, seconds);
    const base = measured[0];
    if (base === undefined) throw new Error("no lane");
    const rows: PathRow[] = [];
    for (const one of measured) rows.push(await rowOf(one, base, [running.hybrid, running.x25519]));
    const answers = (variant: string) =>
      measured.find(({ lane }) => lane.variant === variant)?.kept.map(({ answeredMs }) => answeredMs) ?? [];
    const [gateway, direct] = [answers("zk, proof by the gateway"), answers(DIRECT.rust)];
    const ratio = gateway.length === 0 || direct.length === 0 ? null : ratioOfMedians(gateway, direct);
    const { model, architecture } = pathsCase;
    return { result: { model, architecture, rows: [...rows, ...missing(pathsCase)] } satisfies PathsModel, ratio };
  } finally {
    for (const lane of lanes) await lane.close();
  }
}

function programsOf({ hybrid, x25519 }: Running): Readonly<Record<string, number>> {
  const children = childrenOf(hybrid.pid);
  return {
    gateway: peakResidentBytes(hybrid.pid),
    "its children together": children.reduce((total, pid) => total + peakResidentBytes(pid), 0),
    "gateway without proofs": peakResidentBytes(x25519.pid),
  };
}

async function run(options: BenchOptions): Promise<PathsResult> {
  const before = load();
  const folder = mkdtempSync(join(tmpdir(), "triseal-bench-paths-"));
  const stops: (() => Promise<void>)[] = [];
  const open = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    stops.push(() => started.stop());
    return started;
  };
  try {
    const cases = PATHS_MODELS.filter(({ model }) => options.only === null || options.only.includes(model)).slice(
      0,
      options.smallest ? 1 : undefined,
    );
    if (cases.length === 0) throw new Error(`--only names no model of ${PATHS_MODELS.map(({ model }) => model).join(", ")}`);
    options.progress("starting the services and making their development keys");
    const models = join(repository, "models");
    const zk = { models: cases.flatMap(({ model, proven }) => (proven ? [`${model}-int`] : [])) };
    const fhe = { models: cases.flatMap(({ encrypted }) => (encrypted === null ? [] : [`${encrypted}-int`])) };
    const plain = await open(startPlainRoute(models));
    const hybrid = await open(startService({ sealAlgorithms: HYBRID, under: tmpdir(), models, more: { zk, fhe } }));
    const noEngine = { fhe: { enabled: false } };
    const x25519 = await open(startService({ sealAlgorithms: X25519, under: tmpdir(), models, more: noEngine }));
    const running = { plainUrl: plain.url, hybrid, x25519 };
    const measured: PathsModel[] = [];
    const overhead: Record<string, PathsResult["ratios"]["zk_gateway_over_direct_prove"][string]> = {};
    for (const pathsCase of cases) {
      options.progress(pathsCase.model);
      const { result, ratio } = await measureModel(pathsCase, running, folder, options.seconds / cases.length);
      measured.push(result);
      if (ratio !== null) overhead[pathsCase.model] = ratio;
    }
    return {
      schema: RESULT_SCHEMA,
      suite: "paths",
      simulated: true,
      ...provenance(["onnxruntime-node", "hono", "snarkjs", "node-tfhe"]),
      seconds: options.seconds,
      load: { before, after: load() },
      intervals: INTERVAL_METHOD,
      notes: NOTES,
      models: measured,
      peakBytes: programsOf(running),
      ratios: { zk_gateway_over_direct_prove: overhead },
    };
  } finally {
    for (const stop of stops.toReversed()) await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `npm run bench -- paths`. */
export const pathsSuite: Suite<PathsResult> = { name: "paths", run, tables: pathsTables };
