/** What every bench suite is: one run with options that gives one JSON document, and tables made from it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const repository = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Format of result documents. */
export const RESULT_SCHEMA = "triseal.bench/v1";

/** What a run is asked for. */
export interface BenchOptions {
  /** Seconds for the latency part of all models together; the other parts follow from it. */
  readonly seconds: number;
  /** An ONNX model of the user's own, or null. */
  readonly model: string | null;
  /** Shape of the own model's input where it is free, such as `1,3,48,320`. */
  readonly shape: readonly number[] | null;
  /** Another checkout, built, whose gateway is measured in the same rounds; or null. */
  readonly against: string | null;
  /** Requests of the memory part; 0 leaves it out. */
  readonly memoryRequests: number;
  /** Names of the models to measure, or null for all. */
  readonly only: readonly string[] | null;
  /** Measures other systems beside ours, which are installed into bench/.cache. */
  readonly peers: boolean;
  /** Only the smallest model, and one level of concurrency. */
  readonly smallest: boolean;
  /** Where the result goes: a suite of several calls goes on with what stands there. Null where nothing is written. */
  readonly out: string | null;
  /** Says what is being done, for people. */
  readonly progress: (text: string) => void;
}

/** Rows for people. Every table of simulated evidence says so in its title. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One suite. */
export interface Suite<Result extends object> {
  readonly name: string;
  run(options: BenchOptions): Promise<Result>;
  tables(result: Result): readonly Table[];
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", args, { cwd: repository, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "";
  }
}

function versionOf(name: string): string {
  try {
    const text = readFileSync(join(repository, "node_modules", name, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return "not installed";
  }
}

/** Where and with what a result was measured: commit, machine, versions. */
export function provenance(packages: readonly string[]) {
  const own = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
  return {
    startedAt: new Date().toISOString(),
    commit: git("rev-parse", "HEAD") || null,
    uncommittedChanges: git("status", "--porcelain") !== "",
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      platform: `${process.platform} ${release()} ${process.arch}`,
      node: process.version,
    },
    versions: { triseal: own.version, ...Object.fromEntries(packages.map((name) => [name, versionOf(name)])) },
  };
}

/** What the results of most suites begin with: where and with what, how long, and how to read it. */
export interface SuiteResult<Name extends string, Simulated extends boolean> extends ReturnType<typeof provenance> {
  readonly schema: typeof RESULT_SCHEMA;
  readonly suite: Name;
  /** Whether evidence behind any row is simulated. */
  readonly simulated: Simulated;
  readonly seconds: number;
  readonly load: { readonly before: number; readonly after: number };
  readonly intervals: string;
  readonly notes: readonly string[];
}

/** The one-minute load average: above the number of cores, others were measured with us. */
export function load(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}
