import type { Basis, CheckRow } from "../../../../core/check.ts";

/** A row of the table: a check, and what it rests on. */
export interface EvidenceCheckRow extends CheckRow {
  readonly basis: Basis;
}

const SPEC = "EVIDENCE 3";

function row(code: string, basis: Basis, states: string): EvidenceCheckRow {
  return { code: `EVIDENCE_${code}`, basis, states, spec: SPEC };
}

/**
 * What every appraiser of hardware evidence states, one row for each code. All checks are made; the first row that fails
 * is the answer, so the order is part of the format.
 */
export const evidenceChecks = {
  "evidence.well-formed": row("MALFORMED", "assertion", "evidence and endorsements are well-formed"),
  "evidence.supported": row("UNSUPPORTED", "assertion", "version, algorithms and types are among those that are accepted"),
  "collateral.present": row("COLLATERAL_MISSING", "assertion", "the endorsements that the policy needs are there"),
  "chain.trusted": row("CHAIN_UNTRUSTED", "signature", "the certificates lead to a root that is trusted for this evidence"),
  "chain.begun": row("CERT_NOT_YET_VALID", "signature", "no certificate is used before its validity"),
  "chain.unexpired": row("CERT_EXPIRED", "signature", "no certificate is used after its validity"),
  "collateral.signed": row("COLLATERAL_SIGNATURE_INVALID", "signature", "the signatures over the collateral verify"),
  "collateral.current": row("COLLATERAL_EXPIRED", "signature", "the collateral is current, and not an earlier evaluation"),
  "chain.unrevoked": row("REVOKED", "signature", "no certificate is revoked or on hold"),
  "evidence.signed": row("SIGNATURE_INVALID", "signature", "the signatures over the evidence verify"),
  "evidence.bound": row("KEY_BINDING_INVALID", "attestation", "every key and every part of the evidence is bound to its whole"),
  "device.matches": row("HWID_MISMATCH", "attestation", "chip and product are those of the certificate"),
  "tcb.matches": row("TCB_MISMATCH", "attestation", "the TCB is that of the certificate, the module that of the collateral"),
  "firmware.matches": row("FWID_MISMATCH", "attestation", "the firmware id is that of the certificate"),
  "collateral.matches": row("COLLATERAL_MISMATCH", "attestation", "the collateral is about this platform"),
  "qe.matches": row("QE_IDENTITY_INVALID", "attestation", "the quoting enclave is the one that the collateral names"),
  "rim.signed": row("RIM_SIGNATURE_INVALID", "signature", "the signatures over the reference manifests verify"),
  "rim.current": row("RIM_EXPIRED", "signature", "the signers of the reference manifests are within their validity"),
  "token.current": row("TOKEN_EXPIRED", "signature", "the token is within its own window"),
  "guest.not-debugged": row("DEBUG_ENABLED", "attestation", "the guest and its devices are not debugged"),
  "guest.not-migratable": row("MIGRATABLE", "attestation", "the guest has no migration agent"),
  "guest.attributes": row(
    "ATTRIBUTES_INVALID",
    "attestation",
    "attributes are those that the policy names, reserved bits are as they must be",
  ),
  "guest.vmpl": row("VMPL_MISMATCH", "attestation", "the report was asked for at the privilege level of the policy"),
  "tcb.current": row("TCB_OUT_OF_DATE", "attestation", "the status of the TCB is accepted, and no part is below the minimum"),
  "nonce.matches": row("NONCE_MISMATCH", "attestation", "the nonce is the verifier's"),
  "report-data.matches": row("REPORT_DATA_MISMATCH", "attestation", "the report data binds what the policy names"),
  "event-log.replays": row(
    "EVENT_LOG_MISMATCH",
    "attestation",
    "the event log leads to the registers, and its payloads to its digests",
  ),
  "measurement.matches": row("MEASUREMENT_MISMATCH", "attestation", "the measurements are the reference values"),
  "devices.distinct": row("DUPLICATE_DEVICE", "attestation", "no device is counted twice"),
} as const satisfies Readonly<Record<string, EvidenceCheckRow>>;

/** Id of a check of hardware evidence. */
export type EvidenceCheckId = keyof typeof evidenceChecks;
