/** The serving suite's tables. Rows of simulated evidence say so. */
import type { Interval } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { ServingResult, ServingRow } from "./result.ts";

const between = (value: Interval | null | undefined) =>
  value === null || value === undefined ? "" : `${value.median.toFixed(3)}x [${value.low.toFixed(3)}, ${value.high.toFixed(3)}]`;
const named = ({ variant, simulated }: ServingRow) => (simulated ? `${variant} (simulated)` : variant);

/** All tables of a result. */
export function servingTables({ model, rows, sealedOver, notes, machine, load }: ServingResult): readonly Table[] {
  const levels = [...new Set(rows.flatMap((row) => row.levels.map(({ concurrency }) => concurrency)))];
  return [
    {
      title: `${model}: one caller, milliseconds; tee rows are of SIMULATED evidence`,
      head: ["", "n", "p50", "p95", "p99", "over bare"],
      rows: rows.map((row) => {
        const { answeredMs } = row;
        if (answeredMs === null) return [`${named(row)} not run: ${row.unavailable ?? ""}`];
        return [named(row), String(answeredMs.n), ms(answeredMs.p50), ms(answeredMs.p95), ms(answeredMs.p99), between(row.ratio)];
      }),
    },
    {
      title: `${model}: answers per second by callers (p50 ms, processor ms of the servers); tee rows are of SIMULATED evidence`,
      head: ["", ...levels.map(String)],
      rows: rows.map((row) => [
        named(row),
        ...row.levels.map(
          ({ answersPerSecond, p50Ms, serverCpuMs }) => `${answersPerSecond.toFixed(1)} (${ms(p50Ms)}, ${ms(serverCpuMs)})`,
        ),
      ]),
    },
    {
      title: `${model}: sealed x25519's answers per second over those of, by callers (SIMULATED evidence)`,
      head: ["", ...levels.map(String)],
      rows: Object.entries(sealedOver).map(([variant, ratios]) => [
        variant,
        ...levels.map((level) => between(ratios[String(level)])),
      ]),
    },
    {
      title: "about",
      head: ["", ""],
      rows: [
        ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
        ["load before / after", `${load.before} / ${load.after}`],
        ...notes.map((note): readonly string[] => ["", note]),
      ],
    },
  ];
}
