/** The tee suite's tables. Every title says that the evidence is simulated. */
import type { Interval } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { ModelResult, TeeResult } from "./result.ts";

const interval = (value: Interval | null, unit: string) =>
  value === null ? "" : `${ms(value.median)}${unit} [${ms(value.low)}, ${ms(value.high)}]`;
const megabytes = (bytes: number | undefined) => ((bytes ?? 0) / 1e6).toFixed(0);

function latencyTables({ models }: TeeResult): readonly Table[] {
  return models.map(({ model, requestBytes, latency }) => ({
    title: `${model} (${requestBytes} bytes of tensors): one caller, milliseconds (simulated evidence)`,
    head: ["", "n", "p50", "p95", "p99", "added at p50", "ratio of p50", "verified p50"],
    rows: latency.map(({ variant, answeredMs, verifiedMs, addedMs, ratio }) => [
      variant,
      String(answeredMs.n),
      ms(answeredMs.p50),
      ms(answeredMs.p95),
      ms(answeredMs.p99),
      interval(addedMs, ""),
      interval(ratio, "x"),
      verifiedMs === null ? "" : ms(verifiedMs.p50),
    ]),
  }));
}

function throughputTables({ models }: TeeResult): readonly Table[] {
  return models.map(({ model, throughput }) => {
    const levels = [...new Set(throughput.map(({ concurrency }) => concurrency))];
    const variants = [...new Set(throughput.map(({ variant }) => variant))];
    const cell = (variant: string, level: number) => {
      const row = throughput.find((item) => item.variant === variant && item.concurrency === level);
      return row === undefined ? "" : `${row.answersPerSecond.toFixed(0)} (${row.ratio.toFixed(2)}x)`;
    };
    return {
      title: `${model}: answers per second by concurrency, callers on the same cores (simulated evidence)`,
      head: ["", ...levels.map(String)],
      rows: variants.map((variant) => [variant, ...levels.map((level) => cell(variant, level))]),
    };
  });
}

function cpuTable({ models }: TeeResult): Table {
  const variants = [...new Set(models.flatMap(({ throughput }) => throughput.map(({ variant }) => variant)))];
  const cell = (throughput: ModelResult["throughput"], variant: string) => {
    const rows = throughput.filter((row) => row.variant === variant);
    return ms(rows.reduce((total, { serverCpuMs }) => total + serverCpuMs, 0) / rows.length);
  };
  return {
    title: "processor time of gateway and worker, or of the bare route, for one answer, milliseconds (simulated evidence)",
    head: ["", ...variants],
    rows: models.map(({ model, throughput }) => [model, ...variants.map((variant) => cell(throughput, variant))]),
  };
}

function stageTables({ models, stages }: TeeResult): readonly Table[] {
  return models.map(({ model }) => {
    const own = stages.filter((row) => row.model === model);
    const variants = [...new Set(own.map(({ variant }) => variant))];
    const keys = [...new Set(own.map(({ where, stage }) => `${where}: ${stage}`))].sort();
    const cell = (key: string, variant: string) => {
      const row = own.find((item) => `${item.where}: ${item.stage}` === key && item.variant === variant);
      return row === undefined ? "" : `${ms(row.ms.p50)} / ${ms(row.ms.p95)}`;
    };
    return {
      title: `${model}: stages, p50 / p95 milliseconds; each inside the one it is sent from (simulated evidence)`,
      head: ["", ...variants],
      rows: keys.map((key) => [key, ...variants.map((variant) => cell(key, variant))]),
    };
  });
}

function summary({ disks, verification, memory }: TeeResult): Table {
  const [first] = memory?.samples ?? [];
  const last = memory?.samples.at(-1);
  const middle = memory?.samples[Math.floor((memory?.samples.length ?? 0) / 2)];
  const grown = (name: "gatewayRss" | "gatewayHeap" | "workerRss" | "workerHeap") =>
    `${megabytes(first?.[name])} / ${megabytes(middle?.[name])} / ${megabytes(last?.[name])} MB`;
  return {
    title: "disk, verification, memory (simulated evidence)",
    head: ["", ""],
    rows: [
      ...disks.map(({ folder, fdatasyncMs }) => [`fdatasync of ${folder}`, `${ms(fdatasyncMs.p50)} / ${ms(fdatasyncMs.p95)} ms`]),
      ...(verification === null
        ? []
        : [["tee bundle, verified warm", `${ms(verification.warmMs.p50)} / ${ms(verification.warmMs.p95)} ms`]]),
      ...(memory === null
        ? []
        : [
            [`${memory.requests} sealed requests, concurrency 8`, `${memory.answersPerSecond} per second`],
            ["gateway resident, start / middle / end", grown("gatewayRss")],
            ["gateway heap", grown("gatewayHeap")],
            ["worker resident", grown("workerRss")],
            ["worker heap", grown("workerHeap")],
          ]),
    ],
  };
}

/** All tables of a result. */
export function teeTables(result: TeeResult): readonly Table[] {
  const { machine, commit, load, startedAt } = result;
  const about: Table = {
    title: `tee, SIMULATED evidence: nothing here ran inside a TEE`,
    head: ["", ""],
    rows: [
      ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
      ["commit", `${commit?.slice(0, 12) ?? "unknown"}${result.uncommittedChanges ? " with uncommitted changes" : ""}`],
      ["started", startedAt],
      ["load before / after", `${load.before} / ${load.after}`],
      ["intervals", result.intervals],
    ],
  };
  return [
    about,
    ...latencyTables(result),
    ...throughputTables(result),
    cpuTable(result),
    ...stageTables(result),
    summary(result),
  ];
}
