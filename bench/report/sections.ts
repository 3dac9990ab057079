/** Sections of the page, one function for what each suite leaves. A part that is missing says why. */
import type { Part } from "../combined.ts";
import type { PathsResult } from "../paths/result.ts";
import type { Interval, Percentiles } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { ms } from "../table.ts";
import type { TeeResult } from "../tee/result.ts";
import type { ZkResult } from "../zk/result.ts";
import { barPlot, curvePlot, dotPlot, escapeText, shortNumber } from "./svg.ts";

/** A heading with what stands under it, as HTML. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

const SIMULATED = '<span class="simulated">simulated evidence: nothing ran inside a TEE</span>';

function figure(plot: string, caption: string, simulated: boolean): string {
  return `<figure>${plot}<figcaption>${escapeText(caption)}${simulated ? ` ${SIMULATED}` : ""}</figcaption></figure>`;
}

/** A table as HTML; the first column is text, the others are numbers. */
export function tableHtml({ title, head, rows }: Table): string {
  const cells = (row: readonly string[], tag: "td" | "th") => row.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join("");
  const top = head.every((cell) => cell === "") ? "" : `<thead><tr>${cells(head, "th")}</tr></thead>`;
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("");
  const columns = head.length === 2 ? ' class="list"' : "";
  return `<div class="wide"><table${columns}><caption>${escapeText(title)}</caption>${top}<tbody>${body}</tbody></table></div>`;
}

const SERIES: Readonly<Record<string, number>> = { none: 0, tee: 1, zk: 2, fhe: 3 };

function pathsFigures({ models }: PathsResult): string {
  return models
    .map(({ model, architecture, rows }) => {
      const dots = rows.flatMap(({ variant, path, simulated, answeredMs, ratio }) =>
        answeredMs === null
          ? []
          : [
              {
                label: simulated ? `${variant} *` : variant,
                value: ratio?.median ?? 1,
                low: ratio?.low ?? null,
                high: ratio?.high ?? null,
                note: `${ms(answeredMs.p50)} ms`,
                series: SERIES[path] ?? 0,
              },
            ],
      );
      const absent = rows.flatMap(({ path, unavailable }) => (unavailable === null ? [] : [`${path}: ${unavailable}`]));
      const notRun = absent.length === 0 ? "" : ` Not run: ${absent.join("; ")}.`;
      const caption = `${architecture} (${model}): median time of an answer over plain HTTP, 95 % intervals, logarithmic; at the right the median.${notRun} *`;
      return figure(dotPlot(`Overhead by path, ${model}`, dots, "x"), caption, true);
    })
    .join("");
}

function teeFigures({ models, stages }: TeeResult): string {
  return models
    .map(({ model, throughput }) => {
      const variants = [...new Set(throughput.map(({ variant }) => variant))];
      const curves = variants.map((name) => ({
        name,
        points: throughput
          .filter(({ variant }) => variant === name)
          .map(({ concurrency, answersPerSecond }) => ({ x: concurrency, y: answersPerSecond })),
      }));
      const own = stages.filter((row) => row.model === model && row.variant === "sealed x25519");
      const places = [...new Set(own.map(({ where }) => where))];
      const bars = own.map(({ where, stage, ms: times }) => ({
        label: `${where}: ${stage}`,
        value: times.p50,
        note: `${ms(times.p50)} ms`,
        series: places.indexOf(where),
      }));
      const stageCaption = `${model}: stages of a sealed request (X25519), medians. The gateway's lie inside the caller's http, the worker's inside the gateway's worker.`;
      return [
        figure(
          curvePlot(`Throughput of ${model}`, curves),
          `${model}: answers per second by concurrency; callers on the same cores.`,
          true,
        ),
        bars.length === 0 ? "" : figure(barPlot(`Stages of ${model}`, bars, " ms"), stageCaption, true),
      ].join("");
    })
    .join("");
}

function zkFigures({ models }: ZkResult): string {
  const provers = ["rust", "snarkjs", "ezkl", "ezkl-wasm"];
  const dots = models.flatMap(({ architecture, mode, provers: rows }) =>
    rows.flatMap(({ prover, proveMs }) =>
      proveMs === null
        ? []
        : [
            {
              label: `${architecture}${mode === "committed" ? ", committed" : ""}: ${prover}`,
              value: proveMs.p50,
              low: null,
              high: null,
              note: `${ms(proveMs.p50)} ms`,
              series: provers.indexOf(prover),
            },
          ],
    ),
  );
  return figure(dotPlot("Proving time", dots, " ms"), "Median time of one proof, its key in memory; logarithmic.", false);
}

/** Intervals and percentiles anywhere in a part without figures of its own, as rows. */
function numbersOf(value: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [];
  const { median, low, high, p50, p95, n } = value as Partial<Interval & Percentiles>;
  const name = path.join(" / ");
  if (typeof median === "number" && typeof low === "number" && typeof high === "number")
    return [[name, shortNumber(median), `${shortNumber(low)} to ${shortNumber(high)}`, String(n ?? "")]];
  if (typeof p50 === "number") return [[name, shortNumber(p50), `p95 ${shortNumber(p95 ?? Number.NaN)}`, String(n ?? "")]];
  if (Array.isArray(value))
    return value.flatMap((item, index) => {
      const { name: own, model, program, variant } = (item ?? {}) as Readonly<Record<string, string | undefined>>;
      return numbersOf(item, [...path, own ?? model ?? program ?? variant ?? String(index)]);
    });
  return Object.entries(value).flatMap(([key, item]) => numbersOf(item, [...path, key]));
}

const FIGURES: Readonly<Record<string, (part: never) => string>> = { paths: pathsFigures, tee: teeFigures, zk: zkFigures };

const TITLES: Readonly<Record<string, string>> = {
  paths: "Overhead by path",
  tee: "Attested workers: throughput and stages",
  zk: "Proofs",
  fhe: "Encrypted state",
  "fhe-inference": "Encrypted inference beside Concrete ML",
  serving: "Serving beside MLServer",
  evidence: "Appraisal of evidence",
};

/** A suite's section: its figures, its tables as the terminal shows them, or why there is nothing. */
export function sectionOf(name: string, part: Part, tables: readonly Table[]): Section {
  const title = TITLES[name] ?? name;
  if ("unavailable" in part)
    return { id: name, title, html: `<p>Not measured in this run: ${escapeText(String(part.unavailable))}</p>` };
  const figures = FIGURES[name]?.(part as never) ?? "";
  const rows = tables.length > 0 ? [] : numbersOf(part, []);
  const generic = rows.length === 0 ? "" : tableHtml({ title: "all figures", head: ["", "median", "95 % interval", "n"], rows });
  const details = `<details><summary>All tables</summary>${tables.map(tableHtml).join("")}</details>`;
  return { id: name, title, html: `${figures}${tables.length > 0 ? details : generic}` };
}
