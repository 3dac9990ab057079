/** The fhe-inference suite: the shipped models under encryption, by our engine and by Concrete ML, interleaved row by row. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ratio } from "../combined.ts";
import { INTERVAL_METHOD, type Interval, ratioOfMedians } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite } from "../suite.ts";
import {
  assertInferenceBuilt,
  CONCRETE_BITS,
  heldBackRows,
  type InferenceLane,
  type InferenceTimes,
  openConcrete,
  openOwn,
} from "./inference-lanes.ts";
import type { InferenceModel, InferenceResult, InferenceRow } from "./inference-result.ts";
import { inferenceTables } from "./inference-tables.ts";

const WARM_ROUNDS = 1;
const LEAST_ROUNDS = 5;
const MOST_ROUNDS = 500;

const NOTES = [
  "evaluate: what the server does, from an input in memory to an output in memory, keys loaded before; one row at a time, all cores",
  "same architecture and same data: trained on the rows that models/NAME/heldback.json does not hold, judged on those that it does; Concrete ML trains its own weights, at the bits that are named",
  "accuracy: ours of the integer model, whose outputs the encrypted ones equal; Concrete ML's of its own exact simulation",
  "security of both at 128 bits; chance of a wrong bootstrap: ours 2^-89 or less for a whole inference (SPEC 9), Concrete ML's as its row says",
  "wrong: ours in any bit of any output against the reference executor; Concrete ML's in the class against its own model in the clear",
];

/** Rounds of one row each in rotating order, after some that do not count. */
async function measure(lanes: readonly InferenceLane[], seconds: number, heldBack: number): Promise<void> {
  for (let round = 0; round < WARM_ROUNDS; round++) for (const lane of lanes) await lane.round(round, false);
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < LEAST_ROUNDS || (round < MOST_ROUNDS && performance.now() < end); round++)
    for (let turn = 0; turn < lanes.length; turn++)
      await lanes[(round + turn) % lanes.length]?.round((WARM_ROUNDS + round) % heldBack, true);
}

/** The fastest other system that is at least as accurate as ours; where none is, the most accurate. */
export function rivalOf(own: Pick<InferenceRow, "accuracy">, others: readonly InferenceRow[]): string | null {
  const known = others.flatMap(({ system, accuracy, evaluateMs }) =>
    accuracy === null || evaluateMs === null ? [] : [{ system, accuracy, ms: evaluateMs.p50 }],
  );
  const equal = known.filter(({ accuracy }) => accuracy >= (own.accuracy ?? 0)).sort((a, b) => a.ms - b.ms);
  const [first] = equal.length > 0 ? equal : known.sort((a, b) => b.accuracy - a.accuracy);
  return first?.system ?? null;
}

function timesFaster(lanes: readonly InferenceLane[], of: (times: InferenceTimes) => number): Record<string, Interval> {
  const [own, ...others] = lanes;
  return Object.fromEntries(others.map(({ system, times }) => [system, ratioOfMedians(times.map(of), own?.times.map(of) ?? [])]));
}

async function measureModel(name: string, folder: string, options: BenchOptions, seconds: number): Promise<InferenceModel> {
  const heldBack = heldBackRows(name).length;
  const own = await openOwn(name, folder);
  const lanes: InferenceLane[] = [own];
  const absent: InferenceRow[] = [];
  try {
    for (const bits of CONCRETE_BITS[name] ?? []) {
      options.progress(`${name}: Concrete ML trains and compiles, ${bits} bits`);
      const opened = await openConcrete(name, bits);
      if ("unavailable" in opened) absent.push(opened);
      else lanes.push(opened);
    }
    options.progress(`${name}: measuring`);
    await measure(lanes, seconds, heldBack);
    const [first, ...others] = lanes.map((lane) => lane.row());
    const rows = [...(first === undefined ? [] : [first]), ...others, ...absent];
    const against = first === undefined ? null : rivalOf(first, others);
    const evaluation = timesFaster(lanes, ({ evaluate }) => evaluate);
    const roundTrip = timesFaster(lanes, ({ encrypt, evaluate, decrypt }) => encrypt + evaluate + decrypt);
    return { model: name, heldBack, rows, against, evaluation, roundTrip };
  } finally {
    for (const lane of lanes) lane.close();
  }
}

function ratioOf({ against, evaluation, rows }: InferenceModel): Ratio {
  const ratio = against === null ? undefined : evaluation[against];
  return ratio ?? { median: null, reason: rows.at(-1)?.unavailable ?? "Concrete ML was not measured" };
}

async function run(options: BenchOptions): Promise<InferenceResult> {
  assertInferenceBuilt();
  const before = load();
  const folder = mkdtempSync(join(tmpdir(), "triseal-bench-inference-"));
  try {
    const known = Object.keys(CONCRETE_BITS);
    const names = known.filter((name) => options.only === null || options.only.includes(name));
    if (names.length === 0) throw new Error(`--only names no model of ${known.join(", ")}`);
    const models: InferenceModel[] = [];
    for (const name of options.smallest ? names.slice(0, 1) : names)
      models.push(await measureModel(name, folder, options, options.seconds / names.length));
    return {
      schema: RESULT_SCHEMA,
      suite: "fhe-inference",
      simulated: false,
      ...provenance([]),
      seconds: options.seconds,
      load: { before, after: load() },
      intervals: INTERVAL_METHOD,
      notes: NOTES,
      models,
      ratios: { concrete_ml_over_fhe: Object.fromEntries(models.map((model) => [model.model, ratioOf(model)])) },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `npm run bench -- fhe-inference`. */
export const inferenceSuite: Suite<InferenceResult> = { name: "fhe-inference", run, tables: inferenceTables };
