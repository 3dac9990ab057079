/** Legs that follow an answer: which a bundle awaits, and the wait for them. */
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { Clock, UnixSeconds } from "../core/time.ts";
import { type Bundle, eventsOf, parseBundle } from "../receipt/index.ts";
import type { RetryOptions } from "./retry.ts";
import { platformSleep, randomFraction } from "./retry.ts";

/** A leg that a receipt awaits. */
export interface PendingLeg {
  readonly path: string;
  /** Seconds since the epoch by which it has to be there. */
  readonly deadline: UnixSeconds;
}

/** The legs that the receipt of a bundle awaits and that none of its supplements brings. Verifies nothing. */
export function pendingLegs({ receipt, supplements }: Bundle): readonly PendingLeg[] {
  const brought = new Set(supplements.flatMap((one) => eventsOf(one, "leg.sealed")).map(({ path }) => path));
  return eventsOf(receipt, "leg.sealed").flatMap((leg) =>
    leg.status === "pending" && !brought.has(leg.path) ? [{ path: leg.path, deadline: leg.deadline }] : [],
  );
}

/** How legs are waited for. */
export interface LegWait {
  readonly pending: readonly PendingLeg[];
  /** The bundle as the service has it now. */
  readonly look: (signal: AbortSignal) => Promise<Uint8Array>;
  /** Throws where the service says that a leg will not come. */
  readonly assertComing: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly retry: RetryOptions;
  readonly signal: AbortSignal | undefined;
}

/** Time for the last look, in milliseconds: a service that does not answer must not hold a caller past the deadline. */
const LAST_LOOK_MS = 30_000;
/** Longest time that a timer holds, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The bundle in which every leg is there, asked for with backoff until the first deadline of those that are not. Verifies nothing.
 * @throws TrisealError `DEADLINE_EXCEEDED`; what `assertComing` throws, and what no retry can change; the reason of `signal`.
 */
export async function awaitLegs({ pending, look, assertComing, clock, retry, signal }: LegWait): Promise<Uint8Array> {
  const { baseDelayMs = 500, maxDelayMs = 8000, random = randomFraction, sleep = platformSleep } = retry;
  const left = Math.max(0, Math.max(...pending.map(({ deadline }) => deadline)) - clock()) * 1000;
  const limit = AbortSignal.timeout(Math.min(left + LAST_LOOK_MS, MAX_TIMER_MS));
  const whole = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  for (let round = 0; ; round++) {
    const now = clock();
    const missing = await missingNow(look, assertComing, whole, pending).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (limit.aborted) return pending;
      throw error;
    });
    if (missing instanceof Uint8Array) return missing;
    const overdue = missing.find(({ deadline }) => deadline < now);
    if (overdue !== undefined || limit.aborted) {
      const path = (overdue ?? missing[0])?.path;
      throw new TrisealError("DEADLINE_EXCEEDED", `the ${path} leg did not come by its deadline: its receipt is LEG_OVERDUE`);
    }
    await sleep((0.5 + random() / 2) * Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(round, 30)), whole);
    signal?.throwIfAborted();
  }
}

/** The completed bundle, or the legs that it still awaits. A service that cannot be reached now is asked again. */
async function missingNow(
  look: LegWait["look"],
  assertComing: LegWait["assertComing"],
  signal: AbortSignal,
  pending: readonly PendingLeg[],
): Promise<Uint8Array | readonly PendingLeg[]> {
  try {
    const bundle = await look(signal);
    const missing = pendingLegs(parseBundle(bundle));
    if (missing.length === 0) return bundle;
    await assertComing(signal);
    return missing;
  } catch (error) {
    if (isTrisealError(error) && error.details["retryable"] === true) return pending;
    throw error;
  }
}
