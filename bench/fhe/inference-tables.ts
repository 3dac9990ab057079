/** The fhe-inference suite's tables. */
import type { Interval } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { InferenceModel, InferenceResult, InferenceRow } from "./inference-result.ts";

const micro = (value: number) => (value < 1 ? value.toFixed(3) : ms(value));
const times = (ratio: Interval | undefined) =>
  ratio === undefined ? "" : `${ratio.median.toFixed(1)}x [${ratio.low.toFixed(1)}, ${ratio.high.toFixed(1)}]`;

function cells(row: InferenceRow, { against, evaluation, roundTrip }: InferenceModel): readonly string[] {
  const { system, evaluateMs, encryptMs, decryptMs } = row;
  if (evaluateMs === null) return [`${system} not run: ${row.unavailable ?? ""}`];
  return [
    system === against ? `${system} *` : system,
    (row.accuracy ?? 0).toFixed(4),
    String(evaluateMs.n),
    micro(evaluateMs.p50),
    micro(evaluateMs.p95),
    micro(encryptMs?.p50 ?? Number.NaN),
    micro(decryptMs?.p50 ?? Number.NaN),
    String(row.bootstraps ?? ""),
    ((row.evaluationKeyBytes ?? 0) / 1e6).toFixed(1),
    String(row.inputBytes ?? ""),
    String(row.wrong ?? ""),
    times(evaluation[system]),
    times(roundTrip[system]),
  ];
}

/** All tables of a result. */
export function inferenceTables({ models, notes, machine, load }: InferenceResult): readonly Table[] {
  return [
    ...models.map((model) => ({
      title: `${model.model}, ${model.heldBack} held-back rows: milliseconds; * is what ours is held against`,
      head: [
        "",
        "accuracy",
        "n",
        "evaluate p50",
        "p95",
        "encrypt",
        "decrypt",
        "bootstraps",
        "key MB",
        "input bytes",
        "wrong",
        "ours faster",
        "with client",
      ],
      rows: model.rows.map((row) => cells(row, model)),
    })),
    {
      title: "about",
      head: ["", ""],
      rows: [
        ["machine", `${machine.cpu}, ${machine.cores} cores`],
        ["load before / after", `${load.before} / ${load.after}`],
        ...notes.map((note): readonly string[] => ["", note]),
      ],
    },
  ];
}
