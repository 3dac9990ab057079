/**
 * The firmware id that a device certificate states (TCG DICE Attestation Architecture). Hopper writes a composite device id,
 * Blackwell a DiceTcbInfo; both hold SHA-384 digests.
 */
import { malformed } from "../appraisal/evidence-error.ts";
import type { Certificate } from "../x509/certificate.ts";
import { contextTag, DerReader, oidOf, soleElement, TAG } from "../x509/der.ts";

const DICE_EXTENSIONS = ["2.23.133.5.4.1", "2.23.133.5.4.1.1"];
const SHA384 = "2.16.840.1.101.3.4.2.2";

/** FWID ::= SEQUENCE { hashAlg OID, digest OCTET STRING }. A digest of another hash equals no firmware id of a report. */
function readFwid(fwid: DerReader): Uint8Array {
  const isSha384 = oidOf(fwid.next(TAG.oid)) === SHA384;
  const digest = fwid.next(TAG.octetString).content;
  fwid.end();
  return isSha384 ? digest : new Uint8Array(0);
}

/** The firmware id of an extension: of a composite device id its own, of a DiceTcbInfo the first of its list. */
function readExtension(value: Uint8Array): Uint8Array | null {
  const fields = new DerReader(soleElement(value).content);
  if (fields.optional(TAG.integer) !== null) {
    fields.next(TAG.sequence); // the device key
    const fwid = readFwid(fields.enter());
    fields.end();
    return fwid;
  }
  let first: Uint8Array | null = null;
  while (!fields.done) {
    const field = fields.next();
    if (field.tag !== contextTag(6)) continue;
    if (first !== null) malformed("DiceTcbInfo: two lists of firmware ids");
    first = readFwid(new DerReader(field.content).enter());
  }
  return first;
}

/** All firmware ids that `certificate` states, which is one as a rule. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function firmwareIdsOf(certificate: Certificate): readonly Uint8Array[] {
  return DICE_EXTENSIONS.flatMap((oid) => {
    const extension = certificate.extensions.get(oid);
    const fwid = extension === undefined ? null : readExtension(extension.value);
    return fwid === null ? [] : [fwid];
  });
}
