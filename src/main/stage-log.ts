/** Logs how long the stages of each request took, and the memory in use: for measurements, with `--dev` only. */
import { measureStages, type StageTimes } from "../core/stage.ts";
import type { GatewayOptions, OperatorLog } from "../gateway/options.ts";

/** How often the memory in use is logged. */
const MEMORY_MS = 2000;

/** An observer that writes one `stages` line per request, and a `memory` line every two seconds until it is closed. */
export function observeStages(
  log: OperatorLog,
  started: { add(close: () => void): void },
): NonNullable<GatewayOptions["observe"]> {
  const memory = setInterval(() => {
    const { rss, heapUsed } = process.memoryUsage();
    log({ level: "info", event: "memory", rss, heap: heapUsed });
  }, MEMORY_MS);
  memory.unref();
  started.add(() => clearInterval(memory));
  return (requestId) => {
    const times: StageTimes = {};
    const stages = measureStages(times, () => performance.now());
    const done = (receiptId: string) =>
      log({ level: "info", event: "stages", request_id: requestId, receipt_id: receiptId, times });
    return { stages, done };
  };
}
