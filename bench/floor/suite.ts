/** The floor suite: what of an answer's added time no program of this design can save, part by part. */
import { type Percentiles, percentiles } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite, type Table } from "../suite.ts";
import { ms } from "../table.ts";
import { cryptography, disk, type Part, processHop, threadHop } from "./parts.ts";

interface FloorRow {
  readonly part: string;
  readonly detail: string;
  readonly ms: Percentiles;
}

/** The result document of the floor suite. */
export interface FloorResult extends ReturnType<typeof provenance> {
  readonly schema: typeof RESULT_SCHEMA;
  readonly suite: "floor";
  readonly load: { readonly before: number; readonly after: number };
  readonly rows: readonly FloorRow[];
  /** Sum of the medians, in milliseconds. */
  readonly sumMs: number;
}

const PARTS = 4;
/** Of a part's time: the share that does not count. */
const WARM = 0.3;

async function measure(part: Part, seconds: number): Promise<FloorRow> {
  const times: number[] = [];
  const begun = performance.now();
  const [counts, end] = [begun + WARM * seconds * 1000, begun + seconds * 1000];
  for (let now = begun; now < end; ) {
    await part.run();
    const after = performance.now();
    if (now >= counts) times.push(after - now);
    now = after;
  }
  return { part: part.name, detail: part.detail, ms: percentiles(times) };
}

async function run(options: BenchOptions): Promise<FloorResult> {
  const before = load();
  const rows: FloorRow[] = [];
  for (const open of [cryptography, disk, threadHop, processHop]) {
    const part = await open();
    options.progress(part.name);
    try {
      rows.push(await measure(part, options.seconds / PARTS));
    } finally {
      await part.close();
    }
  }
  const sumMs = Number(rows.reduce((sum, row) => sum + row.ms.p50, 0).toFixed(3));
  return { schema: RESULT_SCHEMA, suite: "floor", ...provenance([]), load: { before, after: load() }, rows, sumMs };
}

function tables({ rows, sumMs, load: { before, after } }: FloorResult): readonly Table[] {
  return [
    {
      title: `floor of one sealed, logged and receipted answer of a small model, milliseconds (load ${before} / ${after})`,
      head: ["", "p50", "p95", "of what"],
      rows: [
        ...rows.map((row) => [row.part, ms(row.ms.p50), ms(row.ms.p95), row.detail]),
        ["sum of the medians", ms(sumMs), "", "each by itself and warm, with nothing of ours"],
      ],
    },
  ];
}

/** `npm run bench -- floor`. */
export const floorSuite: Suite<FloorResult> = { name: "floor", run, tables };
