/** Reads reports of devices and enclaves, RIMs, OCSP answers and attestation tokens for people. Verifies nothing. */
import { encodeHex } from "../../core/bytes.ts";
import { parseJson } from "../../core/json.ts";
import { nitroClaims } from "../../paths/tee/evidence/nitro/appraise.ts";
import { parseNitroDocument } from "../../paths/tee/evidence/nitro/nitro-document.ts";
import { nrasClaims } from "../../paths/tee/evidence/nras/appraise.ts";
import { parseDetachedEat } from "../../paths/tee/evidence/nras/detached-eat.ts";
import { gpuClaims } from "../../paths/tee/evidence/nvidia-gpu/appraise.ts";
import { type OcspAnswer, parseOcspResponse } from "../../paths/tee/evidence/nvidia-gpu/ocsp-response.ts";
import { parseGpuReport } from "../../paths/tee/evidence/nvidia-gpu/spdm-report.ts";
import { rimClaims } from "../../paths/tee/evidence/nvidia-rim/appraise.ts";
import { parseRim, parseRimDocument } from "../../paths/tee/evidence/nvidia-rim/rim.ts";
import { parseCertificate } from "../../paths/tee/evidence/x509/certificate.ts";
import { certificateFields, dateOf, type Shown } from "./shown.ts";

function showGpuReport(bytes: Uint8Array): Shown {
  const report = parseGpuReport(bytes);
  const { nvdec0, measurements } = report;
  const blocks = Object.fromEntries([...measurements].map(([index, value]) => [`block${index}`, encodeHex(value)]));
  const { hardwareModel: _, deviceSerial: __, ...fields } = gpuClaims(report, []);
  return { type: "GPU report (SPDM)", fields: { ...fields, nvdec0, ...blocks }, certificates: [] };
}

function showRim(bytes: Uint8Array): Shown {
  const { root, signature } = parseRimDocument(bytes);
  const signers = (signature?.certificates ?? []).map((der) => certificateFields(parseCertificate(der)));
  const signed = { isSigned: signature !== null };
  return { type: "reference integrity manifest", fields: { ...rimClaims(parseRim(root)), ...signed }, certificates: signers };
}

function showEat(bytes: Uint8Array): Shown {
  const claims = nrasClaims(parseDetachedEat(parseJson(bytes)));
  return { type: "answer of an attestation service", fields: claims, certificates: [] };
}

function showNitro(bytes: Uint8Array): Shown {
  const document = parseNitroDocument(bytes);
  const ders = [document.certificate, ...document.authorities.toReversed()];
  const certificates = ders.map((der) => certificateFields(parseCertificate(der)));
  return { type: "Nitro attestation document", fields: nitroClaims(document), certificates };
}

const answerFields = ({ serial, status, reason, thisUpdate, nextUpdate }: OcspAnswer) => ({
  serial,
  status,
  reason,
  thisUpdate: dateOf(thisUpdate),
  nextUpdate: nextUpdate === null ? null : dateOf(nextUpdate),
});

/** An OCSP response, whose first member is a status. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
export function showOcsp(bytes: Uint8Array): Shown {
  const response = parseOcspResponse(bytes);
  if (response === null) return { type: "OCSP response without an answer", fields: {}, certificates: [] };
  const { answers, nonce, certificates } = response;
  const fields = { nonce: nonce === null ? null : encodeHex(nonce), answers: answers.map(answerFields) };
  return { type: "OCSP response", fields, certificates: certificates.map(certificateFields) };
}

const begins =
  (...prefix: readonly number[]) =>
  (bytes: Uint8Array): boolean =>
    prefix.every((byte, index) => bytes[index] === byte);

/** How evidence of devices and enclaves begins, and how it is shown. */
export const DEVICE_READERS: readonly (readonly [(bytes: Uint8Array) => boolean, (bytes: Uint8Array) => Shown])[] = [
  [begins(0x11, 0xe0), showGpuReport],
  [begins(0x3c), showRim],
  [begins(0x5b), showEat],
  [begins(0xd2, 0x84), showNitro],
  [begins(0x84), showNitro],
];
