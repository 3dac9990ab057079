/**
 * Evidence of a gateway outside every TEE (`tee_type: "triseal-none"`, SPEC.md section 3.5): one of its receipt keys signs
 * the report. No hardware vouches for such a keyset, and without this anyone could list TLS keys beside a known receipt key.
 */
import { concatBytes, encodeHex, parseHex, utf8 } from "../core/bytes.ts";
import { hexText, object, text } from "../core/decode.ts";
import { type Signer, verifyEd25519 } from "../core/ed25519.ts";
import type { JsonObject } from "../core/json.ts";
import { type AttestationReport, receiptKey } from "./keyset.ts";

/** A receipt is signed as JSON, which begins with `{`: no receipt can be taken for a report, and no report for a receipt. */
const CONTEXT = utf8("triseal.report.v1\0");

const decodeEvidence = object({ key_id: text(128), signature: hexText(64) });

/** The `evidence` of a report with this `report_data` (32 bytes). */
export function signReport(bound: Uint8Array, signer: Signer): JsonObject {
  return { key_id: signer.keyId, signature: encodeHex(signer.sign(concatBytes(CONTEXT, bound))) };
}

/**
 * The receipt key of the report's own keyset that signed its `report_data`, 64 hexadecimal digits, or null where none did.
 * Checks neither that `report_data` binds the keyset nor that anyone trusts the key.
 * @throws TrisealError `FORMAT_INVALID` for evidence of another form.
 */
export function reportSigner({ attestation }: AttestationReport): string | null {
  const evidence = decodeEvidence(attestation.evidence, "report.attestation.evidence");
  const key = receiptKey(attestation.workload_keyset, evidence.key_id);
  const message = concatBytes(CONTEXT, parseHex(attestation.report_data));
  return key !== null && verifyEd25519(key, message, parseHex(evidence.signature)) ? key : null;
}
