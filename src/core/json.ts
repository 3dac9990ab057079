/**
 * Strict JSON (RFC 8259): what `JSON.parse` accepts less duplicate keys, the key `__proto__`, lone surrogates,
 * numbers that are not finite doubles, and nesting beyond a bound. Two readers can then never see two documents.
 */
import { parseUtf8 } from "./bytes.ts";
import { TrisealError } from "./errors.ts";

/** A JSON value. Numbers are IEEE 754 doubles. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. Its members have no order. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Deepest nesting that `parseJson` follows. */
export const MAX_JSON_DEPTH = 64;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 section 7 forbids them unescaped, so they end the match
const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class JsonReader {
  private offset = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): JsonValue {
    const value = this.value(0);
    this.space();
    if (this.offset !== this.text.length) this.fail("unexpected text after the document");
    return value;
  }

  private fail(reason: string): never {
    throw new TrisealError("FORMAT_INVALID", `JSON: ${reason} at offset ${this.offset}`);
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.offset);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.offset++;
    }
  }

  private value(depth: number): JsonValue {
    if (depth > MAX_JSON_DEPTH) this.fail(`nesting beyond ${MAX_JSON_DEPTH} levels`);
    this.space();
    switch (this.text[this.offset]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.offset)) this.fail("unexpected character");
    this.offset += word.length;
    return value;
  }

  private number(): number {
    NUMBER.lastIndex = this.offset;
    const match = NUMBER.exec(this.text);
    if (match === null) return this.fail("unexpected character");
    const value = Number(match[0]);
    if (!Number.isFinite(value)) this.fail("number out of range");
    this.offset = NUMBER.lastIndex;
    return value;
  }

  private string(): string {
    this.offset++;
    let value = "";
    for (;;) {
      PLAIN_STRING.lastIndex = this.offset;
      value += PLAIN_STRING.exec(this.text)?.[0] ?? "";
      this.offset = PLAIN_STRING.lastIndex;
      const next = this.text[this.offset];
      if (next === '"') break;
      if (next !== "\\") this.fail("unterminated string or control character");
      value += this.escape();
    }
    this.offset++;
    if (!value.isWellFormed()) this.fail("string with a lone surrogate");
    return value;
  }

  private escape(): string {
    const kind = this.text[this.offset + 1] ?? "";
    if (kind === "u") {
      const digits = this.text.slice(this.offset + 2, this.offset + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail("bad escape");
      this.offset += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const value = ESCAPES[kind];
    if (value === undefined) return this.fail("bad escape");
    this.offset += 2;
    return value;
  }

  private array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    this.offset++;
    this.space();
    if (this.text[this.offset] === "]") {
      this.offset++;
      return items;
    }
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.separator("]")) return items;
    }
  }

  private object(depth: number): JsonObject {
    const members: Record<string, JsonValue> = {};
    this.offset++;
    this.space();
    if (this.text[this.offset] === "}") {
      this.offset++;
      return members;
    }
    for (;;) {
      this.space();
      if (this.text[this.offset] !== '"') this.fail("expected a key");
      const key = this.string();
      if (key === "__proto__") this.fail("the key `__proto__` is not accepted");
      if (Object.hasOwn(members, key)) this.fail("duplicate key");
      this.space();
      if (this.text[this.offset] !== ":") this.fail("expected a colon");
      this.offset++;
      members[key] = this.value(depth + 1);
      if (this.separator("}")) return members;
    }
  }

  /** Steps over a comma, or over the closing character, and then returns true. */
  private separator(closing: string): boolean {
    this.space();
    const next = this.text[this.offset];
    if (next !== "," && next !== closing) this.fail("expected a comma or the end");
    this.offset++;
    return next === closing;
  }
}

/**
 * The value of one JSON document in UTF-8.
 * @throws TrisealError `FORMAT_INVALID`, with the offset in characters, for anything that is not strict JSON.
 */
export function parseJson(document: Uint8Array | string): JsonValue {
  return new JsonReader(typeof document === "string" ? document : parseUtf8(document)).document();
}

/** Whether `value` is a JSON object, not an array and not null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
