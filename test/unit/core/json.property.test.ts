import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../src/core/jcs.ts";
import { type JsonValue, parseJson } from "../../../src/core/json.ts";

const json = fc.json({ maxDepth: 4, noUnicodeString: false });

/** JSON texts with something inserted, removed or replaced. */
const damaged = fc
  .tuple(
    json,
    fc.nat(),
    fc.constantFrom("insert", "remove", "replace"),
    fc.constantFrom(...'"\\{}[],:0-+.eEtfn u\u0001\u00a0\ud800/'.split("")),
  )
  .map(([text, at, how, character]) => {
    const place = text.length === 0 ? 0 : at % text.length;
    return text.slice(0, place) + (how === "remove" ? "" : character) + text.slice(how === "insert" ? place : place + 1);
  });

/** What `read` makes of `text`, or nothing where it refuses. */
function reading(read: (text: string) => unknown, text: string): readonly [unknown] | null {
  try {
    return [read(text)];
  } catch {
    return null;
  }
}

/** RFC 8785 by its words alone: sort the members, write numbers and strings as ECMAScript does. */
function naiveJcs(value: JsonValue): string {
  if (Array.isArray(value)) return `[${(value as JsonValue[]).map(naiveJcs).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value as Record<string, JsonValue>);
  const units = (text: string) =>
    Array.from({ length: text.length }, (_, index) => text.charCodeAt(index).toString(16).padStart(4, "0")).join("");
  members.sort(([left], [right]) => (units(left) < units(right) ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${naiveJcs(member)}`).join()}}`;
}

describe("strict JSON and JSON.parse", () => {
  it("read the same value, or the strict one refuses", () => {
    fc.assert(
      fc.property(fc.oneof(json, damaged, fc.string({ maxLength: 12 })), (text) => {
        const strict = reading(parseJson, text);
        const loose = reading(JSON.parse, text);
        if (strict === null) return;
        expect(loose).not.toBeNull();
        expect(strict).toEqual(loose);
      }),
      { numRuns: 3000 },
    );
  });

  it("agree on every document without what the strict one refuses", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (text.includes("__proto__") || !JSON.stringify(value).isWellFormed() || /\\ud[89a-f]/.test(text)) return;
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the JCS form", () => {
  it("is that of an independent writer, is stable, and reads back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const document = value as JsonValue;
        const written = reading(() => canonicalJson(document), "");
        if (written === null) return;
        const text = String(written[0]);
        expect(text).toBe(naiveJcs(document));
        const read = reading(parseJson, text);
        if (read === null) return;
        expect(canonicalJson(read[0] as JsonValue)).toBe(text);
        expect(read[0]).toEqual(JSON.parse(JSON.stringify(document)));
      }),
      { numRuns: 1500 },
    );
  });

  it("does not depend on the order of members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), (members) => {
        const reversed = Object.fromEntries(Object.entries(members).reverse());
        if (!Object.keys(members).every((name) => name.isWellFormed())) return;
        expect(canonicalJson(reversed)).toBe(canonicalJson(members));
      }),
    );
  });
});
