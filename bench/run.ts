/** `npm run bench -- SUITE`: measures, prints tables, and leaves the whole result as JSON in bench/out. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type CombinedResult, combine, type Part } from "./combined.ts";
import { aboutTable, compareResults, compareTable } from "./compare.ts";
import { evidenceSuite } from "./evidence/suite.ts";
import { inferenceSuite } from "./fhe/inference-suite.ts";
import { fheSuite } from "./fhe/suite.ts";
import { floorSuite } from "./floor/suite.ts";
import { pathsSuite } from "./paths/suite.ts";
import { servingSuite } from "./peers/suite.ts";
import { killPrograms } from "./program.ts";
import { renderPage } from "./report/page.ts";
import { type BenchOptions, repository, type Suite, type Table } from "./suite.ts";
import { renderTable } from "./table.ts";
import { teeSuite } from "./tee/suite.ts";
import { zkSuite } from "./zk/suite.ts";

const suites: Readonly<Record<string, Suite<object>>> = {
  paths: pathsSuite as Suite<object>,
  tee: teeSuite as Suite<object>,
  serving: servingSuite as Suite<object>,
  zk: zkSuite as Suite<object>,
  fhe: fheSuite as Suite<object>,
  evidence: evidenceSuite as Suite<object>,
  "fhe-inference": inferenceSuite as Suite<object>,
  floor: floorSuite as Suite<object>,
};

/** Suites of a whole run, with their share of its seconds. `floor` is for whoever makes the tee path faster. */
const WHOLE: readonly (readonly [string, number])[] = [
  ["paths", 1],
  ["tee", 0.6],
  ["zk", 0.6],
  ["fhe", 0.6],
  ["evidence", 0.15],
];

/** Besides, with `--peers` or `--full`: beside MLServer and Concrete ML, which are installed first. */
const BESIDE_PEERS: typeof WHOLE = [
  ["serving", 1],
  ["fhe-inference", 0.6],
];

/** Seconds of one suite, and of a whole run's longest, most of which takes its least rounds anyway. */
const SECONDS = { suite: "60", whole: "40" } as const;

/** Models of the zk suite that a run takes without `--full`: the others are trained first. */
const QUICK_PROOFS = ["breast-cancer-logistic", "breast-cancer-mlp", "digits-mlp", "mnist-lenet5"];

const USAGE = `usage: npm run bench -- [all|${Object.keys(suites).join("|")}] [--seconds N] [--model FILE.onnx [--shape 1,3,48,320]]
  [--against CHECKOUT] [--memory-requests N] [--full] [--peers] [--only NAME,...] [--smallest] [--json] [--out FILE]
       npm run bench -- report RESULT.json... [--out FILE.html]
       npm run bench -- compare BEFORE.json AFTER.json [--json]`;

const progress = (text: string) => process.stderr.write(`bench: ${text}\n`);

function number(text: string, name: string, least: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least) throw new Error(`--${name} wants a number of at least ${least}`);
  return value;
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string" },
      model: { type: "string" },
      shape: { type: "string" },
      against: { type: "string" },
      "memory-requests": { type: "string", default: "2000" },
      only: { type: "string" },
      full: { type: "boolean", default: false },
      peers: { type: "boolean", default: false },
      smallest: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
}

type Flags = ReturnType<typeof parse>["values"];

function optionsOf(flags: Flags, seconds: string = SECONDS.suite): BenchOptions {
  return {
    seconds: number(flags.seconds ?? seconds, "seconds", 0.1),
    model: flags.model === undefined ? null : resolve(flags.model),
    shape: flags.shape === undefined ? null : flags.shape.split(",").map((length) => number(length, "shape", 1)),
    against: flags.against === undefined ? null : resolve(flags.against),
    memoryRequests: number(flags["memory-requests"], "memory-requests", 0),
    only: flags.only?.split(",") ?? null,
    peers: flags.peers || flags.full,
    smallest: flags.smallest,
    out: null,
    progress,
  };
}

const tablesOf = (name: string, part: object): readonly Table[] => suites[name]?.tables(part) ?? [];

/** Writes a file, its folder made where it is missing. */
function leave(file: string, text: string): void {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  progress(`wrote ${file}`);
}

const outFile = (flags: Flags, name: string) =>
  flags.out === undefined ? join(repository, "bench", "out", name) : resolve(flags.out);

function print(flags: Flags, result: object, tables: readonly Table[]): void {
  if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else for (const table of tables) console.log(renderTable(table));
}

async function measureSuite(suite: Suite<object>, flags: Flags): Promise<void> {
  const out = outFile(flags, `${suite.name}.json`);
  const result = await suite.run({ ...optionsOf(flags), out });
  leave(out, `${JSON.stringify(result, null, 2)}\n`);
  print(flags, result, suite.tables(result));
}

/** Every suite in turn. One that cannot be measured here leaves its reason. */
async function measureAll(flags: Flags): Promise<void> {
  const options = optionsOf(flags, SECONDS.whole);
  const parts: Record<string, Part> = {};
  for (const [name, share] of options.peers ? [...WHOLE, ...BESIDE_PEERS] : WHOLE) {
    const seconds = options.seconds * share;
    const only = options.only ?? (name === "zk" && !flags.full ? QUICK_PROOFS : null);
    try {
      progress(`suite ${name}`);
      const result = (await suites[name]?.run({ ...options, seconds, only })) ?? {};
      parts[name] = result;
      if (!flags.json) for (const table of tablesOf(name, result)) console.log(renderTable(table));
    } catch (error) {
      const unavailable = error instanceof Error ? error.message : String(error);
      parts[name] = { unavailable };
      progress(`suite ${name} was not measured: ${unavailable}`);
    }
  }
  const result = combine(parts);
  const file = outFile(flags, "all.json");
  leave(file, `${JSON.stringify(result, null, 2)}\n`);
  leave(file.replace(/(\.json)?$/, ".html"), renderPage(result, tablesOf));
  if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

const readResult = (file: string): object => JSON.parse(readFileSync(resolve(file), "utf8")) as object;

const isCombined = (result: object): result is CombinedResult => "suite" in result && result.suite === "all" && "parts" in result;

/** The parts of a result: a suite's is one, and a later result's stands in the place of an earlier one's of the same suite. */
function partsOf(results: readonly object[]): Readonly<Record<string, Part>> {
  const named = results.map((result, at) =>
    isCombined(result) ? result.parts : { ["suite" in result ? String(result.suite) : `result ${at + 1}`]: result },
  );
  return Object.assign({}, ...named) as Record<string, Part>;
}

/** The page of a whole run, or of several results together, then with their document beside it. */
function report(files: readonly string[], flags: Flags): void {
  const results = files.map(readResult);
  const [first] = results;
  if (first === undefined) throw new Error(USAGE);
  const whole = results.length === 1 && isCombined(first) ? first : combine(partsOf(results));
  const page = flags.out === undefined ? join(repository, "bench", "report.html") : resolve(flags.out);
  leave(page, renderPage(whole, tablesOf));
  if (whole !== first) leave(page.replace(/(\.html)?$/, ".json"), `${JSON.stringify(whole, null, 2)}\n`);
}

function compare([before, after, ...more]: readonly string[], flags: Flags): void {
  if (before === undefined || after === undefined || more.length > 0) throw new Error(USAGE);
  const [was, is] = [readResult(before), readResult(after)];
  const compared = compareResults(was, is);
  print(flags, compared, [aboutTable(was, is), compareTable(compared)]);
}

async function main(): Promise<void> {
  const { values: flags, positionals } = parse();
  const [command = "all", ...files] = positionals;
  if (command === "report") return report(files, flags);
  if (command === "compare") return compare(files, flags);
  const suite = suites[command];
  if ((suite === undefined && command !== "all") || files.length > 0) throw new Error(USAGE);
  await (suite === undefined ? measureAll(flags) : measureSuite(suite, flags));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    killPrograms();
    process.exit(130);
  });
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
