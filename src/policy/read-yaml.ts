/**
 * The strict part of YAML 1.2 that policies are written in: one document of maps with text keys, lists and plain values.
 * No anchors, aliases, tags, directives, merge keys or duplicate keys: what a person reads is what the machine reads.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from "yaml";
import { parseUtf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";

/** Deepest nesting of maps and lists. */
const MAX_YAML_DEPTH = 16;
/** Most values in a document. */
const MAX_YAML_NODES = 20_000;

/** A YAML value: what JSON has, less null objects' prototypes; numbers may be NaN or infinite. */
export type YamlValue = null | boolean | number | string | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/** A document and where its values stand. */
export interface YamlText {
  readonly value: YamlValue;
  /** Line (from 1) of the value at `path`, or of the nearest value around it. */
  lineOf(path: readonly PropertyKey[]): number;
}

class YamlReader {
  private nodes = 0;
  private readonly lines: LineCounter;
  readonly placed = new Map<string, number>();

  constructor(lines: LineCounter) {
    this.lines = lines;
  }

  refuse(reason: string, offset: number | undefined): never {
    throw new TrisealError("POLICY_INVALID", reason, { details: { line: this.line(offset) } });
  }

  line(offset: number | undefined): number {
    return Math.max(1, this.lines.linePos(offset ?? 0).line);
  }

  value(node: Node | null, path: readonly PropertyKey[], around: number | undefined): YamlValue {
    const offset = node?.range?.[0] ?? around;
    this.nodes++;
    if (this.nodes > MAX_YAML_NODES) this.refuse(`more than ${MAX_YAML_NODES} values`, offset);
    if (path.length > MAX_YAML_DEPTH) this.refuse(`nesting beyond ${MAX_YAML_DEPTH} levels`, offset);
    this.placed.set(pathKey(path), this.line(offset));
    if (node === null) return null;
    if (node.tag !== undefined) this.refuse("tags are not accepted", offset);
    if ("anchor" in node && node.anchor !== undefined) this.refuse("anchors are not accepted", offset);
    if (isMap<Node, Node | null>(node)) return this.map(node.items, path, offset);
    if (isSeq<Node>(node)) return node.items.map((item, index) => this.value(item, [...path, index], offset));
    if (!isScalar(node)) return this.refuse("aliases are not accepted", offset);
    return this.scalar(node.value, offset);
  }

  private map(
    items: readonly { key: Node; value: Node | null }[],
    path: readonly PropertyKey[],
    around: number | undefined,
  ): YamlValue {
    const members: Record<string, YamlValue> = {};
    for (const { key, value } of items) {
      const offset = key.range?.[0] ?? around;
      if (!isScalar(key) || typeof key.value !== "string") return this.refuse("keys are texts", offset);
      if (key.anchor !== undefined || key.tag !== undefined) this.refuse("anchors and tags are not accepted", offset);
      const name = key.value;
      if (name === "__proto__" || name === "<<") this.refuse(`the key \`${name}\` is not accepted`, offset);
      if (Object.hasOwn(members, name)) this.refuse(`the key \`${name.slice(0, 64)}\` is given twice`, offset);
      members[name] = this.value(value, [...path, name], offset);
    }
    return members;
  }

  private scalar(value: unknown, offset: number | undefined): YamlValue {
    if (value === null || typeof value === "boolean" || typeof value === "number") return value;
    if (typeof value === "string" && value.isWellFormed()) return value;
    return this.refuse("only texts, numbers, booleans, lists and maps are accepted", offset);
  }
}

function pathKey(path: readonly PropertyKey[]): string {
  return path.map((step) => String(step)).join("\u0000");
}

/**
 * Reads one YAML document of at most `maxBytes` bytes.
 * @throws TrisealError `POLICY_INVALID` with `details.line`.
 */
export function readYaml(bytes: Uint8Array, maxBytes: number): YamlText {
  if (bytes.length > maxBytes) {
    throw new TrisealError("POLICY_INVALID", `larger than ${maxBytes} bytes`, { details: { line: 1 } });
  }
  const lines = new LineCounter();
  const reader = new YamlReader(lines);
  let text: string;
  try {
    text = parseUtf8(bytes);
  } catch (cause) {
    throw new TrisealError("POLICY_INVALID", "not UTF-8", { cause, details: { line: 1 } });
  }
  if (/^%/m.test(text)) reader.refuse("directives are not accepted", 0);
  const document = parse(text, lines, reader);
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) reader.refuse(`not strict YAML: ${problemWords(problem)}`, problem.pos[0]);
  const value = reader.value(document.contents, [], 0);
  return {
    value,
    lineOf: (path) => {
      for (let length = path.length; length > 0; length--) {
        const line = reader.placed.get(pathKey(path.slice(0, length)));
        if (line !== undefined) return line;
      }
      return 1;
    },
  };
}

function problemWords({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "more than one document";
  // The library's own recursion ends in an error of the engine, whose words differ from engine to engine.
  if (/stack|recursion/i.test(message)) return "nesting is too deep";
  return (message.split("\n")[0] ?? "").slice(0, 160);
}

function parse(text: string, lines: LineCounter, reader: YamlReader): ReturnType<typeof parseDocument> {
  try {
    // The reader below finds duplicate keys in linear time; the library compares every pair of keys.
    return parseDocument(text, {
      version: "1.2",
      schema: "core",
      strict: true,
      uniqueKeys: false,
      stringKeys: true,
      merge: false,
      prettyErrors: false,
      lineCounter: lines,
    });
  } catch {
    // Deep nesting overflows the library's stack.
    return reader.refuse("not strict YAML", 0);
  }
}
