/**
 * Canonical XML without comments (W3C xml-c14n11), for the documents that `parseXml` reads. Those have no attributes of the
 * `xml` prefix, no comments and no processing instructions, so that versions 1.0 and 1.1 give the same bytes.
 */
import { utf8 } from "../../../../core/bytes.ts";
import type { XmlAttribute, XmlElement, XmlName } from "./xml-document.ts";

const TEXT_ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;" };
const VALUE_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  '"': "&quot;",
  "\t": "&#x9;",
  "\n": "&#xA;",
  "\r": "&#xD;",
};

const escapeText = (text: string): string => text.replace(/[&<>\r]/g, (character) => TEXT_ESCAPES[character] ?? character);
const escapeValue = (text: string): string => text.replace(/[&<"\t\n\r]/g, (character) => VALUE_ESCAPES[character] ?? character);

const qualified = ({ prefix, local }: XmlName): string => (prefix === "" ? local : `${prefix}:${local}`);

/** Order of code units, which is that of code points here: namespaces and names are ASCII. */
const compare = (left: string, right: string): number => (left < right ? -1 : Number(left > right));

/** Attributes without a namespace first, then by namespace, then by local name (section 2.2 "Attribute Axis"). */
const inOrder = (left: XmlAttribute, right: XmlAttribute): number =>
  compare(left.namespace, right.namespace) || compare(left.local, right.local);

/**
 * The canonical form of the subtree under `apex`, less the subtree `omitted`. All namespaces in force are rendered at the
 * apex, and below it those that change (inclusive canonicalization).
 */
export function encodeCanonicalXml(apex: XmlElement, omitted: XmlElement | null): Uint8Array {
  const parts: string[] = [];
  const write = (element: XmlElement, rendered: ReadonlyMap<string, string>): void => {
    const name = qualified(element);
    parts.push("<", name);
    const declared = [...element.scope].filter(([prefix, namespace]) => rendered.get(prefix) !== namespace);
    for (const [prefix, namespace] of declared.toSorted(([left], [right]) => compare(left, right))) {
      parts.push(prefix === "" ? " xmlns" : ` xmlns:${prefix}`, '="', escapeValue(namespace), '"');
    }
    for (const attribute of element.attributes.toSorted(inOrder)) {
      parts.push(" ", qualified(attribute), '="', escapeValue(attribute.value), '"');
    }
    parts.push(">");
    for (const child of element.children) {
      if (typeof child === "string") parts.push(escapeText(child));
      else if (child !== omitted) write(child, element.scope);
    }
    parts.push("</", name, ">");
  };
  write(apex, new Map());
  return utf8(parts.join(""));
}
