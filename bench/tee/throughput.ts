/** Throughput against concurrency: closed loops, variants in turn, every level twice. The callers share the machine's cores. */
import { cpuMilliseconds } from "../program.ts";
import { percentiles } from "../statistics.ts";
import type { Variant } from "./latency.ts";
import type { Workload } from "./workload.ts";

/** Answers per second of one variant at one level. */
export interface ThroughputRow {
  readonly variant: string;
  readonly simulated: true;
  readonly concurrency: number;
  readonly answersPerSecond: number;
  /** Answers per second over the first variant's at the same level. */
  readonly ratio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the serving processes for one answer: it says the same on a busy machine. */
  readonly serverCpuMs: number;
}

const REPEATS = 2;

interface Block {
  readonly answers: number;
  readonly seconds: number;
  readonly times: readonly number[];
  readonly cpuMs: number;
}

/** Keeps `concurrency` requests going until `isOver`. */
export async function loop(
  workload: Workload,
  { call, servers = [] }: Variant,
  concurrency: number,
  isOver: (answers: number) => boolean,
): Promise<Block> {
  const times: number[] = [];
  let sent = 0;
  const cpuBefore = cpuMilliseconds(servers);
  const begun = performance.now();
  const one = async () => {
    while (!isOver(sent)) {
      const inputs = workload.inputs[sent++ % workload.inputs.length] ?? [];
      times.push((await call(workload.name, inputs)).answered);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const seconds = (performance.now() - begun) / 1000;
  return { answers: times.length, seconds, times, cpuMs: cpuMilliseconds(servers) - cpuBefore };
}

/** Measures every variant at every level for `seconds` in all; the first variant is the baseline. */
export async function measureThroughput(
  workload: Workload,
  variants: readonly Variant[],
  levels: readonly number[],
  seconds: number,
): Promise<readonly ThroughputRow[]> {
  const rows: ThroughputRow[] = [];
  const blockMs = Math.max(150, (seconds * 1000) / (variants.length * levels.length * REPEATS));
  for (const concurrency of levels) {
    const blocks = variants.map((): Block[] => []);
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const [place, variant] of variants.entries()) {
        const end = performance.now() + blockMs;
        blocks[place]?.push(await loop(workload, variant, concurrency, () => performance.now() > end));
      }
    }
    const rates = blocks.map((list) => sum(list.map((block) => block.answers)) / sum(list.map((block) => block.seconds)));
    for (const [place, { name }] of variants.entries()) {
      const { p50, p99 } = percentiles((blocks[place] ?? []).flatMap((block) => block.times));
      const rate = rates[place] ?? 0;
      const ratio = Number((rate / (rates[0] ?? 1)).toFixed(4));
      const measured = blocks[place] ?? [];
      const cpu = sum(measured.map((block) => block.cpuMs)) / sum(measured.map((block) => block.answers));
      rows.push({
        variant: name,
        simulated: true,
        concurrency,
        answersPerSecond: Number(rate.toFixed(1)),
        ratio,
        p50Ms: p50,
        p99Ms: p99,
        serverCpuMs: Number(cpu.toFixed(3)),
      });
    }
  }
  return rows;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
