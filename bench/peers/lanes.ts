/** Ways to have a model served, as lanes of one run: a request at a time, or a block of several callers. */
import type { LineProcess } from "../line-process.ts";
import { cpuMilliseconds } from "../program.ts";
import { quantile } from "../statistics.ts";
import type { Caller } from "../tee/caller.ts";
import { loop } from "../tee/throughput.ts";
import type { Workload } from "../tee/workload.ts";

/** What a block of several callers gave. */
export interface ServingBlock {
  readonly rate: number;
  readonly p50Ms: number;
  readonly cpuMs: number;
}

/** One variant with its measurements. */
export interface ServingLane {
  readonly variant: string;
  readonly simulated: boolean;
  readonly answered: number[];
  readonly blocks: Map<number, ServingBlock[]>;
  one(round: number): Promise<number>;
  block(concurrency: number, ms: number): Promise<ServingBlock>;
  close(): void;
}

/** A lane of callers in this process. */
export function ownCallers(
  variant: string,
  simulated: boolean,
  workload: Workload,
  call: Caller,
  servers: readonly number[],
): ServingLane {
  return {
    variant,
    simulated,
    answered: [],
    blocks: new Map(),
    one: async (round) => (await call(workload.name, workload.inputs[round % workload.inputs.length] ?? [])).answered,
    async block(concurrency, ms) {
      const end = performance.now() + ms;
      const { answers, seconds, times, cpuMs } = await loop(
        workload,
        { name: variant, call, servers },
        concurrency,
        () => performance.now() > end,
      );
      return { rate: answers / seconds, p50Ms: quantile(times, 0.5), cpuMs: cpuMs / answers };
    },
    close: () => undefined,
  };
}

/** A lane of callers in a process of their own, which answers lines. */
export function otherCallers(variant: string, caller: LineProcess, servers: readonly number[]): ServingLane {
  const ask = async (request: object) => {
    const { times, seconds } = await caller.ask(request);
    return { times: times as readonly number[], seconds: Number(seconds) };
  };
  return {
    variant,
    simulated: false,
    answered: [],
    blocks: new Map(),
    one: async () => (await ask({ calls: 1 })).times[0] ?? Number.NaN,
    async block(concurrency, ms) {
      const before = cpuMilliseconds(servers);
      const { times, seconds } = await ask({ seconds: ms / 1000, concurrency });
      const cpuMs = (cpuMilliseconds(servers) - before) / times.length;
      return { rate: times.length / seconds, p50Ms: quantile(times, 0.5), cpuMs };
    },
    close: () => caller.end(),
  };
}
