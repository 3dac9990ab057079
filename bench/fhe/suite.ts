/** The fhe suite: transfers through HTTP beside tfhe-rs called directly, and what else the path's goals are about, under one key set. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { INTERVAL_METHOD, type Interval } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite } from "../suite.ts";
import { measureClient } from "./client.ts";
import { measureConcurrency } from "./concurrency.ts";
import { workloadOf } from "./forms.ts";
import { Ledger } from "./ledger.ts";
import { measureLinear } from "./linear.ts";
import { measurePrograms } from "./programs.ts";
import { type FheParts, type FheResult, type Measured, PARTS, type PartName } from "./result.ts";
import { fheTables } from "./tables.ts";
import { measureTransfers, TRANSFER_VALUES } from "./transfer.ts";
import { callsOf, measureWelch, WELCH_PAIRS } from "./welch.ts";

/** Transfers at once. */
const AT_ONCE = 8;
const UNITS = 1_000_000n;
/** Rounds where each takes long and varies little. */
const ROUNDS = 3;

const NOTES = [
  "one key set for everything but the linear model; the service and the direct process have as many threads as the machine has cores, and never work at once",
  "http: the challenge and the run, from the request to the whole answer; the run's receipt is in the log, its accounts are in the database by then; proving the amount is the client's and not in it",
  "direct circuit: the engine's own library, the same 128 bootstraps; direct usual: ge, if_then_else, sub and add of FheUint64; both from compressed bytes to compressed bytes, without proof, state or receipt",
  "load and compute of the direct circuit part at the first bootstrap that is done",
  "auction: a linear scan by gt and two if_then_else on FheUint32; tree: 15 lt with clear thresholds on FheUint8 and 15 if_then_else, where the circuit takes features of 4 bits",
  "keygen: client, server and public key with their bytes, the keys that node-tfhe can make; whole set: with compression and re-randomisation, which it cannot",
];

/** What runs share. */
interface Bench {
  readonly options: BenchOptions;
  readonly folder: string;
  readonly kept: FheParts;
  ledger: Ledger | null;
}

const pairName = (side: "payer" | "payee", index: number) => `${side}${index}`;

async function ledgerOf(bench: Bench): Promise<Ledger> {
  if (bench.ledger !== null) return bench.ledger;
  bench.options.progress("a key set, a gateway with its engine, accounts");
  const count = bench.options.smallest ? 2 : AT_ONCE;
  const payers = Array.from({ length: count }, (_, index) => pairName("payer", index));
  const payees = Array.from({ length: count }, (_, index) => pairName("payee", index));
  const isConcurrent = wanted(bench.options).includes("concurrency");
  bench.ledger = await Ledger.open(UNITS, [...payers, ...payees], isConcurrent ? payers : payers.slice(0, 1));
  return bench.ledger;
}

const FIRST = [pairName("payer", 0), pairName("payee", 0)] as const;

/** Each part's measurement. */
const measurements: {
  readonly [Name in PartName]: (bench: Bench, about: () => Measured) => Promise<NonNullable<FheParts[Name]>>;
} = {
  transfer: async (bench, about) => {
    const { seconds, smallest } = bench.options;
    const ledger = await ledgerOf(bench);
    const workload = await workloadOf("transfer-u64", TRANSFER_VALUES, bench.folder);
    const time = smallest ? { seconds: 0, least: 1 } : { seconds, least: ROUNDS };
    return { ...(await measureTransfers(ledger, FIRST, workload, time)), ...about() };
  },
  concurrency: async (bench, about) => {
    const ledger = await ledgerOf(bench);
    const count = bench.options.smallest ? 2 : AT_ONCE;
    const pairs = Array.from({ length: count }, (_, index) => [pairName("payer", index), pairName("payee", index)] as const);
    return { ...(await measureConcurrency(ledger, pairs, bench.options.smallest ? 1 : ROUNDS)), ...about() };
  },
  programs: async (bench, about) => {
    const { direct } = await ledgerOf(bench);
    return { rows: await measurePrograms(direct, bench.folder, bench.options.smallest ? 1 : ROUNDS), ...about() };
  },
  linear: async (bench, about) => ({ ...(await measureLinear(bench.folder, bench.options.smallest ? 1 : ROUNDS)), ...about() }),
  client: async (bench, about) => {
    const { direct, files } = await ledgerOf(bench);
    return { ...(await measureClient(direct, files, bench.options.smallest ? 1 : ROUNDS)), ...about() };
  },
  welch: async (bench, about) => {
    const { seconds, smallest } = bench.options;
    const ledger = await ledgerOf(bench);
    const { welch: kept } = bench.kept;
    const made = await measureWelch(ledger, FIRST, kept, smallest ? { seconds: 60, pairs: 2 } : { seconds, pairs: WELCH_PAIRS });
    return { ...made, calls: callsOf(kept, about()) };
  },
};

/** The parts that a run is asked for: all, but pairs for Welch's test only where they are named. @throws Error for another name. */
function wanted({ only }: BenchOptions): readonly PartName[] {
  if (only === null) return PARTS.filter((name) => name !== "welch");
  const unknown = only.filter((name) => !PARTS.some((part) => part === name));
  if (unknown.length > 0) throw new Error(`--only names no part of ${PARTS.join(", ")}`);
  return PARTS.filter((name) => only.includes(name));
}

/** What an earlier call left in the file that this one writes. */
function keptParts({ only, out }: BenchOptions): FheParts {
  if (only === null || out === null || !existsSync(out)) return {};
  const { schema, suite, parts } = JSON.parse(readFileSync(out, "utf8")) as Partial<FheResult>;
  return schema === RESULT_SCHEMA && suite === "fhe" ? (parts ?? {}) : {};
}

async function measured<Name extends PartName>(bench: Bench, name: Name): Promise<FheParts> {
  const { commit, uncommittedChanges, startedAt } = provenance([]);
  const before = load();
  bench.options.progress(name);
  const part = await measurements[name](bench, () => ({
    startedAt,
    commit,
    uncommittedChanges,
    load: { before, after: load() },
  }));
  return { [name]: part };
}

/** A number that has no interval, as the others have one. */
const exactly = (value: number): Interval => ({ median: value, low: value, high: value, n: 1 });

/** The project's goals, as far as they were measured. */
function ratiosOf({ transfer, concurrency, programs, linear, client }: FheParts): FheResult["ratios"] {
  const row = (program: string) => programs?.rows.find((one) => one.program === program);
  const prices = [
    ["fhe_auction_pbs_over_559", row("auction-8x32")],
    ["fhe_tree_pbs_over_182", row("tree-depth4")],
  ] as const;
  const keygen = client?.rows[0]?.wasmOverNative;
  return {
    ...(transfer === undefined
      ? {}
      : {
          fhe_http_over_direct_p50: transfer.overCircuit,
          fhe_http_over_usual_p50: transfer.overUsual,
          fhe_http_over_direct_with_proof_p50: transfer.overCircuitWithList,
        }),
    ...(concurrency?.transfers === AT_ONCE ? { fhe_eight_transfers_core_share: concurrency.engineShare } : {}),
    ...Object.fromEntries(prices.flatMap(([name, found]) => (found === undefined ? [] : [[name, exactly(found.pbsOverIssue)]]))),
    ...(linear === undefined ? {} : { fhe_int16_over_lwe_linear: linear.ratio }),
    ...(keygen == null ? {} : { fhe_keygen_wasm_over_native: keygen }),
  };
}

function resultOf({ seconds }: BenchOptions, parts: FheParts, failed: readonly string[]): FheResult {
  const about = { schema: RESULT_SCHEMA, suite: "fhe", simulated: false, seconds, threads: cpus().length } as const;
  const made = { intervals: INTERVAL_METHOD, notes: NOTES, parts, failed, ratios: ratiosOf(parts) };
  return { ...provenance(["node-tfhe"]), ...about, ...made };
}

/** Minutes of measurements are not thrown away for a part that fails, or a call that is ended: what is there is left after each part. */
function leave({ out }: BenchOptions, result: FheResult): void {
  if (out === null) return;
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
}

async function run(options: BenchOptions): Promise<FheResult> {
  const names = wanted(options);
  const folder = mkdtempSync(join(tmpdir(), "triseal-bench-fhe-"));
  const bench: Bench = { options, folder, kept: keptParts(options), ledger: null };
  let parts = bench.kept;
  const failed: string[] = [];
  try {
    for (const name of names) {
      try {
        parts = { ...parts, ...(await measured(bench, name)) };
      } catch (error) {
        failed.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        options.progress(failed.at(-1) ?? "");
      }
      leave(options, resultOf(options, parts, failed));
    }
  } finally {
    await bench.ledger?.close();
    rmSync(bench.folder, { recursive: true, force: true });
  }
  return resultOf(options, parts, failed);
}

/** `npm run bench -- fhe`. */
export const fheSuite: Suite<FheResult> = { name: "fhe", run, tables: fheTables };
