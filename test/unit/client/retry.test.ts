import { describe, expect, it, vi } from "vitest";
import { withRetries } from "../../../src/client/retry.ts";
import { TrisealError } from "../../../src/core/errors.ts";

const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const overloaded = () => new TrisealError("OVERLOADED", "x");
const inFlight = () => new TrisealError("IDEMPOTENCY_IN_FLIGHT", "x");
const always = () => true;

/** An attempt that throws each of `errors` in turn and then gives `ok`. */
function attemptOf(...errors: readonly unknown[]) {
  const left = [...errors];
  return vi.fn(async (_signal: AbortSignal) => {
    if (left.length > 0) throw left.shift();
    return "ok";
  });
}

/** A sleep that takes no time and remembers how long it was asked for. */
function quickSleep() {
  const slept: number[] = [];
  const sleep = async (ms: number) => {
    slept.push(ms);
  };
  return { slept, sleep };
}

/** An attempt that hangs until it is aborted. */
const hanging = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new Error("broken off")), { once: true }));

describe("withRetries", () => {
  it("gives what the first attempt gives, without a wait", async () => {
    const { slept, sleep } = quickSleep();
    const attempt = attemptOf();
    expect(await withRetries({ attempt, isRetryable: always }, { sleep })).toBe("ok");
    expect([attempt.mock.calls.length, slept]).toEqual([1, []]);
  });

  it("waits a random part of a time that doubles up to its bound", async () => {
    for (const fraction of [0, 0.5, 0.999]) {
      const { slept, sleep } = quickSleep();
      const options = { sleep, random: () => fraction, maxAttempts: 6, baseDelayMs: 100, maxDelayMs: 500 };
      const attempt = attemptOf(...Array.from({ length: 5 }, overloaded));
      expect(await withRetries({ attempt, isRetryable: always }, options)).toBe("ok");
      expect(slept).toEqual([100, 200, 400, 500, 500].map((ms) => ms * fraction));
    }
  });

  it("stays below the full time with the platform's randomness", async () => {
    const { slept, sleep } = quickSleep();
    const attempt = attemptOf(...Array.from({ length: 50 }, overloaded));
    await withRetries({ attempt, isRetryable: always }, { sleep, maxAttempts: 51, baseDelayMs: 10, maxDelayMs: 10 });
    expect(slept.every((ms) => ms >= 0 && ms < 10)).toBe(true);
    expect(new Set(slept).size).toBeGreaterThan(40);
  });

  it.each([1, 2, 4, 9])("throws the last error after %i attempts", async (maxAttempts) => {
    const { slept, sleep } = quickSleep();
    const errors = Array.from({ length: 20 }, overloaded);
    const attempt = attemptOf(...errors);
    await expect(withRetries({ attempt, isRetryable: always }, { sleep, maxAttempts })).rejects.toBe(errors[maxAttempts - 1]);
    expect([attempt.mock.calls.length, slept.length]).toEqual([maxAttempts, maxAttempts - 1]);
  });

  it("makes four attempts by default", async () => {
    const { sleep } = quickSleep();
    const attempt = attemptOf(...Array.from({ length: 20 }, overloaded));
    await expect(withRetries({ attempt, isRetryable: always }, { sleep })).rejects.toEqual(code("OVERLOADED"));
    expect(attempt).toHaveBeenCalledTimes(4);
  });

  it("does not count attempts that only learned that an earlier one is under way", async () => {
    const { slept, sleep } = quickSleep();
    const attempt = attemptOf(...Array.from({ length: 10 }, inFlight), overloaded());
    expect(await withRetries({ attempt, isRetryable: always }, { sleep, maxAttempts: 2 })).toBe("ok");
    expect(slept).toHaveLength(11);
  });

  it("throws at once what a retry cannot change", async () => {
    const { slept, sleep } = quickSleep();
    for (const error of [new TrisealError("POLICY_DENIED", "x"), new Error("x"), "x"]) {
      const attempt = attemptOf(error);
      await expect(withRetries({ attempt, isRetryable: () => false }, { sleep })).rejects.toBe(error);
      expect(attempt).toHaveBeenCalledTimes(1);
    }
    expect(slept).toEqual([]);
  });

  it("breaks an attempt and a wait off at its deadline, and names what the last attempt ended with", async () => {
    await expect(withRetries({ attempt: hanging, isRetryable: always }, { deadlineMs: 10 })).rejects.toEqual(
      code("DEADLINE_EXCEEDED"),
    );
    const error = overloaded();
    const options = { deadlineMs: 10, baseDelayMs: 60_000, maxDelayMs: 60_000, random: () => 0.9 };
    const late = withRetries({ attempt: attemptOf(error), isRetryable: always }, options);
    await expect(late).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      cause: error,
      message: expect.stringMatching(/OVERLOADED/),
    });
    const polling = { attempt: async () => Promise.reject(inFlight()), isRetryable: always };
    await expect(withRetries(polling, { deadlineMs: 20, baseDelayMs: 1, maxDelayMs: 1 })).rejects.toEqual(
      code("DEADLINE_EXCEEDED"),
    );
  });

  it("ends with the caller's reason: before the first attempt, during one, and during a wait", async () => {
    const attempt = attemptOf(overloaded());
    const gone = new Error("the caller left");
    await expect(withRetries({ attempt, isRetryable: always }, {}, AbortSignal.abort(gone))).rejects.toBe(gone);
    expect(attempt).not.toHaveBeenCalled();
    const during = new AbortController();
    const running = withRetries({ attempt: hanging, isRetryable: always }, {}, during.signal);
    during.abort(gone);
    await expect(running).rejects.toBe(gone);
    const waiting = new AbortController();
    const options = { baseDelayMs: 60_000, maxDelayMs: 60_000, random: () => 0.9 };
    const waits = withRetries({ attempt, isRetryable: always }, options, waiting.signal);
    await vi.waitFor(() => expect(attempt).toHaveBeenCalledTimes(1));
    waiting.abort(gone);
    await expect(waits).rejects.toBe(gone);
    expect(attempt).toHaveBeenCalledTimes(1);
  });

  it("leaves no listener on the caller's signal", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const { sleep } = quickSleep();
    await withRetries({ attempt: attemptOf(overloaded()), isRetryable: always }, { sleep }, signal);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(added.mock.calls.map(([, listener]) => listener));
  });
});
