/** Reads a file of evidence, collateral or certificates for people. Verifies nothing, and says so. */
import { parseBase64, parseHex, parseUtf8 } from "../../core/bytes.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { unsupported } from "../../paths/tee/evidence/appraisal/evidence-error.ts";
import { Findings } from "../../paths/tee/evidence/appraisal/findings.ts";
import { parseHclReport } from "../../paths/tee/evidence/azure/hcl-report.ts";
import { snpClaims } from "../../paths/tee/evidence/sev-snp/appraise.ts";
import { parseSnpReport, REPORT_BYTES } from "../../paths/tee/evidence/sev-snp/report.ts";
import { readTdxQuote, tdxClaims } from "../../paths/tee/evidence/tdx/appraise.ts";
import { parseSignedObject } from "../../paths/tee/evidence/tdx/collateral.ts";
import { parseTdxPolicy } from "../../paths/tee/evidence/tdx/policy.ts";
import { parseTdxQuote } from "../../paths/tee/evidence/tdx/quote.ts";
import { parseTpmQuote } from "../../paths/tee/evidence/tpm2/attest.ts";
import { tpmClaims } from "../../paths/tee/evidence/tpm2/judge-quote.ts";
import { parseCertificate } from "../../paths/tee/evidence/x509/certificate.ts";
import { parseCrl } from "../../paths/tee/evidence/x509/crl.ts";
import { DerReader, soleElement, TAG } from "../../paths/tee/evidence/x509/der.ts";
import { parsePem } from "../../paths/tee/evidence/x509/pem.ts";
import { shownLine } from "../shown-text.ts";
import { DEVICE_READERS, showOcsp } from "./show-device.ts";
import { certificateFields, dateOf, type Shown } from "./shown.ts";

function onlyFields(type: string, fields: JsonObject): Shown {
  return { type, fields, certificates: [] };
}

function showQuote(bytes: Uint8Array): Shown {
  parseTdxQuote(bytes, "any");
  const read = readTdxQuote(bytes, parseTdxPolicy({ trailing: "any" }), new Findings());
  if (read === null) return unsupported("a quote that cannot be read");
  const { tcbStatus: _, advisoryIds: __, ...fields } = tdxClaims(read, null, null);
  return { type: "TDX quote", fields, certificates: read.chain.map(certificateFields) };
}

function showHcl(bytes: Uint8Array): Shown {
  const isTdx = bytes[0x20 + REPORT_BYTES + 8] === 4;
  const { hardwareReport, runtimeData, hash } = parseHclReport(bytes, isTdx ? "tdx" : "snp");
  const cpu = isTdx ? {} : snpClaims(parseSnpReport(hardwareReport), null);
  const fields = { ...cpu, runtimeDataHash: hash, runtimeData: parseUtf8(runtimeData) };
  return onlyFields(`report of Azure's paravisor around a ${isTdx ? "TDREPORT" : "SEV-SNP report"}`, fields);
}

function showDer(bytes: Uint8Array): Shown {
  // A certificate and a CRL begin with what is signed, an OCSP response with its status.
  if (new DerReader(soleElement(bytes).content).peek === TAG.enumerated) return showOcsp(bytes);
  try {
    const certificate = parseCertificate(bytes);
    return { type: "certificate", fields: {}, certificates: [certificateFields(certificate)] };
  } catch (error) {
    const crl = tryCrl(bytes);
    if (crl === null) throw error;
    return crl;
  }
}

function tryCrl(bytes: Uint8Array): Shown | null {
  try {
    const { thisUpdate, nextUpdate, revoked } = parseCrl(bytes);
    const dates = { thisUpdate: dateOf(thisUpdate), nextUpdate: dateOf(nextUpdate) };
    return onlyFields("certificate revocation list", { ...dates, revoked: [...revoked] });
  } catch {
    return null;
  }
}

function showJson(bytes: Uint8Array): Shown {
  for (const [member, type] of [
    ["tcbInfo", "Intel TCB info"],
    ["enclaveIdentity", "Intel QE identity"],
  ] as const) {
    const { object, signature } = parseSignedObject(bytes, member, null);
    if (signature !== null) return onlyFields(type, object);
  }
  return unsupported("JSON that is no body of Intel's service");
}

function startsWith(bytes: Uint8Array, ...prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}

/** How each form of evidence begins, and how it is shown. The first that fits reads the file. */
const READERS: readonly (readonly [(bytes: Uint8Array) => boolean, (bytes: Uint8Array) => Shown])[] = [
  ...DEVICE_READERS,
  [(bytes) => startsWith(bytes, 0x48, 0x43, 0x4c, 0x41), showHcl],
  [
    (bytes) => startsWith(bytes, 0xff, 0x54, 0x43, 0x47),
    (bytes) => onlyFields("TPM 2.0 quote", tpmClaims({ quote: parseTpmQuote(bytes), pcrs: [] })),
  ],
  [(bytes) => (bytes[0] === 4 || bytes[0] === 5) && startsWith(bytes.subarray(1), 0, 2, 0, 0x81, 0, 0, 0), showQuote],
  [
    (bytes) => bytes.length >= REPORT_BYTES && startsWith(bytes.subarray(1), 0, 0, 0),
    (bytes) => onlyFields("SEV-SNP report", snpClaims(parseSnpReport(bytes.subarray(0, REPORT_BYTES)), null)),
  ],
  [(bytes) => bytes[0] === 0x30, showDer],
  [(bytes) => bytes[0] === 0x7b, showJson],
  [
    (bytes) => startsWith(bytes, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d),
    (bytes) => {
      const certificates = parsePem(parseUtf8(bytes)).map((der) => certificateFields(parseCertificate(der)));
      return { type: "certificates", fields: {}, certificates };
    },
  ],
];

/** Bytes that a text spells in hexadecimal or base64, or the bytes themselves. */
function unwrapped(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096)).trim();
  if (!/^[A-Za-z0-9+/=\s]{32,}$/.test(text)) return bytes;
  const whole = parseUtf8(bytes).replace(/\s/g, "");
  return /^(?:[0-9a-fA-F]{2})+$/.test(whole) ? parseHex(whole.toLowerCase()) : parseBase64(whole);
}

/**
 * What a file of evidence says, whichever kind it is; hexadecimal and base64 texts are decoded first.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`, and `EVIDENCE_UNSUPPORTED` for a file of no kind that is known.
 */
export function showEvidence(file: Uint8Array): Shown {
  const bytes = unwrapped(file);
  const reader = READERS.find(([fits]) => fits(bytes))?.[1] ?? unsupported("no kind of evidence that is known begins like this");
  return reader(bytes);
}

/** Evidence says what it likes. */
function valueText(value: JsonValue): string {
  return shownLine(typeof value === "string" ? value : JSON.stringify(value));
}

function fieldLines(fields: JsonObject, indent: string): readonly string[] {
  const width = Math.max(0, ...Object.keys(fields).map((name) => name.length));
  return Object.entries(fields).map(([name, value]) => `${indent}${name.padEnd(width)}  ${valueText(value)}`);
}

/** Lines for a person. */
export function shownLines({ type, fields, certificates }: Shown): readonly string[] {
  const chain = certificates.flatMap((certificate, index) => [`certificate ${index}`, ...fieldLines(certificate, "  ")]);
  return [`${type} (read, not verified)`, ...fieldLines(fields, "  "), ...chain];
}
