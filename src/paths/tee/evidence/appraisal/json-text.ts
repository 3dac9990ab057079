/**
 * Finds the exact text of one member or item of a JSON document. Vendors sign the bytes of a member, so that a value that
 * was read and written again is another document. The text has passed `parseJson`; this only skips.
 */
const WORD = /[^\s,:{}[\]"]+/y;
const SPACE = /[ \t\r\n]*/y;

function matchEnd(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
}

function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Where the value that begins at `from` ends. */
function valueEnd(text: string, from: number): number {
  if (text[from] === '"') return stringEnd(text, from);
  if (text[from] !== "{" && text[from] !== "[") return matchEnd(WORD, text, from);
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = stringEnd(text, at) - 1;
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

/** Members or items of the value that begins `text`, in order: key or index, and the exact text of the value. */
function* children(text: string): Generator<readonly [string, string]> {
  let at = matchEnd(SPACE, text, 0);
  const isObject = text[at] === "{";
  if (!isObject && text[at] !== "[") return;
  at = matchEnd(SPACE, text, at + 1);
  for (let index = 0; at < text.length && text[at] !== "}" && text[at] !== "]"; index++) {
    let key = String(index);
    if (isObject) {
      const keyEnd = stringEnd(text, at);
      key = JSON.parse(text.slice(at, keyEnd)) as string;
      at = matchEnd(SPACE, text, matchEnd(SPACE, text, keyEnd) + 1);
    }
    const end = valueEnd(text, at);
    yield [key, text.slice(at, end)];
    at = matchEnd(SPACE, text, end);
    if (text[at] === ",") at = matchEnd(SPACE, text, at + 1);
  }
}

/** The exact text of the member `key` of an object, or of the item of that index; null where there is none. `text` is strict JSON. */
export function memberText(text: string, key: string): string | null {
  for (const [name, value] of children(text)) if (name === key) return value;
  return null;
}

/** `text` without the white space between its tokens; `text` is strict JSON. */
export function compactText(text: string): string {
  let compact = "";
  let at = 0;
  while (at < text.length) {
    const end = text[at] === '"' ? stringEnd(text, at) : at + 1;
    const token = text.slice(at, end);
    if (!/^[ \t\r\n]$/.test(token)) compact += token;
    at = end;
  }
  return compact;
}
