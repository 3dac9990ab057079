/** Two results of one suite, figure by figure: what got slower and what faster. */

import { shortNumber } from "./report/svg.ts";
import type { Interval, Percentiles } from "./statistics.ts";
import { RESULT_SCHEMA, type Table } from "./suite.ts";

/** A figure as both documents have it. */
export interface Compared {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** After over before. */
  readonly ratio: number;
  readonly verdict: "worse" | "better" | "same";
}

/** Figures that say how many times slower somebody else is, or how much was answered: more of them is better. All others are times. */
const MORE_IS_BETTER = /ezkl|int16_over_lwe|concrete_ml|throughput| against /;

/** Percentiles have no interval in a document: below this change of the median they count as the same. */
const LEAST_CHANGE = 0.1;

type Figure = { readonly value: number; readonly low: number; readonly high: number };

function figureOf(value: object): Figure | null {
  const { median, low, high, p50 } = value as Partial<Interval & Percentiles>;
  if (typeof median === "number" && typeof low === "number" && typeof high === "number") return { value: median, low, high };
  if (typeof p50 !== "number") return null;
  return { value: p50, low: p50 * (1 - LEAST_CHANGE / 2), high: p50 * (1 + LEAST_CHANGE / 2) };
}

/** Figures by name. Items of a list are named by what they say they are, so that another order or one more changes nothing. */
function figures(value: unknown, path: readonly string[] = []): readonly (readonly [string, Figure])[] {
  if (typeof value !== "object" || value === null) return [];
  const own = figureOf(value);
  if (own !== null) return [[path.join(" / "), own]];
  if (!Array.isArray(value)) return Object.entries(value).flatMap(([key, item]) => figures(item, [...path, key]));
  return value.flatMap((item: unknown, index) => figures(item, [...path, itemName(item, index)]));
}

function itemName(item: unknown, index: number): string {
  const names = ["model", "program", "name", "variant", "prover", "where", "stage", "concurrency", "folder"];
  const said = names.flatMap((name) => {
    const part = ((item ?? {}) as Readonly<Record<string, unknown>>)[name];
    return typeof part === "string" || typeof part === "number" ? [String(part)] : [];
  });
  return said.length === 0 ? String(index) : said.join(" ");
}

/**
 * Compares two documents of one suite, figure by figure. A change counts where the two intervals do not meet.
 * @throws Error for documents of another format or of two suites.
 */
export function compareResults(before: unknown, after: unknown): readonly Compared[] {
  const [one, other] = [before, after].map((value) => (value ?? {}) as { readonly schema?: unknown; readonly suite?: unknown });
  if (one?.schema !== RESULT_SCHEMA || other?.schema !== RESULT_SCHEMA) throw new Error(`no result of ${RESULT_SCHEMA}`);
  if (one.suite !== other.suite) throw new Error(`one is of suite ${String(one.suite)}, the other of ${String(other.suite)}`);
  const later = new Map(figures(after));
  return figures(before).flatMap(([name, was]) => {
    const is = later.get(name);
    if (is === undefined) return [];
    const change = is.low > was.high ? 1 : is.high < was.low ? -1 : 0;
    const isWorse = MORE_IS_BETTER.test(name) ? change < 0 : change > 0;
    const verdict = change === 0 ? "same" : isWorse ? "worse" : "better";
    return [{ name, before: was.value, after: is.value, ratio: is.value / was.value, verdict }];
  });
}

/** What the two were measured on: a comparison across machines or loads says little. */
export function aboutTable(before: unknown, after: unknown): Table {
  const said = [before, after].map((value) => {
    const { machine, commit, load, startedAt } = (value ?? {}) as Readonly<Record<string, unknown>>;
    const { cpu, cores, node } = (machine ?? {}) as Readonly<Record<string, unknown>>;
    const loads = (load ?? {}) as Readonly<Record<string, number | undefined>>;
    return [
      startedAt,
      String(commit).slice(0, 12),
      `${String(cores)} cores of ${String(cpu)}, Node ${String(node)}`,
      `${String(loads["before"] ?? "?")} / ${String(loads["after"] ?? "?")}`,
    ];
  });
  const names = ["written", "commit", "machine", "load before / after"];
  const rows = names.map((name, index) => [name, ...said.map((one) => String(one[index]))]);
  return { title: "compared", head: ["", "before", "after"], rows };
}

/** The comparison for people: what changed first, the worst on top. */
export function compareTable(compared: readonly Compared[]): Table {
  const size = ({ ratio }: Compared) => Math.abs(Math.log(ratio));
  const of = (wanted: Compared["verdict"]) =>
    compared.filter(({ verdict }) => verdict === wanted).toSorted((one, other) => size(other) - size(one));
  const [worse, better] = [of("worse"), of("better")];
  const changed = [...worse, ...better];
  const rows = changed.map(({ name, before, after, ratio, verdict }) => [
    name,
    shortNumber(before),
    shortNumber(after),
    `${shortNumber(ratio)}x`,
    verdict,
  ]);
  const same = compared.length - changed.length;
  const title = `${compared.length} figures in both: ${worse.length} worse, ${better.length} better, ${same} the same within their intervals`;
  return { title, head: ["", "before", "after", "ratio", ""], rows };
}
