/** The exact text of members: what a vendor signed is never written anew. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compactText, memberText } from "../../../../src/paths/tee/evidence/appraisal/json-text.ts";

describe("memberText", () => {
  it("returns the text between the exact ends of a value", () => {
    const text = ' { "a" : {"b": [1, 2.0, "}"] , "c":null}\n,"d\\"": "x,\\\\", "e":-1e5 , "f":[ ] }';
    expect(memberText(text, "a")).toBe('{"b": [1, 2.0, "}"] , "c":null}');
    expect(memberText(text, 'd"')).toBe('"x,\\\\"');
    expect(memberText(text, "e")).toBe("-1e5");
    expect(memberText(text, "f")).toBe("[ ]");
    expect(memberText(text, "b")).toBeNull();
    expect(memberText("[1 , [2], 3]", "1")).toBe("[2]");
    expect(memberText("[1]", "1")).toBeNull();
    expect(memberText('"text"', "0")).toBeNull();
    expect(memberText("[]", "0")).toBeNull();
  });

  it("finds every member of any object, however it is laid out", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.integer({ min: 0, max: 4 }), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        for (const [key, value] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
          expect(JSON.parse(memberText(text, key) ?? "undefined")).toEqual(value);
        }
      }),
    );
  });
});

describe("compactText", () => {
  it("takes white space from between tokens, and none from strings; numbers stay as they are", () => {
    expect(compactText('{ "a" : [ 1.0 ,\n "b \\" c" ] }')).toBe('{"a":[1.0,"b \\" c"]}');
  });

  it("gives what JSON.stringify gives, for what it wrote", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(compactText(JSON.stringify(value, null, 2))).toBe(JSON.stringify(value));
      }),
    );
  });
});
