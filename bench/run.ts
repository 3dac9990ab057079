/** `npm run bench -- SUITE`: measures, prints tables, and leaves the whole result as JSON in bench/out. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { evidenceSuite } from "./evidence/suite.ts";
import { fheSuite } from "./fhe/suite.ts";
import { floorSuite } from "./floor/suite.ts";
import { killPrograms } from "./program.ts";
import { type BenchOptions, repository, type Suite } from "./suite.ts";
import { renderTable } from "./table.ts";
import { teeSuite } from "./tee/suite.ts";
import { zkSuite } from "./zk/suite.ts";

const suites: Readonly<Record<string, Suite<object>>> = {
  tee: teeSuite as Suite<object>,
  floor: floorSuite as Suite<object>,
  zk: zkSuite as Suite<object>,
  fhe: fheSuite as Suite<object>,
  evidence: evidenceSuite as Suite<object>,
};

const USAGE = `usage: npm run bench -- ${Object.keys(suites).join("|")} [--seconds N] [--model FILE.onnx [--shape 1,3,48,320]]
  [--against CHECKOUT] [--memory-requests N] [--peers] [--only NAME,...] [--smallest] [--json] [--out FILE]`;

function number(text: string, name: string, least: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least) throw new Error(`--${name} wants a number of at least ${least}`);
  return value;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "60" },
      model: { type: "string" },
      shape: { type: "string" },
      against: { type: "string" },
      "memory-requests": { type: "string", default: "2000" },
      only: { type: "string" },
      peers: { type: "boolean", default: false },
      smallest: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  const suite = suites[positionals[0] ?? ""];
  if (suite === undefined || positionals.length > 1) throw new Error(USAGE);
  const file = values.out === undefined ? join(repository, "bench", "out", `${suite.name}.json`) : resolve(values.out);
  const options: BenchOptions = {
    seconds: number(values.seconds, "seconds", 0.1),
    model: values.model === undefined ? null : resolve(values.model),
    shape: values.shape === undefined ? null : values.shape.split(",").map((length) => number(length, "shape", 1)),
    against: values.against === undefined ? null : resolve(values.against),
    memoryRequests: number(values["memory-requests"], "memory-requests", 0),
    only: values.only?.split(",") ?? null,
    peers: values.peers,
    smallest: values.smallest,
    out: file,
    progress: (text) => process.stderr.write(`bench: ${text}\n`),
  };
  const result = await suite.run(options);
  mkdirSync(join(file, ".."), { recursive: true });
  const text = `${JSON.stringify(result, null, 2)}\n`;
  writeFileSync(file, text);
  if (values.json) process.stdout.write(text);
  else for (const table of suite.tables(result)) console.log(renderTable(table));
  options.progress(`wrote ${file}`);
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
