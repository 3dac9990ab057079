/** What Intel writes into a PCK certificate (Intel, "SGX PCK Certificate and CRL Profile", section 1.3.5). */
import { encodeHex } from "../../../../core/bytes.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import type { Certificate } from "../x509/certificate.ts";
import { type DerElement, DerReader, oidOf, smallInteger, soleElement, TAG } from "../x509/der.ts";

const SGX = "1.2.840.113741.1.13.1";
const TCB = `${SGX}.2`;
const COMPONENTS = 16;

/** The platform that a PCK certificate is for. Hexadecimal is lower-case. */
export interface PckPlatform {
  readonly fmspc: string;
  readonly pceId: string;
  readonly pceSvn: number;
  /** Sixteen security version numbers. */
  readonly components: readonly number[];
}

/** Pairs of object identifier and value; each identifier once. */
function pairsOf(content: Uint8Array): ReadonlyMap<string, DerElement> {
  const pairs = new Map<string, DerElement>();
  const list = new DerReader(content);
  while (!list.done) {
    const pair = list.enter();
    const oid = oidOf(pair.next(TAG.oid));
    const value = pair.next();
    pair.end();
    if (pairs.has(oid)) malformed(`${oid} stands twice`);
    pairs.set(oid, value);
  }
  return pairs;
}

function elementOf(pairs: ReadonlyMap<string, DerElement>, oid: string, tag: number): DerElement {
  const value = pairs.get(oid);
  if (value?.tag !== tag) malformed(`the SGX extension lacks ${oid}`);
  return value;
}

function octets(pairs: ReadonlyMap<string, DerElement>, oid: string, length: number): string {
  const { content } = elementOf(pairs, oid, TAG.octetString);
  return content.length === length ? encodeHex(content) : malformed(`${oid} has another length`);
}

function svn(pairs: ReadonlyMap<string, DerElement>, arc: number, most: number): number {
  const value = smallInteger(elementOf(pairs, `${TCB}.${arc}`, TAG.integer));
  return value <= most ? value : malformed(`security version ${arc} is out of range`);
}

/** The platform of a certificate, or null where it has no SGX extension and so is no PCK certificate. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function parsePckPlatform(certificate: Certificate): PckPlatform | null {
  const extension = certificate.extensions.get(SGX);
  if (extension === undefined) return null;
  const pairs = pairsOf(soleElement(extension.value).content);
  const tcb = pairsOf(elementOf(pairs, TCB, TAG.sequence).content);
  return {
    fmspc: octets(pairs, `${SGX}.4`, 6),
    pceId: octets(pairs, `${SGX}.3`, 2),
    pceSvn: svn(tcb, COMPONENTS + 1, 0xffff),
    components: Array.from({ length: COMPONENTS }, (_, index) => svn(tcb, index + 1, 0xff)),
  };
}
