/** Stage times of sealed requests: the SDK's own, and those that gateway and worker log when they are asked to. */
import { type Percentiles, percentiles } from "../statistics.ts";
import { sdkCaller } from "./caller.ts";
import { startService } from "./service.ts";
import type { Workload } from "./workload.ts";

/** What one stage took. A stage of the gateway lies inside the SDK's `http`, one of the worker inside the gateway's `worker`. */
export interface StageRow {
  readonly model: string;
  readonly variant: string;
  readonly simulated: true;
  readonly where: "caller" | "gateway" | "worker";
  readonly stage: string;
  readonly ms: Percentiles;
}

type Where = StageRow["where"];
type Line = Readonly<Record<string, unknown>>;

/** Members of a log line that are no stage. */
const OTHER = new Set(["time", "level", "event"]);

class Collected {
  private readonly times = new Map<string, { readonly where: Where; readonly stage: string; readonly ms: number[] }>();

  add(where: Where, times: Readonly<Record<string, unknown>>): void {
    for (const [stage, ms] of Object.entries(times)) {
      if (typeof ms !== "number" || OTHER.has(stage)) continue;
      const key = `${where} ${stage}`;
      const kept = this.times.get(key) ?? { where, stage, ms: [] };
      kept.ms.push(ms);
      this.times.set(key, kept);
    }
  }

  take(model: string, variant: string): readonly StageRow[] {
    const rows = [...this.times.values()].map(
      ({ where, stage, ms }): StageRow => ({ model, variant, simulated: true, where, stage, ms: percentiles(ms) }),
    );
    this.times.clear();
    return rows;
  }
}

const isObject = (value: unknown): value is Line => typeof value === "object" && value !== null;

/** Measures the stages of every workload on a gateway of its own. */
export async function measureStagesOf(
  workloads: readonly Workload[],
  variant: string,
  setup: { readonly sealAlgorithms: readonly string[]; readonly under: string; readonly models: string },
  requests: number,
): Promise<readonly StageRow[]> {
  const collected = new Collected();
  const onLine = (line: Line) => {
    const inner = line["line"];
    if (line["event"] === "stages" && isObject(line["times"])) collected.add("gateway", line["times"]);
    else if (isObject(inner) && inner["event"] === "stages") collected.add("worker", inner);
  };
  const service = await startService({ ...setup, onLine });
  try {
    const call = sdkCaller(service, true);
    const rows: StageRow[] = [];
    for (const workload of workloads) {
      for (let index = 0; index < requests / 10; index++) await call(workload.name, workload.inputs[0] ?? []);
      await settled();
      collected.take("", "");
      for (let index = 0; index < requests; index++) {
        const { stages } = await call(workload.name, workload.inputs[index % workload.inputs.length] ?? []);
        collected.add("caller", stages);
      }
      await settled();
      rows.push(...collected.take(workload.name, variant));
    }
    return rows;
  } finally {
    await service.stop();
  }
}

/** The log lines come through two pipes. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}
