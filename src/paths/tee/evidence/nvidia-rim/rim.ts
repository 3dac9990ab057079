/**
 * NVIDIA's reference integrity manifest: a SWID tag (ISO/IEC 19770-2) in the TCG profile, one golden measurement per
 * `Resource`. Everything is read from the root element that the signature covers, and from its own children only.
 */
import { parseHex } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { attributeOf, childElements, parseXml, type XmlElement } from "./xml-document.ts";
import { parseXmlSignature, type XmlSignature } from "./xml-signature.ts";

const SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
/** The namespace of the `Hash0`, `Hash1`, … attributes. */
const HASH = "http://www.w3.org/2001/04/xmlenc#sha384";
const MEASUREMENT_BYTES = 48;
/** An SPDM report has at most 254 blocks. */
const MAX_INDEX = 253;

/** A golden measurement. `index` counts from 0: it is compared with the SPDM block `index` + 1. */
export interface GoldenMeasurement {
  readonly index: number;
  /** Whether it is to be compared at all. */
  readonly active: boolean;
  /** Accepted values of 48 bytes; one of them must be measured. */
  readonly values: readonly Uint8Array[];
}

/** A RIM document before its signature was verified: nothing but the signature may be used of it. */
export interface RimDocument {
  readonly root: XmlElement;
  /** Null where the document is not signed. */
  readonly signature: XmlSignature | null;
}

/** What a RIM says. Only worth something once its signature was verified. */
export interface Rim {
  /** Product that it is for, such as `GH100`. */
  readonly name: string;
  /** Version of the driver or VBIOS. */
  readonly version: string;
  readonly measurements: readonly GoldenMeasurement[];
}

/**
 * The document and its signature, unverified.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`.
 */
export function parseRimDocument(bytes: Uint8Array): RimDocument {
  const root = parseXml(bytes);
  if (root.namespace !== SWID || root.local !== "SoftwareIdentity") malformed("RIM: not a SWID tag");
  return { root, signature: parseXmlSignature(root) };
}

function onlyChild(root: XmlElement, name: string): XmlElement {
  const [found, ...more] = childElements(root).filter((item) => item.namespace === SWID && item.local === name);
  if (found === undefined || more.length > 0) malformed(`RIM: not one ${name}`);
  return found;
}

function attribute(element: XmlElement, name: string): string {
  const value = attributeOf(element, "", name);
  if (value === null || value === "" || value.length > 128) malformed(`RIM: ${element.local} without ${name}`);
  return value;
}

function smallInteger(element: XmlElement, name: string, most: number): number {
  const text = attribute(element, name);
  const value = /^(?:0|[1-9][0-9]{0,3})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) malformed(`RIM: ${name} is not an integer from 0 to ${most}`);
  return value;
}

function readMeasurement(resource: XmlElement): GoldenMeasurement {
  const active = attribute(resource, "active");
  if (active !== "True" && active !== "False") malformed("RIM: active is neither True nor False");
  const index = smallInteger(resource, "index", MAX_INDEX);
  if (smallInteger(resource, "size", 64) !== MEASUREMENT_BYTES) unsupported("RIM: a measurement that is no SHA-384 digest");
  const alternatives = smallInteger(resource, "alternatives", 100);
  const hashes = resource.attributes.filter((item) => item.namespace === HASH);
  if (alternatives === 0 || hashes.length !== alternatives) malformed("RIM: alternatives and hashes differ in number");
  const values = Array.from({ length: alternatives }, (_, at) => {
    const text = attributeOf(resource, HASH, `Hash${at}`)?.toLowerCase() ?? "";
    if (text.length !== 2 * MEASUREMENT_BYTES || !/^[0-9a-f]*$/.test(text)) malformed("RIM: a hash that is not 48 bytes");
    return parseHex(text);
  });
  return { index, active: active === "True", values };
}

/**
 * What the document says. Call it for a document whose signature verified, and use nothing else of it.
 * @throws TrisealError `EVIDENCE_MALFORMED`; `EVIDENCE_UNSUPPORTED` for a resource that is no measurement, since passing it
 *   over would accept what it forbids.
 */
export function parseRim(root: XmlElement): Rim {
  const resources = childElements(onlyChild(root, "Payload"));
  const known = resources.every(
    (item) => item.namespace === SWID && item.local === "Resource" && attributeOf(item, "", "type") === "Measurement",
  );
  if (!known) unsupported("RIM: a resource that is no measurement");
  const measurements = resources.map(readMeasurement);
  if (measurements.length === 0) malformed("RIM: no measurement");
  if (new Set(measurements.map(({ index }) => index)).size !== measurements.length) malformed("RIM: an index twice");
  return { name: attribute(root, "name"), version: attribute(onlyChild(root, "Meta"), "colloquialVersion"), measurements };
}
