/** The paths suite's tables. */
import type { Interval } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { PathRow, PathsResult } from "./result.ts";

const between = (value: Interval | null, unit: string) =>
  value === null ? "" : `${ms(value.median)}${unit} [${ms(value.low)}, ${ms(value.high)}]`;

function cells({ variant, simulated, answeredMs, verifiedMs, firstMs, ...row }: PathRow): readonly string[] {
  const name = simulated ? `${variant} (simulated)` : variant;
  if (answeredMs === null) return [`${name} not run: ${row.unavailable ?? ""}`];
  return [
    name,
    String(answeredMs.n),
    ms(answeredMs.p50),
    ms(answeredMs.p95),
    verifiedMs === null ? "" : ms(verifiedMs.p50),
    between(row.ratio, "x"),
    between(row.addedMs, ""),
    firstMs === null ? "" : ms(firstMs),
    row.bundleBytes === null ? "" : String(row.bundleBytes),
    row.verifyMs === null ? "" : ms(row.verifyMs.p50),
  ];
}

/** All tables of a result. */
export function pathsTables({ models, notes, machine, load, peakBytes }: PathsResult): readonly Table[] {
  return [
    ...models.map(({ model, architecture, rows }) => ({
      title: `${architecture} (${model}): milliseconds of one caller; tee rows are of SIMULATED evidence`,
      head: ["", "n", "p50", "p95", "verified", "over plain HTTP", "added", "first", "bundle", "verify"],
      rows: rows.map(cells),
    })),
    {
      title: "about",
      head: ["", ""],
      rows: [
        ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
        ["load before / after", `${load.before} / ${load.after}`],
        ...Object.entries(peakBytes).map(([name, bytes]) => [`peak memory, ${name}`, `${(bytes / 1e6).toFixed(0)} MB`]),
        ...notes.map((note) => ["", note]),
      ],
    },
  ];
}
