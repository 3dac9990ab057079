/** Memory over many requests: resident bytes and heap of gateway and worker, sampled while they answer. */
import { residentBytes } from "../program.ts";
import { sealingCaller } from "./caller.ts";
import { type ServiceSetup, startService } from "./service.ts";
import { loop } from "./throughput.ts";
import type { Workload } from "./workload.ts";

/** One moment. Heap is what the process itself logged last; 0 before that. */
interface MemorySample {
  readonly answers: number;
  readonly gatewayRss: number;
  readonly gatewayHeap: number;
  readonly workerRss: number;
  readonly workerHeap: number;
}

/** The memory part's result. */
export interface MemoryResult {
  readonly simulated: true;
  readonly model: string;
  readonly variant: string;
  readonly requests: number;
  readonly answersPerSecond: number;
  readonly samples: readonly MemorySample[];
}

const CONCURRENCY = 8;
const SAMPLES = 50;

/** Sends `requests` sealed requests at concurrency 8. */
export async function measureMemory(workload: Workload, setup: ServiceSetup, requests: number): Promise<MemoryResult> {
  const heap = { gateway: 0, worker: 0 };
  const onLine = (line: Readonly<Record<string, unknown>>) => {
    const inner = line["line"] as Readonly<Record<string, unknown>> | undefined;
    if (line["event"] === "memory") heap.gateway = Number(line["heap"]);
    else if (inner?.["event"] === "memory") heap.worker = Number(inner["heap"]);
  };
  const service = await startService({ ...setup, onLine });
  try {
    const call = await sealingCaller(service, workload.name);
    const samples: MemorySample[] = [];
    const sample = (answers: number) => {
      const [gatewayRss, workerRss] = [residentBytes(service.pid), residentBytes(service.workerPid)];
      samples.push({ answers, gatewayRss, gatewayHeap: heap.gateway, workerRss, workerHeap: heap.worker });
    };
    const every = Math.max(1, Math.floor(requests / SAMPLES));
    let next = 0;
    const { answers, seconds } = await loop(workload, { name: "", call }, CONCURRENCY, (sent) => {
      if (sent >= next) {
        sample(sent);
        next += every;
      }
      return sent >= requests;
    });
    sample(answers);
    const answersPerSecond = Number((answers / seconds).toFixed(1));
    return { simulated: true, model: workload.name, variant: "sealed x25519", requests: answers, answersPerSecond, samples };
  } finally {
    await service.stop();
  }
}
