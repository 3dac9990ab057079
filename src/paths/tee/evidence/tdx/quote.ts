/** TDX quotes of versions 4 and 5 (Intel, "TDX DCAP Quoting Library API", appendix 3). Little-endian. Reading verifies nothing. */
import { parseUtf8 } from "../../../../core/bytes.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { mayTrail, type Trailing } from "../appraisal/policy-members.ts";
import { parsePem } from "../x509/pem.ts";

/** Largest quote that is read, with what trails behind it. */
export const MAX_QUOTE_BYTES = 65_536;

const HEADER_BYTES = 48;
const TD10_BYTES = 584;
const TD15_BYTES = 648;
const TEE_TYPE_TDX = 0x81;
const KEY_TYPE_P256 = 2;
const BODY_TD10 = 2;
const BODY_TD15 = 3;
const CERTIFICATION_QE_REPORT = 6;
const CERTIFICATION_PCK_CHAIN = 5;

/** The report of a TD, as the quote carries it. Byte strings are views. */
export interface TdReport {
  /** Whether it has the members of TDX module 1.5. */
  readonly isTd15: boolean;
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrtd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  /** Of TDX 1.5; null elsewhere. */
  readonly mrServiceTd: Uint8Array | null;
}

/** The report of the quoting enclave (SGX REPORTBODY). */
export interface QeReport {
  readonly raw: Uint8Array;
  readonly miscSelect: Uint8Array;
  readonly attributes: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}

/** A quote. */
export interface TdxQuote {
  readonly version: 4 | 5;
  readonly qeVendorId: Uint8Array;
  readonly report: TdReport;
  /** Header and body: what the attestation key signs. */
  readonly signed: Uint8Array;
  /** r and s side by side, of the attestation key. */
  readonly signature: Uint8Array;
  /** x and y side by side. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: QeReport;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** DER of the PCK chain, leaf first. */
  readonly pckChain: readonly Uint8Array[];
}

/** A cursor over bytes of a quote. */
function cursorOf(bytes: Uint8Array): ByteCursor {
  return new ByteCursor(bytes, "little-endian");
}

function parseTdReport(body: Uint8Array): TdReport {
  const at = (offset: number, length = 48) => body.subarray(offset, offset + length);
  const isTd15 = body.length === TD15_BYTES;
  return {
    isTd15,
    teeTcbSvn: at(0, 16),
    mrSeam: at(16),
    mrSignerSeam: at(64),
    seamAttributes: at(112, 8),
    tdAttributes: at(120, 8),
    xfam: at(128, 8),
    mrtd: at(136),
    mrConfigId: at(184),
    mrOwner: at(232),
    mrOwnerConfig: at(280),
    rtmrs: [at(328), at(376), at(424), at(472)],
    reportData: at(520, 64),
    mrServiceTd: isTd15 ? at(600) : null,
  };
}

function parseQeReport(raw: Uint8Array): QeReport {
  const at = (offset: number, length: number) => raw.subarray(offset, offset + length);
  const uint16 = (offset: number) => (raw[offset] ?? 0) | ((raw[offset + 1] ?? 0) << 8);
  return {
    raw,
    miscSelect: at(16, 4),
    attributes: at(48, 16),
    mrSigner: at(128, 32),
    isvProdId: uint16(256),
    isvSvn: uint16(258),
    reportData: at(320, 64),
  };
}

/** The body of a quote, whose form its version tells, or in version 5 a descriptor. */
function bodyOf(cursor: ByteCursor, version: 4 | 5): Uint8Array {
  if (version === 4) return cursor.take(TD10_BYTES);
  const type = cursor.uint16();
  const size = cursor.uint32();
  if (type !== BODY_TD10 && type !== BODY_TD15) unsupported(`a quote body of type ${type}`);
  if (size !== (type === BODY_TD10 ? TD10_BYTES : TD15_BYTES)) malformed("a quote body of another size");
  return cursor.take(size);
}

/** PEM text as the quoting library writes it: a C string may end with zero bytes. */
function pckChainOf(data: Uint8Array): readonly Uint8Array[] {
  const end = data.findLastIndex((byte) => byte !== 0) + 1;
  return parsePem(parseUtf8(data.subarray(0, end)));
}

function certificationOf(cursor: ByteCursor, type: number, what: string): ByteCursor {
  const found = cursor.uint16();
  if (found !== type) unsupported(`${what} of type ${found}`);
  const data = cursorOf(cursor.take(cursor.uint32()));
  cursor.end(what);
  return data;
}

type AuthData = Pick<TdxQuote, "signature" | "attestationKey" | "qeReport" | "qeReportSignature" | "qeAuthData" | "pckChain">;

function parseAuthData(bytes: Uint8Array): AuthData {
  const outer = cursorOf(bytes);
  const signature = outer.take(64);
  const attestationKey = outer.take(64);
  const inner = certificationOf(outer, CERTIFICATION_QE_REPORT, "certification data");
  const qeReport = parseQeReport(inner.take(384));
  const qeReportSignature = inner.take(64);
  const qeAuthData = inner.take(inner.uint16());
  const chain = certificationOf(inner, CERTIFICATION_PCK_CHAIN, "certification data of the quoting enclave");
  return { signature, attestationKey, qeReport, qeReportSignature, qeAuthData, pckChain: pckChainOf(chain.rest()) };
}

/**
 * The quote that `bytes` begin with; what follows its own end is judged by `trailing`.
 * @throws TrisealError `EVIDENCE_MALFORMED`, and `EVIDENCE_UNSUPPORTED` for SGX quotes, other versions, keys and certification data.
 */
export function parseTdxQuote(bytes: Uint8Array, trailing: Trailing): TdxQuote {
  const cursor = cursorOf(bytes);
  const header = cursorOf(cursor.take(HEADER_BYTES));
  const version = header.uint16();
  if (version !== 4 && version !== 5) return unsupported(`quote version ${version}`);
  const keyType = header.uint16();
  if (keyType !== KEY_TYPE_P256) unsupported(`attestation key of type ${keyType}`);
  const teeType = header.uint32();
  if (teeType !== TEE_TYPE_TDX) unsupported(`TEE type ${teeType}`);
  header.take(4);
  const qeVendorId = header.take(16);
  const body = bodyOf(cursor, version);
  const signed = bytes.subarray(0, bytes.length - cursor.rest().length);
  const auth = parseAuthData(cursor.take(cursor.uint32()));
  if (!mayTrail(cursor.rest(), trailing)) malformed("bytes after the quote");
  return { version, qeVendorId, report: parseTdReport(body), signed, ...auth };
}
