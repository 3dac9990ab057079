/** Changes of a JSON document in one place, down into documents that stand in it as base64, and of its spelling. */
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { Dice } from "./dice.ts";

/** Values that a reader may not expect. */
const ODD: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.5,
  1e-300,
  1e300,
  2 ** 31,
  2 ** 53,
  2 ** 53 - 1,
  -(2 ** 63),
  "",
  " ",
  "\u0000",
  "a\nb",
  "\u2028",
  "constructor",
  "toString",
  "__proto__",
  "sha256:",
  `sha256:${"0".repeat(64)}`,
  "0".repeat(64),
  "A".repeat(5000),
  "ä\u0301😀",
  "-1",
  "1e9",
  [],
  {},
  [[]],
  { "": "" },
  Array.from({ length: 300 }, () => 0),
];

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function count(value: JsonValue): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item: JsonValue) => sum + count(item), 1);
  return isObject(value) ? Object.values(value).reduce<number>((sum, item) => sum + count(item), 1) : 1;
}

/** The document with the value at `index`, counted in the order of reading, replaced by what `change` makes of it. */
function changeAt(value: JsonValue, index: number, change: (value: JsonValue) => JsonValue): JsonValue {
  if (index === 0) return change(value);
  let passed = 1;
  const enter = (item: JsonValue): JsonValue => {
    const here = index - passed;
    const inside = count(item);
    passed += inside;
    return here >= 0 && here < inside ? changeAt(item, here, change) : item;
  };
  if (Array.isArray(value)) return value.map(enter);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, enter(item)]));
  return value;
}

function changeText(text: string, dice: Dice): JsonValue {
  const decoded = /^[A-Za-z0-9+/]{8,}={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, "base64") : null;
  if (decoded !== null && dice.oneIn(2)) {
    const inner = mutateJson(decoded, dice);
    if (inner !== null) return Buffer.from(inner).toString("base64");
    const changed = Uint8Array.from(decoded);
    changed[dice.below(changed.length)] = dice.below(256);
    return Buffer.from(changed).toString("base64");
  }
  const at = dice.below(text.length + 1);
  switch (dice.below(5)) {
    case 0:
      return text.slice(0, at) + String.fromCodePoint(dice.below(0xd800)) + text.slice(at + 1);
    case 1:
      return text.slice(0, at);
    case 2:
      return text.slice(0, at) + text;
    case 3:
      return text.toUpperCase() === text ? text.toLowerCase() : text.toUpperCase();
    default:
      return text.slice(0, at) + text.slice(at + 1);
  }
}

function changeMembers(value: JsonObject, dice: Dice): JsonValue {
  const entries = Object.entries(value);
  const at = dice.below(entries.length);
  const [name = "", item = null] = entries[at] ?? [];
  switch (dice.below(4)) {
    case 0:
      return Object.fromEntries(entries.filter((_, index) => index !== at));
    case 1:
      return { ...value, [dice.pick(["x", "", "constructor", `${name}s`, name.toUpperCase()])]: item };
    case 2:
      return { ...value, [name]: entries[dice.below(entries.length)]?.[1] ?? null };
    default:
      return Object.fromEntries([...entries].reverse());
  }
}

function changeItems(items: readonly JsonValue[], dice: Dice): JsonValue {
  const at = dice.below(items.length);
  const item = items[at] ?? null;
  switch (dice.below(4)) {
    case 0:
      return items.filter((_, index) => index !== at);
    case 1:
      return [...items, item];
    case 2:
      return [...items].reverse();
    default:
      return Array.from({ length: 2 + dice.below(200) }, () => item);
  }
}

function change(value: JsonValue, dice: Dice): JsonValue {
  if (dice.oneIn(4)) return dice.pick(ODD);
  if (dice.oneIn(20)) return [value];
  if (typeof value === "string") return changeText(value, dice);
  if (typeof value === "number") return dice.pick([value + 1, -value, value / 3, value * 1e9, String(value), Math.floor(value)]);
  if (Array.isArray(value)) return changeItems(value, dice);
  return isObject(value) ? changeMembers(value, dice) : dice.pick(ODD);
}

/** A way to write the same document, or nearly: what is free, and what is forbidden. */
function respell(text: string, dice: Dice): string {
  const names = [...text.matchAll(/"(?:[^"\\]|\\.)*":/g)];
  const member = names[dice.below(names.length)];
  switch (dice.below(9)) {
    case 0:
      return JSON.stringify(JSON.parse(text), null, 1 + dice.below(4));
    case 1:
      return text.replaceAll("/", "\\/");
    case 2:
      return text.replace(/(?<=[:[,])(\d+)(?=[,\]}])/, "$1.0");
    case 3:
      return text.replace(/(?<=[:[,])(\d+)(?=[,\]}])/, "$1e0");
    case 4:
      return text.replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
    case 5:
      return member === undefined ? text : `${text.slice(0, member.index)}${member[0]}0,${text.slice(member.index)}`;
    case 6:
      return member === undefined ? text : `${text.slice(0, member.index)}"__proto__":{},${text.slice(member.index)}`;
    case 7:
      return `${text}${dice.pick([" ", "\n", "\u00a0", ",", "{}", "\u0000", "//"])}`;
    default: {
      const depth = dice.pick([2, 60, 70, 5000]);
      return text.replace(/(?<=:)(?:null|\d+|"[^"\\]*")/, (value) => `${"[".repeat(depth)}${value}${"]".repeat(depth)}`);
    }
  }
}

/** The JSON document in `bytes` with one change, or null where they hold none. */
export function mutateJson(bytes: Uint8Array, dice: Dice): Uint8Array | null {
  let document: JsonValue;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!/^\s*[[{]/.test(text)) return null;
    document = JSON.parse(text) as JsonValue;
    if (dice.oneIn(4)) return new TextEncoder().encode(respell(text, dice));
    return new TextEncoder().encode(
      JSON.stringify(changeAt(document, dice.below(count(document)), (value) => change(value, dice))),
    );
  } catch {
    // No JSON, or a spelling that is none any more: the caller has other changes.
    return null;
  }
}
