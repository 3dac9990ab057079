/**
 * The one form of XML signature that RIM files carry (W3C xmldsig-core1): enveloped, over the whole document, canonical XML
 * 1.1, SHA-384, ECDSA with P-384 (RFC 6931 section 2.3.6). A reference to anything else than the whole document is not read,
 * so that what is signed and what is used cannot be two elements.
 */
import { equalBytes, parseBase64 } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import type { PublicKey } from "../x509/algorithm.ts";
import { hashBytes, verifySignature } from "../x509/signature.ts";
import { encodeCanonicalXml } from "./canonical-xml.ts";
import { attributeOf, childElements, textOf, type XmlElement } from "./xml-document.ts";

const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const ENVELOPED = `${DSIG}enveloped-signature`;
const SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
/** Versions of canonical XML without comments; they differ in attributes of the `xml` prefix only, which are refused. */
const CANONICAL: ReadonlySet<string> = new Set([
  "http://www.w3.org/2006/12/xml-c14n11",
  "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
]);
const MAX_CERTIFICATES = 8;

/** A signature as it stands in the document. Nothing is verified. */
export interface XmlSignature {
  readonly element: XmlElement;
  readonly signedInfo: XmlElement;
  /** Whether the one reference is to the whole document; where it is not, the signature says nothing about the root. */
  readonly coversDocument: boolean;
  readonly digest: Uint8Array;
  readonly value: Uint8Array;
  /** DER, in the order of the document, which is leaf first. */
  readonly certificates: readonly Uint8Array[];
}

/** The child elements of `parent`, which must have exactly these names of the signature namespace, in this order. */
function parts(parent: XmlElement, ...names: readonly string[]): readonly XmlElement[] {
  const found = childElements(parent);
  const fits = found.length === names.length && found.every((item, at) => item.namespace === DSIG && item.local === names[at]);
  const loose = parent.children.some((child) => typeof child === "string" && child.trim() !== "");
  if (!fits || loose) malformed(`XML signature: ${parent.local} is not ${names.join(", ")}`);
  return found;
}

function part(parent: XmlElement, name: string): XmlElement {
  const [found, ...more] = childElements(parent).filter((item) => item.namespace === DSIG && item.local === name);
  if (found === undefined || more.length > 0) malformed(`XML signature: ${parent.local} without one ${name}`);
  return found;
}

function algorithm(element: XmlElement | undefined): string {
  const name = element === undefined ? null : attributeOf(element, "", "Algorithm");
  if (element === undefined || name === null) malformed("XML signature: no algorithm");
  // An algorithm with parameters (such as a list of prefixes) is another algorithm.
  if (element.children.length > 0) unsupported(`XML signature: parameters of ${element.local}`);
  return name;
}

function base64(element: XmlElement | undefined): Uint8Array {
  if (element === undefined) malformed("XML signature: no value");
  try {
    return parseBase64(textOf(element).replace(/[\t\n\r ]/g, ""));
  } catch {
    malformed(`XML signature: ${element.local} is not base64`);
  }
}

/**
 * The signature of `root`: its child element of that name. Null where it has none.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED` for another algorithm.
 */
export function parseXmlSignature(root: XmlElement): XmlSignature | null {
  const [element, ...more] = childElements(root).filter((item) => item.namespace === DSIG && item.local === "Signature");
  if (more.length > 0) malformed("XML signature: more than one");
  if (element === undefined) return null;
  const [signedInfo, signatureValue, keyInfo] = parts(element, "SignedInfo", "SignatureValue", "KeyInfo");
  if (signedInfo === undefined || keyInfo === undefined) malformed("XML signature: incomplete");
  const [canonical, method, reference] = parts(signedInfo, "CanonicalizationMethod", "SignatureMethod", "Reference");
  if (reference === undefined) malformed("XML signature: no reference");
  const [transforms, digestMethod, digestValue] = parts(reference, "Transforms", "DigestMethod", "DigestValue");
  const [enveloped, second, ...others] = childElements(transforms ?? reference);
  const accepted =
    CANONICAL.has(algorithm(canonical)) &&
    algorithm(method) === ECDSA_SHA384 &&
    algorithm(digestMethod) === SHA384 &&
    algorithm(enveloped) === ENVELOPED &&
    (second === undefined || CANONICAL.has(algorithm(second))) &&
    others.length === 0;
  if (!accepted) unsupported("XML signature: an algorithm that RIM files do not use");
  const certificates = childElements(part(keyInfo, "X509Data")).map(base64);
  if (certificates.length === 0 || certificates.length > MAX_CERTIFICATES) malformed("XML signature: no or many certificates");
  return {
    element,
    signedInfo,
    coversDocument: attributeOf(reference, "", "URI") === "",
    digest: base64(digestValue),
    value: base64(signatureValue),
    certificates,
  };
}

/**
 * Whether `signature` is over all of `root` but itself, by `key`. Says nothing about whose key that is: the certificates are
 * the caller's to judge.
 */
export async function verifyXmlSignature(root: XmlElement, signature: XmlSignature, key: PublicKey): Promise<boolean> {
  if (!signature.coversDocument) return false;
  const digest = await hashBytes("SHA-384", encodeCanonicalXml(root, signature.element));
  if (!equalBytes(digest, signature.digest)) return false;
  const signed = encodeCanonicalXml(signature.signedInfo, null);
  return await verifySignature(key, { name: "ECDSA", hash: "SHA-384" }, signed, signature.value);
}
