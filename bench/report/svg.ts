/** Plots as SVG text: no script, colours from the page's custom properties, every mark with a title that a pointer shows. */

/** Text that is safe between tags and in attributes. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const WIDTH = 860;
const LABELS = 250;
const VALUES = 130;
const ROW = 24;
const AXIS = 30;

/** At most three significant digits, as people read them. */
export function shortNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6) return `${shortNumber(value / 1e6)} M`;
  if (size >= 1000) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** Colour of a series: one custom property of the page each. */
export function seriesColour(index: number): string {
  return `var(--s${index % 6})`;
}

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** A logarithmic scale from `left` to `right` pixels that covers all `values`, whole decades. */
function logScale(values: readonly number[], left: number, right: number): Scale {
  const above = values.filter((value) => value > 0);
  const from = Math.floor(Math.log10(Math.min(...above, 1)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...above, 1))));
  const at = (value: number) => left + ((Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)) * (right - left);
  return { at, ticks: Array.from({ length: to - from + 1 }, (_, step) => 10 ** (from + step)) };
}

/** A linear scale from zero. */
function linearScale(values: readonly number[], left: number, right: number): Scale {
  const largest = Math.max(...values, 1e-9);
  const step = 10 ** Math.floor(Math.log10(largest)) / (largest / 10 ** Math.floor(Math.log10(largest)) < 3 ? 2 : 1);
  const to = Math.ceil(largest / step) * step;
  const ticks = Array.from({ length: Math.round(to / step) + 1 }, (_, index) => index * step);
  return { at: (value) => left + (value / to) * (right - left), ticks };
}

function svg(height: number, label: string, marks: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(label)}">${marks.join("")}</svg>`;
}

function verticalGrid({ at, ticks }: Scale, height: number, unit: string): readonly string[] {
  return ticks.map((tick) => {
    const x = at(tick).toFixed(1);
    const text = `<text class="tick" x="${x}" y="${height - 8}" text-anchor="middle">${shortNumber(tick)}${unit}</text>`;
    return `<line class="grid" x1="${x}" x2="${x}" y1="4" y2="${height - AXIS + 4}"/>${text}`;
  });
}

/** One row of dots: a value with the bounds of its interval. */
export interface DotRow {
  readonly label: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  /** What stands at the right, such as the absolute time. */
  readonly note: string;
  readonly series: number;
}

/** Dots with intervals on a logarithmic axis, one row each. */
export function dotPlot(label: string, rows: readonly DotRow[], unit: string): string {
  const height = rows.length * ROW + AXIS + 4;
  const right = WIDTH - VALUES;
  const scale = logScale(
    rows.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]),
    LABELS,
    right,
  );
  const marks = rows.flatMap(({ label: name, value, low, high, note, series }, index) => {
    const y = 4 + index * ROW + ROW / 2;
    const colour = seriesColour(series);
    const title = `<title>${escapeText(`${name}: ${shortNumber(value)}${unit}`)}</title>`;
    const span =
      low === null || high === null
        ? ""
        : `<line x1="${scale.at(low).toFixed(1)}" x2="${scale.at(high).toFixed(1)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"/>`;
    return [
      `<text class="label" x="${LABELS - 10}" y="${y + 4}" text-anchor="end">${escapeText(name)}</text>`,
      `<g>${title}${span}<circle cx="${scale.at(value).toFixed(1)}" cy="${y}" r="5" fill="${colour}"/></g>`,
      `<text class="value" x="${WIDTH - VALUES + 12}" y="${y + 4}">${escapeText(note)}</text>`,
    ];
  });
  return svg(height, label, [...verticalGrid(scale, height, unit), ...marks]);
}

/** One bar. */
export interface BarRow {
  readonly label: string;
  readonly value: number;
  readonly note: string;
  readonly series: number;
}

/** Horizontal bars on a linear axis. */
export function barPlot(label: string, rows: readonly BarRow[], unit: string): string {
  const height = rows.length * ROW + AXIS + 4;
  const scale = linearScale(
    rows.map(({ value }) => value),
    LABELS,
    WIDTH - VALUES,
  );
  const marks = rows.flatMap(({ label: name, value, note, series }, index) => {
    const y = 4 + index * ROW;
    const width = Math.max(1, scale.at(value) - LABELS).toFixed(1);
    const title = `<title>${escapeText(`${name}: ${note}`)}</title>`;
    return [
      `<text class="label" x="${LABELS - 10}" y="${y + ROW / 2 + 4}" text-anchor="end">${escapeText(name)}</text>`,
      `<rect x="${LABELS}" y="${y + 4}" width="${width}" height="${ROW - 8}" rx="2" fill="${seriesColour(series)}">${title}</rect>`,
      `<text class="value" x="${WIDTH - VALUES + 12}" y="${y + ROW / 2 + 4}">${escapeText(note)}</text>`,
    ];
  });
  return svg(height, label, [...verticalGrid(scale, height, unit), ...marks]);
}

/** One curve. */
export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const CURVES_HEIGHT = 260;
const LEFT = 70;

/** Curves over a logarithmic axis of small whole numbers, such as concurrency; values from zero; the legend at the right. */
export function curvePlot(label: string, curves: readonly Curve[]): string {
  const [bottom, right] = [CURVES_HEIGHT - AXIS, WIDTH - 210];
  const points = curves.flatMap((curve) => curve.points);
  const levels = [...new Set(points.map(({ x }) => x))].sort((one, other) => one - other);
  const [least = 1, most = 2] = [levels[0], levels.at(-1)];
  const place = (x: number) => LEFT + (Math.log(x / least) / Math.max(1e-9, Math.log(most / least))) * (right - LEFT);
  const scale = linearScale(
    points.map(({ y }) => y),
    bottom,
    12,
  );
  const horizontal = scale.ticks.map((tick) => {
    const y = scale.at(tick).toFixed(1);
    const text = `<text class="tick" x="${LEFT - 8}" y="${Number(y) + 4}" text-anchor="end">${shortNumber(tick)}</text>`;
    return `<line class="grid" x1="${LEFT}" x2="${right}" y1="${y}" y2="${y}"/>${text}`;
  });
  const along = levels.map(
    (x) => `<text class="tick" x="${place(x).toFixed(1)}" y="${CURVES_HEIGHT - 8}" text-anchor="middle">${x}</text>`,
  );
  const lines = curves.flatMap(({ name, points: own }, index) => {
    const colour = seriesColour(index);
    const path = own.map(({ x, y }) => `${place(x).toFixed(1)},${scale.at(y).toFixed(1)}`).join(" ");
    const dots = own.map(
      ({ x, y }) =>
        `<circle cx="${place(x).toFixed(1)}" cy="${scale.at(y).toFixed(1)}" r="4" fill="${colour}"><title>${escapeText(`${name}, ${x}: ${shortNumber(y)}`)}</title></circle>`,
    );
    const y = 20 + index * 22;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...dots,
      `<circle cx="${right + 20}" cy="${y}" r="5" fill="${colour}"/><text class="label" x="${right + 32}" y="${y + 4}">${escapeText(name)}</text>`,
    ];
  });
  return svg(CURVES_HEIGHT, label, [...horizontal, ...along, ...lines]);
}
