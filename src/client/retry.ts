/** Retries with exponential backoff and full jitter, under one deadline. Knows no protocol. */
import { isTrisealError, TrisealError } from "../core/errors.ts";

/** Resolves after `ms` milliseconds, or as soon as the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** How a call is repeated. */
export interface RetryOptions {
  /** Attempts of one call, the first included. 4 by default; 1 never retries. */
  readonly maxAttempts?: number;
  /** Time for the whole call, all attempts and waits. 120,000 by default. */
  readonly deadlineMs?: number;
  /** Longest wait before the second attempt; it doubles with each further one. 500 by default. */
  readonly baseDelayMs?: number;
  /** Longest wait of all. 8,000 by default. */
  readonly maxDelayMs?: number;
  /** A number from 0 up to, but not including, 1. The platform's randomness by default. */
  readonly random?: () => number;
  /** The platform's timer by default. */
  readonly sleep?: Sleep;
}

/** One kind of work that is repeated. */
export interface Repeatable<T> {
  /** One attempt; it must end when the signal aborts. */
  readonly attempt: (signal: AbortSignal) => Promise<T>;
  readonly isRetryable: (error: unknown) => boolean;
}

/** A random number from 0 up to, but not including, 1. */
export function randomFraction(): number {
  const [word = 0] = crypto.getRandomValues(new Uint32Array(1));
  return word / 2 ** 32;
}

/** Waits by the platform's timer. */
export function platformSleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/**
 * What the first attempt that succeeds gives. An attempt that only learned that an earlier one is still under way
 * (`IDEMPOTENCY_IN_FLIGHT`) does not count: the deadline bounds those.
 * @throws the last attempt's error; the caller's abort reason; TrisealError `DEADLINE_EXCEEDED` with the last attempt's
 *   error as its cause.
 */
export async function withRetries<T>(work: Repeatable<T>, options: RetryOptions = {}, caller?: AbortSignal): Promise<T> {
  caller?.throwIfAborted();
  const { deadlineMs = 120_000 } = options;
  const controller = new AbortController();
  const last: { error: unknown } = { error: null };
  const late = () => {
    const code = isTrisealError(last.error) ? ` (the last attempt ended with ${last.error.code})` : "";
    controller.abort(new TrisealError("DEADLINE_EXCEEDED", `no answer within ${deadlineMs} ms${code}`, { cause: last.error }));
  };
  const abort = () => controller.abort(caller?.reason);
  const timer = setTimeout(late, deadlineMs);
  caller?.addEventListener("abort", abort, { once: true });
  try {
    return await attempts(work, options, controller.signal, last);
  } finally {
    clearTimeout(timer);
    caller?.removeEventListener("abort", abort);
  }
}

async function attempts<T>(
  { attempt, isRetryable }: Repeatable<T>,
  options: RetryOptions,
  signal: AbortSignal,
  last: { error: unknown },
): Promise<T> {
  const { maxAttempts = 4, baseDelayMs = 500, maxDelayMs = 8000, random = randomFraction, sleep = platformSleep } = options;
  let counted = 0;
  for (let round = 0; ; round++) {
    try {
      return await attempt(signal);
    } catch (error) {
      // Whatever a broken-off attempt threw: it ended because of this.
      signal.throwIfAborted();
      last.error = error;
      if (!isTrisealError(error, "IDEMPOTENCY_IN_FLIGHT")) counted++;
      if (counted >= maxAttempts || !isRetryable(error)) throw error;
    }
    await sleep(random() * Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(round, 30)), signal);
    signal.throwIfAborted();
  }
}
