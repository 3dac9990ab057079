/** A small picture for the terminal. */

const SHADES = " .:-=+*#%@";

/** Lines of a square picture, two characters a pixel, the largest value darkest; none where `values` are no square. */
export function pictureOf(values: readonly number[]): readonly string[] {
  const side = Math.sqrt(values.length);
  const largest = Math.max(...values);
  if (!Number.isInteger(side) || side === 0 || !(largest > 0)) return [];
  const shade = (value: number) => SHADES[Math.round((Math.max(0, value) / largest) * (SHADES.length - 1))] ?? " ";
  const rows = Array.from({ length: side }, (_, row) => values.slice(row * side, (row + 1) * side));
  return rows.map((row) =>
    row
      .map((value) => shade(value).repeat(2))
      .join("")
      .trimEnd(),
  );
}
