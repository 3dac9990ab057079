/**
 * Whether time or size tells a transfer that the balance covers from one that it does not: pairs in random order, through HTTP. The
 * threshold stands here, before any run. Calls of minutes add up: a later one goes on where the last one ended.
 */
import { randomInt } from "node:crypto";
import type { Answered, Ledger } from "./ledger.ts";
import type { Measured, WelchPart } from "./result.ts";

/** Fixed before the run: |t| below it, or the two can be told apart. */
const THRESHOLD = 4.5;

/** Pairs of a whole measurement. */
export const WELCH_PAIRS = 200;

const COVERED = 1n;
const UNCOVERED = 2n ** 63n;

interface Moments {
  readonly n: number;
  readonly mean: number;
  readonly variance: number;
}

function moments(values: readonly number[]): Moments {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  return { n, mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) };
}

/** Welch's t of two samples with its degrees of freedom; t is 0 where neither varies and both are equal. */
export function welch(
  left: readonly number[],
  right: readonly number[],
): { readonly t: number; readonly degreesOfFreedom: number } {
  const [a, b] = [moments(left), moments(right)];
  const [u, v] = [a.variance / a.n, b.variance / b.n];
  const difference = a.mean - b.mean;
  if (u + v === 0) return { t: difference === 0 ? 0 : Number.MAX_VALUE, degreesOfFreedom: 0 };
  const degreesOfFreedom = (u + v) ** 2 / (u ** 2 / (a.n - 1) + v ** 2 / (b.n - 1));
  return { t: difference / Math.sqrt(u + v), degreesOfFreedom };
}

interface Samples {
  readonly ms: number[];
  readonly answerBytes: number[];
  readonly outputBytes: Set<string>;
}

function samplesOf(kept: WelchPart | undefined, kind: "sufficient" | "insufficient"): Samples {
  if (kept === undefined) return { ms: [], answerBytes: [], outputBytes: new Set() };
  const ms = kind === "sufficient" ? kept.sufficientMs : kept.insufficientMs;
  return { ms: [...ms], answerBytes: [...kept.answerBytes[kind]], outputBytes: new Set(kept.outputBytes[kind]) };
}

function keep({ ms, answerBytes, outputBytes }: Samples, answered: Answered): void {
  ms.push(answered.ms);
  answerBytes.push(answered.bytes);
  outputBytes.add(answered.answer.outputs.map(({ n, bytes }) => `${n} ${bytes}`).join(", "));
}

/** Pairs until there are as many as wanted or the time is over. @throws Error where an amount moved that should not have, or did not. */
export async function measureWelch(
  ledger: Ledger,
  [from, to]: readonly [string, string],
  kept: WelchPart | undefined,
  { seconds, pairs }: { readonly seconds: number; readonly pairs: number },
): Promise<Omit<WelchPart, "calls">> {
  const [sufficient, insufficient] = [samplesOf(kept, "sufficient"), samplesOf(kept, "insufficient")];
  // The first one does not count.
  await ledger.submit(await ledger.prepare(from, to, COVERED));
  const before = await ledger.balance(from);
  const end = performance.now() + seconds * 1000;
  let covered = 0n;
  for (; sufficient.ms.length < pairs && performance.now() < end; covered += COVERED) {
    const both = [
      [sufficient, COVERED],
      [insufficient, UNCOVERED],
    ] as const;
    for (const [samples, amount] of randomInt(2) === 0 ? both : both.toReversed())
      keep(samples, await ledger.submit(await ledger.prepare(from, to, amount)));
  }
  const moved = before - (await ledger.balance(from));
  if (moved !== covered) throw new Error(`${covered} units should have moved, and ${moved} did`);
  return {
    through: "http",
    threshold: THRESHOLD,
    sufficientMs: sufficient.ms,
    insufficientMs: insufficient.ms,
    ...welch(sufficient.ms, insufficient.ms),
    answerBytes: { sufficient: sufficient.answerBytes, insufficient: insufficient.answerBytes },
    outputBytes: { sufficient: [...sufficient.outputBytes], insufficient: [...insufficient.outputBytes] },
    sizeT: welch(sufficient.answerBytes, insufficient.answerBytes).t,
  };
}

/** The calls so far and this one. */
export function callsOf(kept: WelchPart | undefined, measured: Measured): readonly Measured[] {
  return [...(kept?.calls ?? []), measured];
}
