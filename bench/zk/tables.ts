/** The zk suite's tables. What differs between the systems is printed with every comparison. */
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { ProverRow, ZkModelResult, ZkResult } from "./result.ts";

const megabytes = (bytes: number | null) => (bytes === null ? "" : (bytes / 1e6).toFixed(1));

function proverCells({ prover, proveMs, verifyMs, setupMs, peakBytes, proofBytes, provingKeyBytes, unavailable }: ProverRow) {
  if (proveMs === null) return [prover, `not run: ${unavailable ?? ""}`, "", "", "", "", "", ""];
  return [
    prover,
    String(proveMs.n),
    ms(proveMs.p50),
    ms(proveMs.p95),
    verifyMs === null ? "" : ms(verifyMs.p50),
    setupMs === null ? "" : ms(setupMs),
    `${megabytes(peakBytes)} / ${megabytes(provingKeyBytes)}`,
    String(proofBytes ?? ""),
  ];
}

function modelTable({ model, architecture, mode, rows, domain, witnessMs, provers }: ZkModelResult): Table {
  return {
    title: `${architecture} (${model})${mode === "committed" ? ", private weights" : ""}: ${rows} constraints, domain ${domain}, witness ${ms(witnessMs)} ms; milliseconds, MB, bytes`,
    head: ["", "n", "prove p50", "p95", "verify p50", "setup", "memory / key", "proof"],
    rows: provers.map(proverCells),
  };
}

function ratioTable({ models, notes }: ZkResult): Table {
  const kinds = [...new Set(models.flatMap(({ ratios }) => Object.keys(ratios)))];
  return {
    title: `times as fast, ratio of medians with its interval. What differs: ${notes.slice(0, 3).join("; ")}`,
    head: ["", ...kinds],
    rows: models.map(({ architecture, mode, ratios }) => [
      `${architecture}${mode === "committed" ? ", private weights" : ""}`,
      ...kinds.map((kind) => {
        const ratio = ratios[kind];
        return ratio === undefined ? "" : `${ratio.median.toFixed(1)} [${ratio.low.toFixed(1)}, ${ratio.high.toFixed(1)}]`;
      }),
    ]),
  };
}

/** All tables of a result. */
export function zkTables(result: ZkResult): readonly Table[] {
  const { machine, commit, load, startedAt, uncommittedChanges, intervals } = result;
  const about: Table = {
    title: "zk: Groth16 proofs of integer models; keys are dev-insecure",
    head: ["", ""],
    rows: [
      ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
      ["commit", `${commit?.slice(0, 12) ?? "unknown"}${uncommittedChanges ? " with uncommitted changes" : ""}`],
      ["started", startedAt],
      ["load before / after", `${load.before} / ${load.after}`],
      ["intervals", intervals],
    ],
  };
  return [about, ...result.models.map(modelTable), ratioTable(result)];
}
