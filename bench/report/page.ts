/** `bench/report.html`: one file without script or anything from elsewhere, with the raw document inside. */
import type { CombinedResult, Ratio } from "../combined.ts";
import type { Table } from "../suite.ts";
import { type Section, sectionOf, tableHtml } from "./sections.ts";
import { STYLE } from "./style.ts";
import { escapeText, shortNumber } from "./svg.ts";

function ratioCell(ratio: Ratio): readonly string[] {
  if (ratio.median === null) return ["none", ratio.reason, ""];
  return [`${shortNumber(ratio.median)}x`, `${shortNumber(ratio.low)} to ${shortNumber(ratio.high)}`, String(ratio.n)];
}

function ratioTable({ ratios }: CombinedResult): string {
  const rows = Object.entries(ratios).flatMap(([name, group]) =>
    Object.entries(group).map(([model, ratio]) => [name, model === "all" ? "" : model, ...ratioCell(ratio)]),
  );
  return tableHtml({
    title: "Ratios of this run",
    head: ["ratio", "model or program", "median", "95 % interval", "rounds"],
    rows,
  });
}

function methodHtml(result: CombinedResult): string {
  const { machine, versions, commit, uncommittedChanges, startedAt, notMeasured, parts } = result;
  const about: Table = {
    title: "Machine and versions",
    head: ["", ""],
    rows: [
      ["processor", `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 1e9).toFixed(0)} GB`],
      ["platform", `${machine.platform}, Node ${machine.node}`],
      ["commit", `${commit ?? "unknown"}${uncommittedChanges ? ", with uncommitted changes" : ""}`],
      ["written", startedAt],
      ...Object.entries(versions).map(([name, version]) => [name, version]),
    ],
  };
  const loads = Object.entries(parts).flatMap(([name, part]) => {
    const { before, after } = ("load" in part ? part.load : {}) as { readonly before?: number; readonly after?: number };
    return before === undefined ? [] : [[name, String(before), String(after)]];
  });
  const notes = Object.entries(parts).flatMap(([name, part]) =>
    ("notes" in part && Array.isArray(part.notes) ? (part.notes as readonly string[]) : []).map((note) => `${name}: ${note}`),
  );
  return [
    "<p>Variants are measured in rounds of one request each, in rotating order, on one machine in one run: what a busy machine does to one it does to all. ",
    "Ratios and differences are of medians over the same rounds, with a 95 % percentile bootstrap over rounds (1,000 resamples, fixed seed). ",
    "Every part's programs are processes of their own. Timings are asserted nowhere.</p>",
    tableHtml(about),
    tableHtml({
      title: "Load average of one minute: above the number of cores, others ran besides",
      head: ["part", "before", "after"],
      rows: loads,
    }),
    `<ul>${notes.map((note) => `<li>${escapeText(note)}</li>`).join("")}</ul>`,
    tableHtml({
      title: "Not measured here",
      head: ["what", "published", "source"],
      rows: notMeasured.map(({ what, published, source }) => [what, published, source]),
    }),
  ].join("");
}

const inScript = (json: string) => json.replaceAll("<", "\\u003c");

/** The page of a document. `tablesOf`: a part's tables as the terminal shows them; none for a part of another version's suite. */
export function renderPage(result: CombinedResult, tablesOf: (name: string, part: object) => readonly Table[]): string {
  const json = JSON.stringify(result);
  const sections: readonly Section[] = [
    { id: "ratios", title: "Ratios", html: ratioTable(result) },
    ...Object.entries(result.parts).map(([name, part]) =>
      sectionOf(name, part, "unavailable" in part ? [] : tablesOf(name, part)),
    ),
    { id: "method", title: "Method, machine, and what is not measured here", html: methodHtml(result) },
  ];
  const banner = result.simulated
    ? '<p class="banner">The evidence of every attested worker in this run is <b>simulated</b>: nothing here ran inside a trusted execution environment, and the cost of memory encryption is not in these figures.</p>'
    : "";
  const links = sections.map(({ id, title }) => `<a href="#${id}">${escapeText(title)}</a>`).join("");
  const download = `data:application/json;base64,${Buffer.from(json).toString("base64")}`;
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>Triseal bench, ${escapeText(result.startedAt.slice(0, 10))}</title><style>${STYLE}</style></head><body>`,
    `<header><h1>Triseal bench</h1><p>${escapeText(result.startedAt.slice(0, 10))}, ${result.machine.cores} cores of ${escapeText(result.machine.cpu)}, Node ${escapeText(result.machine.node)}</p>${banner}<nav>${links}</nav></header><main>`,
    ...sections.map(({ id, title, html }) => `<section id="${id}"><h2>${escapeText(title)}</h2>${html}</section>`),
    `<section><h2>Raw document</h2><p><a download="triseal-bench.json" href="${download}">Download it</a>, or read it in this file's source, in the element <code>#raw</code>.</p></section>`,
    `</main><script type="application/json" id="raw">${inScript(json)}</script></body></html>\n`,
  ].join("\n");
}
