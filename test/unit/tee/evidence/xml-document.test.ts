import { describe, expect, it } from "vitest";
import { parseUtf8, utf8 } from "../../../../src/core/bytes.ts";
import { encodeCanonicalXml } from "../../../../src/paths/tee/evidence/nvidia-rim/canonical-xml.ts";
import { childElements, parseXml, type XmlElement } from "../../../../src/paths/tee/evidence/nvidia-rim/xml-document.ts";

const read = (text: string): XmlElement => parseXml(utf8(text));
const canonical = (text: string): string => parseUtf8(encodeCanonicalXml(read(text), null));

describe("XML that is refused as malformed", () => {
  const entity = '<!DOCTYPE a [<!ENTITY x "y">]>';
  it.each([
    ["a document type", "<!DOCTYPE a><a/>"],
    ["an entity of its own", `${entity}<a>&x;</a>`],
    ["an entity that nobody declared", "<a>&nbsp;</a>"],
    ["a parameter entity", '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd">]><a/>'],
    ["an external entity", '<!DOCTYPE a [<!ENTITY x SYSTEM "http://example.org/">]><a>&x;</a>'],
    ["a comment before the root", "<!-- c --><a/>"],
    ["a comment in text", "<a>tr<!-- c -->ue</a>"],
    ["a processing instruction", "<a><?php echo ?></a>"],
    ["a processing instruction before the root", '<?xml-stylesheet href="x"?><a/>'],
    ["CDATA", "<a><![CDATA[x]]></a>"],
    ["the end of CDATA", "<a>]]></a>"],
    ["two roots", "<a/><b/>"],
    ["text after the root", "<a/>x"],
    ["text before the root", "x<a/>"],
    ["no root", ""],
    ["an element without its end", "<a><b></a>"],
    ["a document that is cut", "<a><b></b></a"],
    ["an end tag of another prefix", '<x:a xmlns:x="u" xmlns:y="u"></y:a>'],
    ["an attribute twice", '<a x="1" x="2"/>'],
    ["an attribute twice by two prefixes", '<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>'],
    ["a namespace declared twice", '<a xmlns="u" xmlns="v"/>'],
    ["an undeclared prefix", "<p:a/>"],
    ["an undeclared prefix of an attribute", '<a p:x="1"/>'],
    ["a prefix declared in a sibling", '<a><b xmlns:p="u"/><p:c/></a>'],
    ["xml:id", '<a xml:id="x"/>'],
    ["xml:base", '<a xml:base="x"/>'],
    ["xml:lang", '<a xml:lang="en"/>'],
    ["a declaration of the prefix xml", '<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>'],
    ["a declaration of the prefix xmlns", '<a xmlns:xmlns="u"/>'],
    ["a namespace that is taken back", '<a xmlns="u"><b xmlns=""/></a>'],
    ["a namespace with another alphabet", '<a xmlns="ü"/>'],
    ["no quotes", "<a x=1/>"],
    ["a value without its end", '<a x="1/>'],
    ["a less-than sign in a value", '<a x="<"/>'],
    ["attributes without space between them", '<a x="1"y="2"/>'],
    ["a bare ampersand", "<a>&</a>"],
    ["a reference to a control character", "<a>&#1;</a>"],
    ["a reference to half a character", "<a>&#xD800;</a>"],
    ["a reference beyond Unicode", "<a>&#x110000;</a>"],
    ["a control character", "<a>\u0001</a>"],
    ["a byte order mark", "\ufeff<a/>"],
    ["another encoding by name", '<?xml version="1.0" encoding="latin1"?><a/>'],
    ["version 1.1", '<?xml version="1.1"?><a/>'],
    ["space before the declaration", ' <?xml version="1.0"?><a/>'],
    ["nesting too deep", `${"<a>".repeat(40)}${"</a>".repeat(40)}`],
    ["nesting deep enough for a stack", "<a>".repeat(100_000)],
    ["too many elements", `<a>${"<b/>".repeat(5000)}</a>`],
    ["too many attributes", `<a ${Array.from({ length: 300 }, (_, at) => `x${at}="1"`).join(" ")}/>`],
    ["oversize", `<a>${" ".repeat(600_000)}</a>`],
  ])("%s", (_name, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "EVIDENCE_MALFORMED" }));
  });

  it.each([
    ["bytes that are no UTF-8", Uint8Array.of(0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e)],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x3c, 0, 0x61, 0, 0x2f, 0, 0x3e, 0)],
    ["an overlong less-than sign", Uint8Array.of(0x3c, 0x61, 0x3e, 0xc0, 0xbc, 0x3c, 0x2f, 0x61, 0x3e)],
  ])("%s", (_name, bytes) => {
    expect(() => parseXml(bytes)).toThrow(expect.objectContaining({ code: "EVIDENCE_MALFORMED" }));
  });
});

describe("XML that is read", () => {
  it("knows names by their namespace, not by their prefix", () => {
    const [first, second] = childElements(read('<a xmlns="u"><p:b xmlns:p="v"/><b/></a>'));
    expect([first?.namespace, first?.local, second?.namespace]).toEqual(["v", "b", "u"]);
  });

  it("gives attributes no default namespace", () => {
    expect(read('<a xmlns="u" x="1"/>').attributes).toEqual([{ prefix: "", local: "x", namespace: "", value: "1" }]);
  });

  it("takes a declaration and space around the root", () => {
    expect(read('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<a/>\n').local).toBe("a");
  });
});

/** Made by hand after the rules of the recommendation, sections 2 and 3. */
describe("canonical XML", () => {
  it.each([
    ["an empty element gets its end tag", "<a/>", "<a></a>"],
    [
      "attributes by namespace, then by name",
      '<a xmlns:z="http://a" xmlns:b="http://b" z:c="3" b:c="4" d="1" C="0"/>',
      '<a xmlns:b="http://b" xmlns:z="http://a" C="0" d="1" z:c="3" b:c="4"></a>',
    ],
    ["the default namespace before others", '<p:a xmlns:p="v" xmlns="u"/>', '<p:a xmlns="u" xmlns:p="v"></p:a>'],
    [
      "a namespace once, where it begins",
      '<a xmlns="u"><b xmlns="u"><c xmlns:p="v"><d xmlns:p="v"/></c></b></a>',
      '<a xmlns="u"><b><c xmlns:p="v"><d></d></c></b></a>',
    ],
    [
      "a namespace that changes, and again",
      '<a xmlns:p="u"><b xmlns:p="v"><c xmlns:p="u"/></b></a>',
      '<a xmlns:p="u"><b xmlns:p="v"><c xmlns:p="u"></c></b></a>',
    ],
    ["quotes become double", "<a x='\"'/>", '<a x="&quot;"></a>'],
    ["space between attributes and in tags", '<a  x = "1"\n y="2" ></a >', '<a x="1" y="2"></a>'],
    ["line ends", "<a>1\r\n2\r3\n</a>", "<a>1\n2\n3\n</a>"],
    ["white space in a value", '<a x="1\t2\n3"/>', '<a x="1 2 3"></a>'],
    ["references to white space in a value", '<a x="&#9;&#xA;&#13; "/>', '<a x="&#x9;&#xA;&#xD; "></a>'],
    ["references in text", "<a>&#13;&lt;&gt;&amp;&quot;&apos;&#x41;</a>", "<a>&#xD;&lt;&gt;&amp;\"'A</a>"],
    ["a greater-than sign in a value", '<a x=">"/>', '<a x=">"></a>'],
    ["characters beyond ASCII", '<a x="é">&#xe9;😀</a>', '<a x="é">é😀</a>'],
  ])("%s", (_name, text, form) => {
    expect(canonical(text)).toBe(form);
    expect(canonical(form)).toBe(form);
  });

  it("of a part renders all namespaces in scope, and leaves out what is omitted", () => {
    const [part] = childElements(read('<a xmlns="u" xmlns:p="v"><b>1<c/>2</b></a>'));
    if (part === undefined) throw new Error("no part");
    const [inner] = childElements(part);
    expect(parseUtf8(encodeCanonicalXml(part, inner ?? null))).toBe('<b xmlns="u" xmlns:p="v">12</b>');
  });
});
