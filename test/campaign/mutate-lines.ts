/** Changes of texts that have lines and words: notes, proofs, paths, YAML, conditions, and the head of an HTTP request. */
import type { Dice } from "./dice.ts";

/** Words that mean something in one of the formats. */
const WORDS = [
  "0",
  "-1",
  "+1",
  "00",
  "01",
  "1e3",
  "0x10",
  "9007199254740993",
  "18446744073709551616",
  "NaN",
  ".inf",
  "null",
  "true",
  "~",
  "&a",
  "*a",
  "!!str",
  "<<: *a",
  "%YAML 1.1",
  "---",
  "...",
  "|",
  ">",
  "\t",
  "— x 0000",
  "tile/0/000",
  "x001",
  ".p/1",
  "../..",
  "%2f",
  "%00",
  '"',
  "'",
  "(",
  ")",
  "!!!!",
  "&&",
  "||",
  "? :",
  "size()",
  "exists(p, p)",
  "request.x",
  "constructor",
  "__proto__",
  "ａ",
  "\u200b",
  "Transfer-Encoding: chunked",
  "Content-Length: 5",
  "Content-Length: 99999999999999999999",
  "Expect: 100-continue",
  "Connection: upgrade",
  "Upgrade: websocket",
  "Host: a b",
  "HTTP/1.0",
  "HTTP/2.0",
  "OPTIONS",
  "CONNECT",
];

const TEXT = /^[\t\n\r\x20-\x7e\u0080-\uffff]*$/;

function replaced<T>(items: readonly T[], at: number, ...by: readonly T[]): readonly T[] {
  return [...items.slice(0, at), ...by, ...items.slice(at + 1)];
}

function changeWord(word: string, dice: Dice): string {
  if (/^[A-Za-z0-9+/]{8,}={0,2}$/.test(word) && dice.oneIn(2)) {
    const bytes = Buffer.from(word, "base64");
    bytes[dice.below(bytes.length)] = dice.below(256);
    return bytes.subarray(0, dice.oneIn(3) ? dice.below(bytes.length) : bytes.length).toString("base64");
  }
  if (/^\d+$/.test(word))
    return String(dice.pick([Number(word) + 1, Number(word) - 1, Number(word) * 1e6, `0${word}`, `${word}0`]));
  return dice.oneIn(2) ? dice.pick(WORDS) : word + dice.pick(WORDS);
}

function changeLine(line: string, dice: Dice): string {
  const words = line.split(/([\s/:,.]+)/);
  const at = dice.below(words.length);
  return replaced(words, at, changeWord(words[at] ?? "", dice)).join("");
}

/** The text in `bytes` with one line or word changed, or null where they are no text. */
export function mutateLines(bytes: Uint8Array, dice: Dice): Uint8Array | null {
  const text = new TextDecoder().decode(bytes);
  if (!TEXT.test(text)) return null;
  const lines: readonly string[] = text.split("\n");
  const at = dice.below(lines.length);
  const line = lines[at] ?? "";
  const other = lines[dice.below(lines.length)] ?? "";
  const changed = [
    () => replaced(lines, at, changeLine(line, dice)),
    () => replaced(lines, at, changeLine(line, dice)),
    () => replaced(lines, at),
    () => replaced(lines, at, line, line),
    () => replaced(lines, at, line, other),
    () => replaced(lines, at, dice.pick(WORDS), line),
    () => replaced(lines, at, `${dice.pick([" ", "  ", "\t"])}${line}`),
    () => replaced(lines, at, `${line}${dice.pick([" ", "\r", "\t", "#", ","])}`),
    () => replaced(lines, at, line.trim()),
    () => lines.map((item) => item.replace(/\r$/, "")),
  ];
  return new TextEncoder().encode(dice.pick(changed)().join("\n"));
}
