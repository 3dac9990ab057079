/**
 * A reader for the part of XML 1.0 that signed RIM files are written in: elements, attributes, namespaces, text, the five
 * predefined entities and character references. Everything that lets two readers see two documents is refused: document
 * types, other entities, comments, processing instructions, CDATA, duplicate attributes, undeclared prefixes. Attributes
 * of the `xml` prefix are refused as well, so that canonical XML 1.0 and 1.1 are the same here.
 */
import { parseUtf8 } from "../../../../core/bytes.ts";
import { malformed } from "../appraisal/evidence-error.ts";

/** Largest document, in bytes; published RIMs have 20 kB. */
export const MAX_XML_BYTES = 512 * 1024;
/** Deepest nesting; a signed RIM has 5 levels. */
const MAX_DEPTH = 12;
/** Most elements of a document; a RIM with 64 measurements has 90. */
const MAX_ELEMENTS = 4096;
/** Most attributes of an element, namespaces included; each alternative of a measurement is one. */
const MAX_ATTRIBUTES = 128;

/** A name with its prefix as written and the namespace that the prefix stands for; both empty where there is none. */
export interface XmlName {
  readonly prefix: string;
  readonly local: string;
  readonly namespace: string;
}

/** An attribute that is no namespace declaration, its value unescaped and normalised. */
export interface XmlAttribute extends XmlName {
  readonly value: string;
}

/** An element. `scope` holds every namespace that is in force in it, by prefix; the default namespace has the prefix "". */
export interface XmlElement extends XmlName {
  readonly attributes: readonly XmlAttribute[];
  readonly scope: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
}

const NAME = /[A-Za-z_][A-Za-z0-9._-]*(?::[A-Za-z_][A-Za-z0-9._-]*)?/y;
const SPACE = /[\t\n ]*/y;
const TEXT = /[^<&]*/y;
const REFERENCE = /&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));/y;
const DECLARATION = /^<\?xml version=(["'])1\.0\1(?: encoding=(["'])(?:UTF|utf)-8\2)?(?: standalone=(["'])(?:yes|no)\3)? ?\?>/;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** Whether every character of `text` may stand in an XML document (XML 1.0 production 2). */
function isXmlText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  return text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text);
}

class XmlReader {
  private offset = 0;
  private elements = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): XmlElement {
    this.offset = DECLARATION.exec(this.text)?.[0].length ?? 0;
    this.match(SPACE);
    const root = this.element(0, new Map());
    this.match(SPACE);
    if (this.offset !== this.text.length) this.fail("text after the root element");
    return root;
  }

  private fail(reason: string): never {
    malformed(`XML: ${reason} at offset ${this.offset}`);
  }

  /** The text that `pattern` matches here, which is stepped over; null where it does not match. */
  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.text);
    if (found !== null) this.offset = pattern.lastIndex;
    return found;
  }

  private literal(expected: string): void {
    if (!this.text.startsWith(expected, this.offset)) this.fail(`expected ${expected}`);
    this.offset += expected.length;
  }

  private name(): string {
    return this.match(NAME)?.[0] ?? this.fail("expected a name");
  }

  private element(depth: number, outer: ReadonlyMap<string, string>): XmlElement {
    if (depth >= MAX_DEPTH) this.fail(`nesting beyond ${MAX_DEPTH} levels`);
    if (++this.elements > MAX_ELEMENTS) this.fail(`more than ${MAX_ELEMENTS} elements`);
    this.literal("<");
    const tag = this.name();
    const written = this.attributes();
    const scope = this.scopeOf(written, outer);
    const name = this.resolve(tag, scope, true);
    const attributes = written
      .filter(([attribute]) => !isDeclaration(attribute))
      .map(([attribute, value]) => ({ ...this.resolve(attribute, scope, false), value }));
    if (new Set(attributes.map((item) => `${item.namespace} ${item.local}`)).size !== attributes.length) {
      this.fail("duplicate attribute");
    }
    const children = this.text[this.offset] === "/" ? [] : this.content(depth, scope);
    if (children.length === 0 && this.text.startsWith("/>", this.offset)) this.offset += 2;
    else this.endTag(tag);
    return { ...name, attributes, scope, children };
  }

  private endTag(tag: string): void {
    this.literal("</");
    if (this.name() !== tag) this.fail("an end tag that does not match");
    this.match(SPACE);
    this.literal(">");
  }

  /** Attributes as written, up to `>` or `/>`, which are not stepped over. */
  private attributes(): readonly (readonly [name: string, value: string])[] {
    const found = new Map<string, string>();
    for (;;) {
      const space = this.match(SPACE)?.[0] ?? "";
      const next = this.text[this.offset];
      if (next === ">" || next === "/") return [...found];
      if (space === "") this.fail("expected white space or the end of the tag");
      const name = this.name();
      this.match(SPACE);
      this.literal("=");
      this.match(SPACE);
      if (found.has(name)) this.fail("duplicate attribute");
      if (found.size >= MAX_ATTRIBUTES) this.fail(`more than ${MAX_ATTRIBUTES} attributes`);
      found.set(name, this.attributeValue());
    }
  }

  /** A quoted value. White space as written counts as a space (XML 1.0 section 3.3.3), a reference to it as itself. */
  private attributeValue(): string {
    const quote = this.text[this.offset];
    if (quote !== '"' && quote !== "'") this.fail("expected a quote");
    const plain = quote === '"' ? /[^"<&]*/y : /[^'<&]*/y;
    this.offset++;
    let value = "";
    for (;;) {
      value += (this.match(plain)?.[0] ?? "").replace(/[\t\n]/g, " ");
      if (this.text[this.offset] === quote) break;
      value += this.reference();
    }
    this.offset++;
    return value;
  }

  /** The character that a reference stands for. */
  private reference(): string {
    const found = this.match(REFERENCE);
    if (found === null) this.fail("unexpected character");
    const [, entity, decimal, hexadecimal] = found;
    if (entity !== undefined) return ENTITIES[entity] ?? this.fail("unknown entity");
    const code = decimal === undefined ? Number.parseInt(hexadecimal ?? "", 16) : Number.parseInt(decimal, 10);
    const character = code <= 0x10_ffff ? String.fromCodePoint(code) : "";
    if (character === "" || !isXmlText(character)) this.fail("a reference to no character");
    return character;
  }

  /** The namespaces in force in an element with these attributes. */
  private scopeOf(
    written: readonly (readonly [name: string, value: string])[],
    outer: ReadonlyMap<string, string>,
  ): ReadonlyMap<string, string> {
    const declared = written.filter(([name]) => isDeclaration(name));
    if (declared.length === 0) return outer;
    const scope = new Map(outer);
    for (const [name, namespace] of declared) {
      const prefix = name === "xmlns" ? "" : name.slice("xmlns:".length);
      // Namespaces are compared and sorted, so they are kept to characters with one order and one spelling.
      if (prefix === "xml" || prefix === "xmlns" || !/^[!-~]+$/.test(namespace)) this.fail("a namespace that is not accepted");
      scope.set(prefix, namespace);
    }
    return scope;
  }

  /** The parts of a written name. An attribute without a prefix is in no namespace, whatever the default one. */
  private resolve(written: string, scope: ReadonlyMap<string, string>, isElement: boolean): XmlName {
    const colon = written.indexOf(":");
    const prefix = colon === -1 ? "" : written.slice(0, colon);
    const local = written.slice(colon + 1);
    if (prefix === "") return { prefix, local, namespace: isElement ? (scope.get("") ?? "") : "" };
    const namespace = scope.get(prefix) ?? this.fail("an undeclared prefix");
    return { prefix, local, namespace };
  }

  /** What stands between `>` and the end tag. */
  private content(depth: number, scope: ReadonlyMap<string, string>): readonly (XmlElement | string)[] {
    const children: (XmlElement | string)[] = [];
    let run = "";
    this.literal(">");
    for (;;) {
      run += this.match(TEXT)?.[0] ?? "";
      if (run.includes("]]>")) this.fail("the end of a CDATA section");
      if (this.text[this.offset] === "&") {
        run += this.reference();
        continue;
      }
      if (run !== "") children.push(run);
      run = "";
      if (this.offset >= this.text.length) this.fail("an element without its end");
      if (this.text[this.offset + 1] === "/") return children;
      children.push(this.element(depth + 1, scope));
    }
  }
}

function isDeclaration(name: string): boolean {
  return name === "xmlns" || name.startsWith("xmlns:");
}

/**
 * The root element of an XML document in UTF-8.
 * @throws TrisealError `EVIDENCE_MALFORMED` for what is not well-formed, or not of the accepted part of XML, or too large.
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  if (bytes.length > MAX_XML_BYTES) malformed(`XML: more than ${MAX_XML_BYTES} bytes`);
  let text: string;
  try {
    text = parseUtf8(bytes).replace(/\r\n?/g, "\n");
  } catch {
    malformed("XML: not UTF-8");
  }
  if (!isXmlText(text)) malformed("XML: a character that XML does not have");
  return new XmlReader(text).document();
}

/** The children of `parent` that are elements. */
export function childElements(parent: XmlElement): readonly XmlElement[] {
  return parent.children.filter((child) => typeof child !== "string");
}

/** The text of an element without child elements. @throws TrisealError `EVIDENCE_MALFORMED` where it has any. */
export function textOf(element: XmlElement): string {
  const runs = element.children.filter((child) => typeof child === "string");
  if (runs.length < element.children.length) malformed(`XML: ${element.local} holds elements`);
  return runs.join("");
}

/** The value of the attribute `local` of `namespace` ("" for none); null where the element has none. */
export function attributeOf(element: XmlElement, namespace: string, local: string): string | null {
  return element.attributes.find((item) => item.namespace === namespace && item.local === local)?.value ?? null;
}
