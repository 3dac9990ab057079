/** Waits that an abort ends early. */
import { setTimeout as sleep } from "node:timers/promises";

/** Resolves after `milliseconds`, or at once where `signal` is aborted or becomes so. Never rejects. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
