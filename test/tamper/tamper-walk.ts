/** Every single change of a JSON document, made by walking it: a new member is covered the day it is added. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";

/** A document with one change, and where that was. */
export interface Tampered {
  readonly place: string;
  readonly document: JsonValue;
}

function flipCharacter(text: string, index: number): string {
  const code = text.charCodeAt(index);
  // Stays within printable ASCII and within the alphabets of base64 and hexadecimal where it can.
  const flipped = code === 0x30 ? "1" : code === 0x41 ? "B" : code === 0x61 ? "b" : /[1-9]/.test(text[index] ?? "") ? "0" : "a";
  return text.slice(0, index) + (flipped === text[index] ? "c" : flipped) + text.slice(index + 1);
}

function swapCase(text: string): string {
  return text.replace(/[a-zA-Z]/g, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base64 in other spellings of the same bytes: unused bits set, no padding, the URL alphabet, white space. */
function respelledBase64(text: string): readonly string[] {
  const body = text.replace(/=+$/, "");
  const padding = text.length - body.length;
  const last = BASE64.indexOf(body.slice(-1));
  return [
    ...(padding > 0 && last >= 0 ? [`${body.slice(0, -1)}${BASE64[last | 1]}${"=".repeat(padding)}`, body] : []),
    ...(padding === 2 && last >= 0 ? [`${body.slice(0, -1)}${BASE64[last | 8]}==`] : []),
    ...(/[+/]/.test(text) ? [text.replaceAll("+", "-").replaceAll("/", "_")] : []),
    `${text.slice(0, 4)}\n${text.slice(4)}`,
    `${text}====`,
  ];
}

function changedStrings(text: string): readonly string[] {
  const places = [0, Math.floor(text.length / 2), text.length - 1].filter((index) => index >= 0 && index < text.length);
  const spellings = /^[A-Za-z0-9+/]{4,}={0,2}$/.test(text) && text.length % 4 === 0 ? respelledBase64(text) : [];
  const inside = /^(data:[^,]*,)(.*)$/.exec(text);
  return [
    ...places.map((index) => flipCharacter(text, index)),
    `${text}0`,
    `${text} `,
    ` ${text}`,
    `${text}\u0000`,
    text.slice(0, -1),
    text.slice(1),
    "",
    swapCase(text),
    ...spellings,
    ...(inside === null ? [] : respelledBase64(inside[2] ?? "").map((body) => `${inside[1]}${body}`)),
  ].filter((changed) => changed !== text);
}

function changedScalars(value: null | boolean | number | string): readonly JsonValue[] {
  switch (typeof value) {
    case "string":
      return [...changedStrings(value), null, 0, true, [], [value], {}];
    case "number":
      return [value + 1, value - 1, value + 0.5, -value - 1, 0, String(value), null, 9e15, 1e300, true, []].filter(
        (changed) => changed !== value,
      );
    case "boolean":
      return [!value, null, value ? 1 : 0, String(value)];
    default:
      return ["null", 0, false, "", {}, []];
  }
}

function changedLists(items: readonly JsonValue[]): readonly JsonValue[] {
  const at = items.map((_, index) => index);
  return [
    ...at.map((index) => items.filter((_, other) => other !== index)),
    ...at.map((index) => items.flatMap((item, other) => (other === index ? [item, item] : [item]))),
    ...at
      .slice(1)
      .map((index) =>
        items.map((item, other) => (other === index ? items[index - 1] : other === index - 1 ? items[index] : item) ?? null),
      ),
    [...items, null],
    [...items, {}],
    {},
    null,
  ];
}

function changedObjects(members: JsonObject): readonly JsonValue[] {
  const names = Object.keys(members);
  const renamed = (from: string, to: string) =>
    Object.fromEntries(Object.entries(members).map(([name, value]) => [name === from ? to : name, value]));
  return [
    ...names.map((name) => Object.fromEntries(Object.entries(members).filter(([other]) => other !== name))),
    ...names.flatMap((name) => [
      renamed(name, flipCharacter(name, name.length - 1)),
      renamed(name, `${name}0`),
      renamed(name, swapCase(name)),
    ]),
    ...names.slice(1).map((name, index) => ({
      ...members,
      [name]: members[names[index] ?? name] ?? null,
      [names[index] ?? name]: members[name] ?? null,
    })),
    { ...members, unknown: true },
    { ...members, toString: "x" },
    { ...members, constructor: {} },
    [],
    null,
  ];
}

/** All documents that differ from `value` in one place. */
export function* tamper(value: JsonValue, place = "bundle"): Generator<Tampered> {
  if (Array.isArray(value)) {
    const items: readonly JsonValue[] = value;
    for (const document of changedLists(items)) yield { place, document };
    for (const [index, item] of items.entries()) {
      for (const inner of tamper(item, `${place}[${index}]`)) {
        yield { place: inner.place, document: items.map((other, at) => (at === index ? inner.document : other)) };
      }
    }
  } else if (isJsonObject(value)) {
    for (const document of changedObjects(value)) yield { place, document };
    for (const [name, member] of Object.entries(value)) {
      for (const inner of tamper(member, `${place}.${name.slice(0, 20)}`)) {
        yield { place: inner.place, document: { ...value, [name]: inner.document } };
      }
    }
  } else {
    for (const document of changedScalars(value as null | boolean | number | string)) yield { place, document };
  }
}

/** Every member of `right` put into `left` in place of its own, at every depth at which both have it. */
export function* splice(left: JsonValue, right: JsonValue, place = "bundle"): Generator<Tampered> {
  if (JSON.stringify(left) === JSON.stringify(right)) return;
  yield { place, document: right };
  if (Array.isArray(left) && Array.isArray(right)) {
    const items: readonly JsonValue[] = left;
    for (const [index, item] of items.entries()) {
      for (const inner of splice(item, right[index] ?? null, `${place}[${index}]`)) {
        yield { place: inner.place, document: items.map((other, at) => (at === index ? inner.document : other)) };
      }
    }
  } else if (isJsonObject(left) && isJsonObject(right)) {
    yield { place: `${place} (both)`, document: { ...left, ...right } };
    for (const [name, member] of Object.entries(right)) {
      if (left[name] === undefined) yield { place: `${place}.+${name.slice(0, 20)}`, document: { ...left, [name]: member } };
      else {
        for (const inner of splice(left[name], member, `${place}.${name.slice(0, 20)}`)) {
          yield { place: inner.place, document: { ...left, [name]: inner.document } };
        }
      }
    }
  }
}

/** The same document with the members of every object in reverse order. */
export function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => reversed(item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
