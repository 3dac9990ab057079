import { digestOf } from "../../src/core/digest.ts";
import { decide, parsePolicy } from "../../src/policy/index.ts";
import { type Attack, editEvent, forger, strangeKey } from "../fixtures/attack.ts";
import { requestBody } from "../fixtures/bundle.ts";
import { at, createTestWorker, POLICY_TEXT } from "../fixtures/world.ts";

import { backendFact, forbidSimulated, other, withFact, withoutBlob, withoutFact } from "./attack-part.ts";

/** Facts and decisions: policy is told what is not so, or is not asked. */
export const falseDecisions: readonly Attack[] = [
  {
    name: "decided on a lower value than the caller stated",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    changes: { facts: withFact("request.value_usd", 5) },
  },
  {
    name: "decided without the classification that the caller stated",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    changes: { body: requestBody({ parameters: { classification: "secret" } }), facts: withoutFact("request.classification") },
  },
  {
    name: "decided on a fact that the caller did not state",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    changes: { facts: (facts) => [...facts, { name: "request.kind", origin: "caller", value: "inference" }] },
  },
  {
    name: "with a decision that policy does not give",
    check: "decision.replayed",
    code: "DECISION_NOT_REPRODUCED",
    changes: {
      body: requestBody({ parameters: { classification: "secret" } }),
      decision: (denied) => {
        const facts = denied.facts.filter((fact) => fact.name !== "request.classification");
        const { at: decidedAt, nonce, candidates } = denied;
        const allowed = decide(parsePolicy(POLICY_TEXT), { at: decidedAt, nonce, facts, candidates });
        return { ...allowed, facts: denied.facts };
      },
    },
  },
  {
    name: "whose decision has weaker obligations than the rule",
    check: "decision.replayed",
    code: "DECISION_NOT_REPRODUCED",
    changes: {
      decision: (made) => ({
        ...made,
        obligations: made.obligations === null ? null : { ...made.obligations, maxEvidenceAgeSeconds: null },
      }),
    },
  },
  {
    name: "whose chosen backend is not eligible",
    check: "decision.replayed",
    code: "DECISION_NOT_REPRODUCED",
    changes: {
      decision: (made) => ({ ...made, chosen: [{ path: "tee", backendId: "tee:worker-2" }] }),
    },
  },
  {
    name: "with a decision under another policy than the signed one",
    check: "decision.cited",
    code: "DECISION_MISMATCH",
    changes: {
      decision: (made) => ({ ...made, policyDigest: other }),
      events: editEvent("policy.decided", { policy_digest: digestOf(POLICY_TEXT) }),
    },
  },
  {
    name: "whose event names another rule than the decision",
    check: "decision.cited",
    code: "DECISION_MISMATCH",
    changes: { events: editEvent("policy.decided", { rule_ids: ["attested"] }) },
  },
  {
    name: "whose receipt names another model than the decision",
    check: "decision.model",
    code: "DECISION_MODEL_MISMATCH",
    changes: { receipt: (receipt) => ({ ...receipt, model: "another" }) },
  },
  {
    name: "whose upstream event names another model than the decision",
    check: "decision.model",
    code: "DECISION_MODEL_MISMATCH",
    changes: { events: editEvent("upstream.verified", { model_id: "another" }) },
  },
  {
    name: "whose denial is reported under another code",
    check: "decision.cited",
    code: "DECISION_MISMATCH",
    changes: { kind: "denied", events: editEvent("request.refused", { code: "PATH_UNAVAILABLE" }) },
  },
  {
    name: "whose denial is reported under another rule",
    check: "decision.cited",
    code: "DECISION_MISMATCH",
    changes: { kind: "denied", events: editEvent("request.refused", { rule_id: "unknown-classification" }) },
  },
];

/** What the gateway says of the worker that it chose. */
export const falseBackends: readonly Attack[] = [
  {
    name: "whose backend is said to be younger than its session",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: { candidates: backendFact("evidence_age_seconds", 1) },
  },
  {
    name: "whose simulated backend is said not to be simulated",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: { candidates: backendFact("simulated", false) },
  },
  {
    name: "whose simulated backend does not say that it is simulated",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: { policyText: forbidSimulated, candidates: backendFact("simulated", null) },
  },
  {
    name: "whose backend hides its session from policy",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: { candidates: backendFact("session_id", null) },
  },
  {
    name: "whose simulated backend is said to show hardware evidence",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: (_scene) => ({
      candidates: (candidates) => backendFact("simulated", false)(backendFact("evidence_type", "sev-snp")(candidates)),
    }),
  },
  {
    name: "whose backend states a firmware status that its evidence does not show",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: {
      candidates: (candidates) =>
        candidates.map((candidate) => ({
          ...candidate,
          facts: [...candidate.facts, { name: "backend.tcb", origin: "evidence", value: "up-to-date" }],
        })),
    },
  },
  {
    name: "decided for the session of another worker",
    check: "decision.backend",
    code: "DECISION_BACKEND_MISMATCH",
    changes: { candidates: backendFact("session_id", "c".repeat(64)) },
  },
  {
    name: "whose session is another worker's than the leg's",
    check: "leg.signature",
    code: "LEG_SIGNATURE_INVALID",
    changes: async ({ world }) => {
      const second = await createTestWorker("second", 70, world.platform, world.worker.modelDigests);
      return { worker: second, legSigner: world.worker.leg };
    },
    trust: (entry) => void Object.assign(entry.paths.tee, { workers: { accept: "any", because: "a test" } }),
  },
];

/** Policies that are not, or no longer, in force. */
export const oldPolicies: readonly Attack[] = [
  {
    name: "under an older signed policy",
    check: "policy.not-rolled-back",
    code: "POLICY_ROLLED_BACK",
    changes: { statement: (body) => ({ ...body, sequence: 2 }) },
  },
  {
    name: "under a policy that has expired",
    check: "policy.in-force",
    code: "POLICY_NOT_IN_FORCE",
    changes: { statement: (body) => ({ ...body, notAfter: at(50) }) },
  },
  {
    name: "under a policy that expired before a witness saw the receipt",
    check: "policy.in-force",
    code: "POLICY_NOT_IN_FORCE",
    changes: { statement: (body) => ({ ...body, notAfter: at(102) }) },
  },
  {
    name: "under a policy that is not yet in force",
    check: "policy.in-force",
    code: "POLICY_NOT_IN_FORCE",
    changes: { statement: (body) => ({ ...body, notBefore: at(500) }) },
  },
  {
    name: "decided before its policy came into force",
    check: "policy.in-force",
    code: "POLICY_NOT_IN_FORCE",
    changes: { statement: (body) => ({ ...body, notBefore: at(101) }) },
  },
  {
    name: "under a policy that an unknown key signed",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    changes: { policySigner: strangeKey },
  },
  {
    name: "under a policy signed in another's name",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    changes: ({ world }) => ({ policySigner: forger(world.policySigner) }),
  },
  {
    name: "under a policy signed with the gateway's own key",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    changes: ({ world }) => ({ policySigner: world.gateway }),
  },
  {
    name: "whose statement is for another policy text",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    changes: { statement: (body) => ({ ...body, policyDigest: other }) },
  },
  {
    name: "whose policy text is missing",
    check: "policy.readable",
    code: "POLICY_MISSING",
    changes: { parts: withoutBlob((text) => text.includes("apiVersion: triseal.dev/v1")) },
  },
  {
    name: "whose decision is missing",
    check: "policy.readable",
    code: "POLICY_MISSING",
    changes: { parts: withoutBlob((text) => text.includes('"rejectedFacts"')) },
  },
];
