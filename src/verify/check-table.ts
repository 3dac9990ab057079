import type { CheckTable } from "../core/check.ts";

/**
 * The verifier's own checks, in the order in which a failure is reported; each path adds those of its appraiser.
 * The same table stands in `src/receipt/SPEC.md`.
 */
export const verifyChecks = {
  "bundle.well-formed": { code: "BUNDLE_MALFORMED", spec: "SPEC 2", states: "the bundle is well-formed" },
  "trust.log-known": { code: "TRUST_UNKNOWN_LOG", spec: "SPEC 5.1", states: "the trust file names the log" },
  "trust.gateway-known": {
    code: "TRUST_UNKNOWN_GATEWAY",
    spec: "SPEC 5.1",
    states: "the trust file names the gateway's receipt key",
  },
  "trust.one-service": {
    code: "TRUST_SERVICE_MISMATCH",
    spec: "SPEC 5.1",
    states: "gateway key and log belong to exactly one trusted service",
  },
  "trust.tee-type": {
    code: "TRUST_TEE_TYPE",
    spec: "SPEC 5.1",
    states: "the trust file accepts how the gateway itself is attested",
  },
  "trust.mode": { code: "TRUST_DEV_MODE", spec: "SPEC 5.1", states: "the gateway's mode of operation is accepted" },
  "keyset.digest": { code: "KEYSET_MISMATCH", spec: "ACI 3.1", states: "the keyset is the one that the receipt names" },
  "keyset.current": { code: "KEYSET_EXPIRED", spec: "ACI 3.1", states: "the keyset had not expired" },
  "receipt.signature": {
    code: "RECEIPT_SIGNATURE_INVALID",
    spec: "ACI 7.2",
    states: "the gateway's signature over the receipt verifies",
  },
  "receipt.key-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "the receipt key is not revoked" },
  "receipt.events": { code: "RECEIPT_EVENTS_INVALID", spec: "SPEC 3", states: "the receipt's events tell one consistent story" },
  "report.bound": {
    code: "REPORT_MISMATCH",
    spec: "ACI 4.1",
    states: "the attestation report is the cited one and binds the keyset",
  },
  "log.receipt": { code: "LOG_INCLUSION_INVALID", spec: "SPEC 4", states: "the receipt is in the log" },
  "log.session": { code: "LOG_INCLUSION_INVALID", spec: "SPEC 4", states: "the session is in the log" },
  "log.policy": { code: "LOG_INCLUSION_INVALID", spec: "SPEC 4", states: "the policy statement is in the log" },
  "log.supplement": { code: "LOG_INCLUSION_INVALID", spec: "SPEC 4", states: "each supplement is in the log" },
  "log.order": {
    code: "LOG_ORDER_INVALID",
    spec: "SPEC 4",
    states: "session and policy statement were in the log before the receipt, and that before its supplements",
  },
  "log.checkpoint": {
    code: "LOG_CHECKPOINT_INVALID",
    spec: "SPEC 4",
    states: "the log's signature over each checkpoint verifies",
  },
  "log.key-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "the log key is not revoked" },
  "log.signatures-known": {
    code: "LOG_SIGNATURE_FOREIGN",
    spec: "SPEC 4",
    states: "checkpoints carry signatures of the log and of trusted witnesses only",
  },
  "log.quorum": { code: "LOG_QUORUM_MISSING", spec: "SPEC 4", states: "enough trusted witnesses cosigned each checkpoint" },
  "log.time": { code: "LOG_TIME_INVALID", spec: "SPEC 4", states: "the times are in order: decided, served, witnessed, now" },
  "policy.readable": { code: "POLICY_MISSING", spec: "SPEC 5.2", states: "policy, statement and decision are in the bundle" },
  "policy.signed": { code: "POLICY_UNSIGNED", spec: "SPEC 5.2", states: "a policy signer of the trust file signed this policy" },
  "policy.signer-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "the policy signer's key is not revoked" },
  "policy.in-force": { code: "POLICY_NOT_IN_FORCE", spec: "SPEC 5.2", states: "the policy was in force" },
  "policy.not-rolled-back": {
    code: "POLICY_ROLLED_BACK",
    spec: "SPEC 5.2",
    states: "the policy is not older than the trust file allows",
  },
  "decision.cited": { code: "DECISION_MISMATCH", spec: "SPEC 5.2", states: "the receipt's event repeats the decision" },
  "decision.replayed": {
    code: "DECISION_NOT_REPRODUCED",
    spec: "SPEC 5.2",
    states: "the policy, replayed on the stated facts, gives this decision",
  },
  "decision.model": {
    code: "DECISION_MODEL_MISMATCH",
    spec: "SPEC 5.2",
    states: "the decision is about the model of the receipt",
  },
  "decision.obligations": {
    code: "DECISION_OBLIGATION_UNMET",
    spec: "SPEC 5.2",
    states: "every path that the policy requires left a leg, and no other",
  },
  "decision.sealing": {
    code: "DECISION_SEALING_MISMATCH",
    spec: "SPEC 5.2",
    states: "decision and receipt agree on who sealed, as the caller wished",
  },
  "decision.submission": {
    code: "DECISION_SUBMISSION_MISMATCH",
    spec: "SPEC 5.2",
    states: "the decision says what the caller made itself, as the legs show it",
  },
  "decision.backend": {
    code: "DECISION_BACKEND_MISMATCH",
    spec: "SPEC 5.2",
    states: "the chosen backend's facts are those that its evidence shows",
  },
  "statement.cited": {
    code: "STATEMENT_MISMATCH",
    spec: "SPEC 3.10",
    states: "the statement that the caller cites is in the bundle, and states something",
  },
  "statement.tenant": {
    code: "STATEMENT_TENANT_MISMATCH",
    spec: "SPEC 3.10",
    states: "a statement counts for the tenant that it is about",
  },
  "decision.statement": {
    code: "DECISION_STATEMENT_MISMATCH",
    spec: "SPEC 5.2",
    states: "policy was told of statements exactly what the cited one shows",
  },
  "session.cited": { code: "SESSION_MISMATCH", spec: "ACI 8", states: "the cited session is in the bundle under its own digest" },
  "session.window": {
    code: "SESSION_NOT_CURRENT",
    spec: "ACI 9.3",
    states: "the request was served within the session's period",
  },
  "session.age": {
    code: "EVIDENCE_TOO_OLD",
    spec: "SPEC 5.2",
    states: "the evidence was no older than policy allows when the receipt was witnessed",
  },
  "supplement.events": {
    code: "SUPPLEMENT_INVALID",
    spec: "SPEC 3.7",
    states: "each supplement has the events of one, and its legs are final",
  },
  "supplement.signature": {
    code: "SUPPLEMENT_SIGNATURE_INVALID",
    spec: "SPEC 3.7",
    states: "the key that signed the receipt signed each supplement",
  },
  "supplement.parent": {
    code: "SUPPLEMENT_PARENT_MISMATCH",
    spec: "SPEC 3.7",
    states: "each supplement continues this receipt",
  },
  "supplement.legs": {
    code: "SUPPLEMENT_LEG_UNEXPECTED",
    spec: "SPEC 3.7",
    states: "the receipt awaits each leg that a supplement brings",
  },
  "leg.known-path": { code: "LEG_UNSUPPORTED", spec: "SPEC 5.3", states: "this verifier can appraise every leg" },
  "leg.final": { code: "LEG_PENDING", spec: "SPEC 5.3", states: "every leg is complete" },
  "leg.not-overdue": { code: "LEG_OVERDUE", spec: "SPEC 5.3", states: "no pending leg is past its deadline" },
  "leg.cited": { code: "LEG_MISMATCH", spec: "SPEC 5.3", states: "leg and evidence are the ones that the receipt names" },
  "binding.decision": { code: "BINDING_DECISION_MISMATCH", spec: "SPEC 5.3", states: "the leg was computed under this decision" },
  "binding.nonce": { code: "BINDING_NONCE_MISMATCH", spec: "SPEC 5.3", states: "leg and decision name one nonce" },
  "binding.model": { code: "BINDING_MODEL_MISMATCH", spec: "SPEC 5.3", states: "the leg ran the model that was decided on" },
  "binding.facts": {
    code: "BINDING_FACTS_MISMATCH",
    spec: "SPEC 5.3",
    states: "policy decided on the facts that the caller sent",
  },
  "binding.facts-in-request": {
    code: "BINDING_FACTS_MISMATCH",
    spec: "SPEC 5.4",
    states: "policy decided on the facts inside the shown request",
    optional: true,
  },
  "binding.request-received": {
    code: "BINDING_REQUEST_MISMATCH",
    spec: "SPEC 5.3",
    states: "the leg answers the request that was received",
  },
  "binding.request-forwarded": {
    code: "BINDING_FORWARDED_MISMATCH",
    spec: "SPEC 5.3",
    states: "the leg answers the bytes that were forwarded",
  },
  "binding.response-returned": {
    code: "BINDING_RESPONSE_MISMATCH",
    spec: "SPEC 5.3",
    states: "the caller got the response that the leg produced",
  },
  "binding.legs-agree": { code: "BINDING_LEGS_DISAGREE", spec: "SPEC 5.3", states: "all legs are about one exchange" },
  "binding.inputs-agree": {
    code: "LEG_INPUT_MISMATCH",
    spec: "SPEC 5.3",
    states: "all legs commit to one input",
  },
  "binding.outputs-agree": {
    code: "LEG_OUTPUT_MISMATCH",
    spec: "SPEC 5.3",
    states: "all legs state the same outputs",
  },
  "exchange.request": {
    code: "EXCHANGE_REQUEST_MISMATCH",
    spec: "SPEC 5.4",
    states: "the shown request is the receipt's",
    optional: true,
  },
  "exchange.response": {
    code: "EXCHANGE_RESPONSE_MISMATCH",
    spec: "SPEC 5.4",
    states: "the shown response is the receipt's",
    optional: true,
  },
  "exchange.input-opens": {
    code: "ZK_INPUT_OPENS",
    spec: "SPEC 5.4",
    states: "the legs commit to the shown request, as the model encodes it",
    optional: true,
  },
  "exchange.outputs-match": {
    code: "ZK_OUTPUT_MATCHES",
    spec: "SPEC 5.4",
    states: "the legs state the outputs of the shown response",
    optional: true,
  },
  "bundle.all-used": { code: "BUNDLE_UNUSED_PART", spec: "SPEC 2", states: "nothing in the bundle is unused" },
  "bundle.verifiable": { code: "VERIFIER_FAILED", spec: "SPEC 5", states: "the verifier could finish" },
} as const satisfies CheckTable;
