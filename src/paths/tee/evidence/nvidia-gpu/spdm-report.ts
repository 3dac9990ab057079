/**
 * A GPU's attestation report: the SPDM 1.1 GET_MEASUREMENTS request (DSP0274 section 10.11) and the MEASUREMENTS response to
 * it, joined. The device signs both, less the signature. What the GPU adds of its own stands in the opaque data as fields of
 * type, length and value; all integers are little-endian.
 */
import { encodeHex } from "../../../../core/bytes.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";

const SPDM_1_1 = 0x11;
const GET_MEASUREMENTS = 0xe0;
const MEASUREMENTS = 0x60;
/** Request parameters: a signature is asked for, and all measurements. */
const WITH_SIGNATURE = 0x01;
const ALL_MEASUREMENTS = 0xff;
const REQUEST_BYTES = 37;
const NONCE_BYTES = 32;
/** r and s of ECDSA on P-384. */
const SIGNATURE_BYTES = 96;
/** Measurement specification: DMTF. */
const DMTF = 0x01;
/** Size of a DMTF measurement before its value: type and length of the value. */
const DMTF_HEADER_BYTES = 3;
const FWID_BYTES = 48;
const VBIOS_BYTES = 8;
/** First bytes of a later form of the opaque data, whose fields have a type of value as well. */
const LATER_OPAQUE_FORM = "4e5644414f44";

/** Types of opaque fields that are read. Others are left alone: each firmware adds some. */
const FIELD = { driverVersion: 3, vbiosVersion: 6, nvdec0Status: 11, fwid: 20 } as const;
const READ_FIELDS: ReadonlySet<number> = new Set(Object.values(FIELD));

/** Largest report, in bytes: 255 blocks, opaque data of 64 KiB. Real ones have 4 to 5 kB. */
export const MAX_REPORT_BYTES = 96 * 1024;

/** State of the first video decoder, by which measurement 35 counts or does not. */
export type Nvdec0 = "enabled" | "disabled" | "unknown";

/** A report. Nothing is verified. */
export interface GpuReport {
  /** What the requester chose, 32 bytes. */
  readonly nonce: Uint8Array;
  /** Values by SPDM block index, which counts from 1. */
  readonly measurements: ReadonlyMap<number, Uint8Array>;
  /** As a RIM writes it: `545.00`. */
  readonly driverVersion: string;
  /** As a RIM writes it: `96.00.5E.00.01`. */
  readonly vbiosVersion: string;
  readonly nvdec0: Nvdec0;
  /** Firmware id, 48 bytes; null where the firmware states none. */
  readonly fwid: Uint8Array | null;
  /** The bytes under the signature. */
  readonly signed: Uint8Array;
  /** r and s, big-endian, 96 bytes. */
  readonly signature: Uint8Array;
  /** What follows the signature. */
  readonly rest: Uint8Array;
}

const littleEndian = (bytes: Uint8Array): ByteCursor => new ByteCursor(bytes, "little-endian");

function readRequest(request: ByteCursor): Uint8Array {
  if (request.uint8() !== SPDM_1_1) unsupported("SPDM request: not version 1.1");
  if (request.uint8() !== GET_MEASUREMENTS) malformed("SPDM request: not GET_MEASUREMENTS");
  const [what, which] = [request.uint8(), request.uint8()];
  if (what !== WITH_SIGNATURE || which !== ALL_MEASUREMENTS) unsupported("SPDM request: not for all measurements, signed");
  const nonce = request.take(NONCE_BYTES);
  request.uint8(); // the slot of the certificate chain, which the signature itself identifies
  return nonce;
}

function readBlocks(count: number, record: ByteCursor): ReadonlyMap<number, Uint8Array> {
  const blocks = new Map<number, Uint8Array>();
  for (let block = 0; block < count; block++) {
    const index = record.uint8();
    if (record.uint8() !== DMTF) malformed("SPDM measurement: not of the DMTF specification");
    const size = record.uint16();
    record.uint8(); // the kind of value; that a value is a digest follows from the RIM
    const length = record.uint16();
    if (size !== length + DMTF_HEADER_BYTES) malformed("SPDM measurement: two lengths");
    if (index === 0 || blocks.has(index)) malformed("SPDM measurement: an index twice, or none");
    blocks.set(index, record.take(length));
  }
  record.end("last measurement");
  if (blocks.size === 0) malformed("SPDM measurements: none");
  return blocks;
}

function readOpaque(opaque: Uint8Array): ReadonlyMap<number, Uint8Array> {
  if (encodeHex(opaque.subarray(0, 6)) === LATER_OPAQUE_FORM) unsupported("SPDM opaque data: a later form");
  const fields = new Map<number, Uint8Array>();
  const bytes = littleEndian(opaque);
  while (bytes.rest().length > 0) {
    const type = bytes.uint16();
    const value = bytes.take(bytes.uint16());
    if (fields.has(type) && READ_FIELDS.has(type)) malformed("SPDM opaque data: a field twice");
    fields.set(type, value);
  }
  return fields;
}

/** Printable ASCII with zeros behind it. */
function readText(field: Uint8Array): string {
  const text = String.fromCharCode(...field.subarray(0, 64)).replace(/\0+$/, "");
  if (field.length > 64 || !/^[!-~]+$/.test(text)) malformed("SPDM opaque data: no version in printable characters");
  return text;
}

/** The four bytes of the low word from the most significant down, then the lowest byte of the high word. */
function readVbiosVersion(field: Uint8Array): string {
  if (field.length !== VBIOS_BYTES) malformed("SPDM opaque data: a VBIOS version that is not 8 bytes");
  const parts = [3, 2, 1, 0, 4].map((at) => encodeHex(field.subarray(at, at + 1)).toUpperCase());
  return parts.join(".");
}

function readNvdec0(field: Uint8Array | undefined): Nvdec0 {
  if (field?.length !== 1) return "unknown";
  if (field[0] === 0x55) return "disabled";
  return field[0] === 0xaa ? "enabled" : "unknown";
}

/**
 * The report in `bytes`. What follows its signature is returned as `rest`, for the caller to judge.
 * @throws TrisealError `EVIDENCE_MALFORMED`; `EVIDENCE_UNSUPPORTED` for another SPDM version, another request, a later form
 *   of the opaque data, or a device that states no driver and VBIOS version (which is no GPU).
 */
export function parseGpuReport(bytes: Uint8Array): GpuReport {
  const report = littleEndian(bytes);
  const nonce = readRequest(littleEndian(report.take(REQUEST_BYTES)));
  if (report.uint8() !== SPDM_1_1) unsupported("SPDM response: not version 1.1");
  if (report.uint8() !== MEASUREMENTS) malformed("SPDM response: not MEASUREMENTS");
  report.take(2);
  const count = report.uint8();
  const recordBytes = report.uint16() + (report.uint8() << 16);
  const record = littleEndian(report.take(recordBytes));
  const measurements = readBlocks(count, record);
  report.take(NONCE_BYTES); // the responder's own; it has no meaning to anyone else
  const fields = readOpaque(report.take(report.uint16()));
  const signed = bytes.subarray(0, bytes.length - report.rest().length);
  const signature = report.take(SIGNATURE_BYTES);
  const driver = fields.get(FIELD.driverVersion);
  const vbios = fields.get(FIELD.vbiosVersion);
  if (driver === undefined || vbios === undefined) unsupported("SPDM opaque data: no driver or no VBIOS version");
  const fwid = fields.get(FIELD.fwid) ?? null;
  if (fwid !== null && fwid.length !== FWID_BYTES) malformed("SPDM opaque data: a firmware id that is not 48 bytes");
  return {
    nonce,
    measurements,
    driverVersion: readText(driver),
    vbiosVersion: readVbiosVersion(vbios),
    nvdec0: readNvdec0(fields.get(FIELD.nvdec0Status)),
    fwid,
    signed,
    signature,
    rest: report.rest(),
  };
}
