/** Tables on a terminal. */
import type { Table } from "./suite.ts";

/** A number of milliseconds as tables show it. */
export function ms(value: number): string {
  return Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : 1) : "-";
}

/** The table as aligned text; the first column is left-aligned, the others right-aligned. A table of two columns is a list. */
export function renderTable({ title, head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || head.length === 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const ruler = widths.map((width) => "-".repeat(width)).join("  ");
  const top = head.every((cell) => cell === "") ? [ruler] : [line(head), ruler];
  return [`\n${title}`, ...top, ...rows.map(line)].join("\n");
}
