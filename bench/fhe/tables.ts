/** The fhe suite's tables. What differs between the sides of a comparison is printed with it. */
import type { Interval, Percentiles } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type {
  ClientPart,
  ConcurrencyPart,
  FheResult,
  FormRow,
  LinearPart,
  ProgramRow,
  TransferPart,
  WelchPart,
} from "./result.ts";

const ratio = ({ median, low, high }: Interval) => {
  const text = (value: number) => (value >= 1000 ? Math.round(value).toString() : value.toPrecision(3));
  return `${text(median)} [${text(low)}, ${text(high)}]`;
};
const p50 = ({ p50: value }: Percentiles) => ms(value);

function formCells({ form, pbs, loadPbs, ms: all, loadMs, computeMs, storeMs }: FormRow): readonly string[] {
  return [`direct, ${form}`, String(pbs), String(loadPbs), p50(all), ms(all.p95), p50(loadMs), p50(computeMs), p50(storeMs)];
}

const FORM_HEAD = ["", "bootstraps", "of loading", "p50", "p95", "load", "compute", "store"];

function transferTables(part: TransferPart): readonly Table[] {
  const { direct, httpMs, listMs, openListMs, challengeMs, restMs } = part;
  const empty = ["", "", "", "", ""];
  const rows = [
    ["http", "", "", p50(httpMs), ms(httpMs.p95), "", "", ""],
    ...direct.map(formCells),
    ["proven list, direct", "", "", p50(listMs), ms(listMs.p95), "", "", ""],
  ];
  const about = [
    ["http over the direct circuit", ratio(part.overCircuit)],
    ["http over the direct circuit with the list's proof", ratio(part.overCircuitWithList)],
    ["http over the usual form", ratio(part.overUsual)],
    ["of the list: proof and opening", `${p50(openListMs)} ms`],
    ["challenge", `${p50(challengeMs)} ms`],
    ["gateway, sockets, database, log, signatures (with the challenge)", `${ms(restMs)} ms`],
    ["the last receipt's bundle", part.outcome],
  ];
  return [
    {
      title: `transfer-u64: ${part.rounds} rounds, milliseconds`,
      head: FORM_HEAD,
      rows: rows.map((row) => [...row, ...empty].slice(0, 8)),
    },
    { title: "transfer-u64: HTTP beside direct calls, ratio of medians with its interval", head: ["", ""], rows: about },
  ];
}

function concurrencyTable({ transfers, rounds }: ConcurrencyPart): Table {
  return {
    title: `${transfers} independent transfers at once`,
    head: ["round", "wall ms", "p50 of a transfer", "engine's share of all cores", "with the gateway"],
    rows: rounds.map(({ wallMs, transferMs, engineShare, allShare }, index) => [
      String(index + 1),
      ms(wallMs),
      p50(transferMs),
      `${(engineShare * 100).toFixed(1)} %`,
      `${(allShare * 100).toFixed(1)} %`,
    ]),
  };
}

function programTables(rows: readonly ProgramRow[]): readonly Table[] {
  return rows.map(({ program, depth, forms, issuePbs, goalPbs, pbsOverIssue, usualOverCircuit }) => ({
    title: `${program}, depth ${depth}: ${pbsOverIssue} of the usual ${issuePbs} (goal: ${goalPbs} bootstraps); the usual form takes ${ratio(usualOverCircuit)} times as long`,
    head: FORM_HEAD,
    rows: forms.map(formCells),
  }));
}

function linearTable({ model, features, lweMs, int16Ms, rows, lweErrors, int16Errors, ratio: times }: LinearPart): Table {
  return {
    title: `${model}: ${features} features; FheInt16 takes ${ratio(times)} times as long`,
    head: ["", "n", "p50 ms", "p95 ms", "wrong integers"],
    rows: [
      [
        `leveled dot product, ${rows} rows a round`,
        String(lweMs.n),
        lweMs.p50.toFixed(4),
        lweMs.p95.toFixed(4),
        String(lweErrors),
      ],
      ["FheInt16, one row a round", String(int16Ms.n), p50(int16Ms), ms(int16Ms.p95), String(int16Errors)],
    ],
  };
}

function clientTables({ bytes, rows }: ClientPart): readonly Table[] {
  return [
    {
      title: "client: milliseconds in memory, natively and with node-tfhe",
      head: ["", "native p50", "WASM p50", "times"],
      rows: rows.map(({ step, native, wasm, wasmOverNative }) => [
        step,
        p50(native),
        wasm === null ? "cannot" : p50(wasm),
        wasmOverNative === null ? "" : ratio(wasmOverNative),
      ]),
    },
    { title: "client: bytes", head: ["", ""], rows: Object.entries(bytes).map(([name, size]) => [name, String(size)]) },
  ];
}

function welchTable(part: WelchPart): Table {
  const { sufficientMs, insufficientMs, t, degreesOfFreedom, threshold, sizeT, outputBytes, calls } = part;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const sizes = new Set([...outputBytes.sufficient, ...outputBytes.insufficient]);
  return {
    title: `sufficient against insufficient transfers, through ${part.through}; |t| below ${threshold}, fixed before the run`,
    head: ["", ""],
    rows: [
      ["transfers", `${sufficientMs.length} and ${insufficientMs.length}, in ${calls.length} calls`],
      ["mean ms", `${ms(mean(sufficientMs))} and ${ms(mean(insufficientMs))}`],
      ["Welch's t of times", `${t.toFixed(2)} (${Math.round(degreesOfFreedom)} degrees of freedom)`],
      ["Welch's t of the answers' sizes", sizeT.toFixed(2)],
      ["sizes of outputs that occurred", [...sizes].join("; ")],
    ],
  };
}

/** All tables of a result. */
export function fheTables(result: FheResult): readonly Table[] {
  const { machine, commit, startedAt, uncommittedChanges, intervals, threads, parts, ratios } = result;
  const { transfer, concurrency, programs, linear, client, welch } = parts;
  const about: Table = {
    title: "fhe: encrypted state and inference",
    head: ["", ""],
    rows: [
      ["machine", `${machine.cpu}, ${machine.cores} cores, ${threads} threads, Node ${machine.node}`],
      ["commit", `${commit?.slice(0, 12) ?? "unknown"}${uncommittedChanges ? " with uncommitted changes" : ""}`],
      ["started", startedAt],
      ["intervals", intervals],
      ...result.failed.map((reason) => ["failed", reason]),
    ],
  };
  return [
    about,
    ...(transfer === undefined ? [] : transferTables(transfer)),
    ...(concurrency === undefined ? [] : [concurrencyTable(concurrency)]),
    ...(programs === undefined ? [] : programTables(programs.rows)),
    ...(linear === undefined ? [] : [linearTable(linear)]),
    ...(client === undefined ? [] : clientTables(client)),
    ...(welch === undefined ? [] : [welchTable(welch)]),
    {
      title: "goals, ratio with its interval",
      head: ["", ""],
      rows: Object.entries(ratios).map(([name, value]) => [name, ratio(value)]),
    },
  ];
}
