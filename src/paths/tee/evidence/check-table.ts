import type { CheckTable } from "../../../core/check.ts";

/** Checks of the tee path, in the order in which a failure is reported. */
export const teeChecks = {
  "trust.section-readable": {
    code: "TRUST_FILE_INVALID",
    spec: "SPEC 5.1",
    states: "the trust file's section for this path can be read",
  },
  "evidence.readable": {
    code: "EVIDENCE_MALFORMED",
    spec: "SPEC 3.1",
    states: "the session holds a well-formed worker evidence package",
  },
  "evidence.supported": {
    code: "EVIDENCE_UNSUPPORTED",
    spec: "SPEC 3.3",
    states: "the evidence is of a kind that this verifier can appraise",
  },
  "evidence.type-accepted": { code: "TRUST_SIMULATED", spec: "SPEC 3.1", states: "the trust file names this kind of evidence" },
  "evidence.platform-trusted": {
    code: "EVIDENCE_CHAIN_UNTRUSTED",
    spec: "SPEC 3.3",
    states: "the platform that signed the evidence is one that the trust file names",
  },
  "evidence.platform-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 3.1", states: "the platform key is not revoked" },
  "evidence.signature": {
    code: "EVIDENCE_SIGNATURE_INVALID",
    spec: "SPEC 3.3",
    states: "the platform's signature over the evidence verifies",
  },
  "evidence.report-data": {
    code: "EVIDENCE_REPORT_DATA_MISMATCH",
    spec: "SPEC 3.1",
    states: "the report data is that of the worker's statement",
  },
  "evidence.keyset-bound": { code: "EVIDENCE_KEY_BINDING_INVALID", spec: "SPEC 3.1", states: "the statement names this keyset" },
  "evidence.files-bound": {
    code: "EVIDENCE_MEASUREMENT_MISMATCH",
    spec: "SPEC 3.1",
    states: "the statement and the measurement name these worker files",
  },
  "evidence.worker-accepted": {
    code: "TRUST_UNKNOWN_WORKER",
    spec: "SPEC 3.1",
    states: "the trust file names this worker build",
  },
  "evidence.worker-not-revoked": { code: "MEASUREMENT_REVOKED", spec: "SPEC 3.1", states: "the worker build is not revoked" },
  "evidence.keyset-current": { code: "KEYSET_EXPIRED", spec: "SPEC 3.1", states: "the worker's keyset had not expired" },
  "evidence.model-accepted": { code: "TRUST_UNKNOWN_MODEL", spec: "SPEC 3.1", states: "the trust file names the model that ran" },
  "evidence.model-not-revoked": { code: "MEASUREMENT_REVOKED", spec: "SPEC 3.1", states: "the model is not revoked" },
  "leg.readable": { code: "LEG_MALFORMED", spec: "SPEC 3.1", states: "the leg is well-formed" },
  "leg.key-attested": {
    code: "LEG_KEY_NOT_ATTESTED",
    spec: "SPEC 3.1",
    states: "the leg key is in the keyset of the cited session",
  },
  "leg.key-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 3.1", states: "the leg key is not revoked" },
  "leg.signature": { code: "LEG_SIGNATURE_INVALID", spec: "SPEC 3.1", states: "the worker's signature over the leg verifies" },
  "leg.model-attested": {
    code: "LEG_MODEL_NOT_ATTESTED",
    spec: "SPEC 3.1",
    states: "the model digest is among those that the cited session attests",
  },
  "leg.outputs-form": {
    code: "LEG_MALFORMED",
    spec: "SPEC 3.1",
    states: "the leg states outputs or a commitment to them, and of an integer model its input commitment",
  },
  "evidence.session-faithful": {
    code: "SESSION_CLAIMS_UNFOUNDED",
    spec: "ACI 8.2",
    states: "the session says about the worker what its evidence shows, and no more",
  },
} as const satisfies CheckTable;
