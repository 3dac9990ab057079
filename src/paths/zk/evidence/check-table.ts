import type { CheckTable } from "../../../core/check.ts";

/** Checks of the zk path, in the order in which a failure is reported. */
export const zkChecks = {
  "zk.section-readable": {
    code: "TRUST_FILE_INVALID",
    spec: "SPEC 5.1",
    states: "the trust file's section for this path can be read",
  },
  "zk.leg-readable": {
    code: "LEG_MALFORMED",
    spec: "SPEC 3.8",
    states: "the leg is well-formed and its numbers are canonical",
  },
  "zk.submission-readable": {
    code: "EVIDENCE_MALFORMED",
    spec: "SPEC 3.9",
    states: "the document that the caller submitted is in the bundle and well-formed",
  },
  "zk.credential-signed": {
    code: "ZK_CREDENTIAL_INVALID",
    spec: "SPEC 3.10",
    states: "the signature over the credential verifies",
  },
  "zk.signer-accepted": {
    code: "ZK_SIGNER_UNKNOWN",
    spec: "SPEC 3.10",
    states: "the trust file names the credential's signer, name and key",
  },
  "zk.signer-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "the credential's signer is not revoked" },
  "zk.statement-current": {
    code: "ZK_STATEMENT_EXPIRED",
    spec: "SPEC 3.10",
    states: "statement and credential were in force, and for no longer than a statement may be",
  },
  "zk.setup-readable": {
    code: "EVIDENCE_MALFORMED",
    spec: "SPEC 3.8",
    states: "the setup document is in the bundle and well-formed",
  },
  "zk.key-readable": {
    code: "EVIDENCE_MALFORMED",
    spec: "SPEC 3.8",
    states: "the verification key is in the bundle and well-formed",
  },
  "zk.key-sound": {
    code: "ZK_KEY_INVALID",
    spec: "SPEC 3.8",
    states: "the key's points are in their groups and its second phase is there",
  },
  "zk.setup-sound": {
    code: "ZK_SETUP_INVALID",
    spec: "SPEC 3.8",
    states: "the setup's transcript holds and leads to this key",
  },
  "zk.setup-fits": {
    code: "ZK_SETUP_MISMATCH",
    spec: "SPEC 3.8",
    states: "the setup document is about the leg's circuit, and its model or architecture",
  },
  "zk.setup-accepted": {
    code: "ZK_SETUP_NOT_ACCEPTED",
    spec: "SPEC 5.1",
    states: "the trust file accepts how the key was made",
  },
  "zk.key-accepted": {
    code: "ZK_KEY_NOT_ACCEPTED",
    spec: "SPEC 5.1",
    states: "the trust file names the key for this model, or for the architecture of its private weights",
  },
  "zk.key-not-revoked": { code: "MEASUREMENT_REVOKED", spec: "SPEC 5.1", states: "neither key nor circuit is revoked" },
  "zk.model-accepted": {
    code: "TRUST_UNKNOWN_MODEL",
    spec: "SPEC 5.1",
    states: "the trust file names the model that was proven",
  },
  "zk.model-not-revoked": { code: "MEASUREMENT_REVOKED", spec: "SPEC 5.1", states: "the proven model is not revoked" },
  "zk.weights-accepted": {
    code: "ZK_WEIGHTS_NOT_ACCEPTED",
    spec: "SPEC 5.1",
    states: "the trust file names the private weights for this model",
    optional: true,
  },
  "zk.weights-recomputed": {
    code: "ZK_WEIGHTS_MISMATCH",
    spec: "SPEC 5.4",
    states: "the committed weights are those of the model",
    optional: true,
  },
  "zk.circuit-recompiled": {
    code: "ZK_CIRCUIT_MISMATCH",
    spec: "SPEC 5.4",
    states: "the circuit is the one that the model compiles to",
    optional: true,
  },
  "zk.context-bound": {
    code: "ZK_CONTEXT_MISMATCH",
    spec: "SPEC 3.8",
    states: "the proof's context is that of the leg's kind and binding",
  },
  "zk.proof": { code: "ZK_PROOF_INVALID", spec: "SPEC 3.8", states: "the proof holds for the public signals under the key" },
} as const satisfies CheckTable;

/** Ids of the checks that may be skipped without a waiver (SPEC section 5.4). */
export const optionalZkChecks: ReadonlySet<string> = new Set(
  Object.entries(zkChecks as CheckTable).flatMap(([id, { optional }]) => (optional === true ? [id] : [])),
);
