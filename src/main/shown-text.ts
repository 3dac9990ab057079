/** Text that a terminal shows as it is: nothing in it moves the cursor, turns the direction or begins a line of its own. */

/** Controls, format characters, and the separators that some terminals take for line ends; a line feed is ours. */
const DRAWS = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * `text` with every character spelled out (`\u009b`, as JSON does) that is not drawn as itself. Bundles and answers hold text of
 * others: an id in them could draw another verdict over the one that is printed. Within JSON the meaning stays the same.
 */
export function shownText(text: string): string {
  return text.replace(DRAWS, (character) =>
    Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** `text` as one line: its line feeds are spelled out, too. */
export function shownLine(text: string): string {
  return shownText(text).replaceAll("\n", "\\n");
}

/** Makes what this process prints by `console.log` and `console.error` shown text, whoever wrote what stands in it. */
export function showAllText(): void {
  for (const method of ["log", "error"] as const) {
    const print = console[method].bind(console);
    console[method] = (...values: unknown[]) =>
      print(...values.map((value) => (typeof value === "string" ? shownText(value) : value)));
  }
}
