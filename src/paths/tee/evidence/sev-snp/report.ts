/** The SEV-SNP attestation report (AMD 56860, table ATTESTATION_REPORT). Little-endian, 1184 bytes. Reading verifies nothing. */
import { concatBytes } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";

/** Bytes of a report. */
export const REPORT_BYTES = 0x4a0;

const SIGNED_BYTES = 0x2a0;

/** Product families, each with a root of its own. */
export type Product = "Milan" | "Genoa" | "Turin";

/** Security version numbers of one TCB. `fmc` exists on Turin only. */
export interface Tcb {
  readonly fmc: number | null;
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** A report. Byte strings are views. */
export interface SnpReport {
  readonly version: number;
  readonly policy: bigint;
  readonly vmpl: number;
  readonly guestSvn: number;
  readonly signingKey: "vcek" | "vlek";
  /** From CPUID, from version 3 on; null where it is not told or not known. */
  readonly product: Product | null;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly chipId: Uint8Array;
  readonly tcbs: {
    readonly current: Uint8Array;
    readonly reported: Uint8Array;
    readonly committed: Uint8Array;
    readonly launch: Uint8Array;
  };
  readonly signed: Uint8Array;
  /** r and s side by side, big-endian, 48 bytes each. */
  readonly signature: Uint8Array;
}

const VERSIONS = [2, 3, 5];
const ECDSA_P384_SHA384 = 1;
const SIGNATURE_FIELD_BYTES = 72;
const SIGNATURE_HALF_BYTES = 48;

/** The family of a processor by its CPUID family and model (AMD 57230 and the family's revision guides); null where it is not known. */
function productOf(family: number, model: number): Product | null {
  if (family === 0x19) {
    if (model <= 0x0f) return "Milan";
    return (model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf) ? "Genoa" : null;
  }
  return family === 0x1a && model <= 0x11 ? "Turin" : null;
}

/** One half of the signature: 72 bytes, least significant first, of which 48 count and the rest are zero. */
function signatureHalf(report: Uint8Array, offset: number): Uint8Array {
  const field = report.subarray(offset, offset + SIGNATURE_FIELD_BYTES);
  if (field.subarray(SIGNATURE_HALF_BYTES).some((byte) => byte !== 0)) malformed("the padding of the signature is not zero");
  return field.slice(0, SIGNATURE_HALF_BYTES).reverse();
}

function signatureOf(report: Uint8Array): Uint8Array {
  const second = SIGNED_BYTES + SIGNATURE_FIELD_BYTES;
  if (report.subarray(second + SIGNATURE_FIELD_BYTES).some((byte) => byte !== 0))
    malformed("bytes after the signature are not zero");
  return concatBytes(signatureHalf(report, SIGNED_BYTES), signatureHalf(report, second));
}

function signingKeyOf(flags: number): "vcek" | "vlek" {
  const key = (flags >> 2) & 7;
  if (key > 1) unsupported(`signing key ${key}`);
  return key === 0 ? "vcek" : "vlek";
}

/**
 * The report that `bytes` are.
 * @throws TrisealError `EVIDENCE_MALFORMED` for another length or padding that is not zero; `EVIDENCE_UNSUPPORTED` for
 *   another version, signature algorithm, processor or kind of signing key.
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== REPORT_BYTES) malformed(`${bytes.length} bytes instead of ${REPORT_BYTES}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const signature = signatureOf(bytes);
  const version = view.getUint32(0x00, true);
  if (!VERSIONS.includes(version)) unsupported(`report version ${version}`);
  const algorithm = view.getUint32(0x34, true);
  if (algorithm !== ECDSA_P384_SHA384) unsupported(`signature algorithm ${algorithm}`);
  const [family = 0, model = 0] = at(0x188, 2);
  const product = version >= 3 ? productOf(family, model) : null;
  if (version >= 3 && product === null) unsupported(`a processor of family ${family}, model ${model}`);
  return {
    version,
    guestSvn: view.getUint32(0x04, true),
    policy: view.getBigUint64(0x08, true),
    vmpl: view.getUint32(0x30, true),
    signingKey: signingKeyOf(view.getUint32(0x48, true)),
    product,
    reportData: at(0x50, 64),
    measurement: at(0x90, 48),
    hostData: at(0xc0, 32),
    idKeyDigest: at(0xe0, 48),
    authorKeyDigest: at(0x110, 48),
    chipId: at(0x1a0, 64),
    tcbs: { current: at(0x38, 8), reported: at(0x180, 8), committed: at(0x1e0, 8), launch: at(0x1f0, 8) },
    signed: at(0, SIGNED_BYTES),
    signature,
  };
}

/** The parts of a TCB_VERSION, whose layout depends on the product. */
export function tcbOf(field: Uint8Array, product: Product): Tcb {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, , , b6 = 0, b7 = 0] = field;
  return product === "Turin"
    ? { fmc: b0, bootloader: b1, tee: b2, snp: b3, microcode: b7 }
    : { fmc: null, bootloader: b0, tee: b1, snp: b6, microcode: b7 };
}
