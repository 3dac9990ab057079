/** What a gateway can try that holds its receipt key and its log key, but no worker's, witness's, platform's or policy key. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf, sha256Bytes } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { encodeTlogProof, parseNote, parseTlogProof, signCheckpoint, signCosignature } from "../../src/log/index.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { decide, type Fact, parsePolicy } from "../../src/policy/index.ts";
import { type Attack, dropEvent, editEvent, forger, moveLast, type Scene, strangeKey } from "../fixtures/attack.ts";
import { type BundleParts, buildBundle, type Changes, requestBody } from "../fixtures/bundle.ts";
import { at, createTestWorker, modelDigestOf, NOW, POLICY_TEXT, START } from "../fixtures/world.ts";

const other = digestOf(utf8("something else"));
const otherBody = requestBody({ id: "another-request-0123456789", inputs: [] });

/** The shipped policy with `search` replaced. */
function policyWith(search: string, replacement: string): Uint8Array {
  const text = new TextDecoder().decode(POLICY_TEXT);
  if (!text.includes(search)) throw new Error(`the policy has no ${search}`);
  return utf8(text.replaceAll(search, replacement));
}

/** A policy whose tee answer may follow within 15 minutes. */
const asyncPolicy = policyWith(
  "    require:\n      all: [tee]\n",
  "    mode: { tee: async, deadline: 15m }\n    require:\n      all: [tee]\n",
);

/** A policy that looks at the evidence without asking for it. */
const forbidSimulated = utf8(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
forbid:
  - { id: no-simulation, when: has(backend.simulated) && backend.simulated }
rules:
  - { id: any, when: "true", require: { all: [tee], evidence: { accept: [simulated] } } }
`);

function withoutFact(name: string): NonNullable<Changes["facts"]> {
  return (facts) => facts.filter((fact) => fact.name !== name);
}

function withFact(name: string, value: Fact["value"]): NonNullable<Changes["facts"]> {
  return (facts) => facts.map((fact) => (fact.name === name ? { ...fact, value } : fact));
}

/** Changes a fact of the chosen backend, or drops it where `value` is null. */
function backendFact(name: string, value: Fact["value"] | null): NonNullable<Changes["candidates"]> {
  return (candidates) =>
    candidates.map((candidate) => ({
      ...candidate,
      facts: candidate.facts.flatMap((fact) => {
        if (fact.name !== `backend.${name}`) return [fact];
        return value === null ? [] : [{ ...fact, value }];
      }),
    }));
}

function withoutBlob(match: (text: string) => boolean): NonNullable<Changes["parts"]> {
  return (parts) => ({ ...parts, blobs: parts.blobs.filter((blob) => !match(new TextDecoder().decode(blob))) });
}

function withoutLog(which: (parts: BundleParts) => string): NonNullable<Changes["parts"]> {
  return (parts) => ({ ...parts, log: new Map([...parts.log].filter(([name]) => name !== which(parts))) });
}

function sessionDigest(parts: BundleParts): string {
  return `sha256:${[...parts.sessions.keys()][0] ?? ""}`;
}

function eventMember(parts: BundleParts, type: string, member: string): string {
  const events = parts.receipt["event_log"] as readonly JsonObject[];
  const value = events.find((event) => event["type"] === type)?.[member];
  return typeof value === "string" ? value : "";
}

/** The proof of the receipt, with its salt or its text changed. */
function editReceiptProof(
  edit: (proof: { salt: string; proof: string }) => { salt: string; proof: string },
): NonNullable<Changes["parts"]> {
  return (parts) => {
    const shared = new Set([sessionDigest(parts), eventMember(parts, "policy.decided", "statement_digest")]);
    return { ...parts, log: new Map([...parts.log].map(([name, proof]) => [name, shared.has(name) ? proof : edit(proof)])) };
  };
}

function onEvents(name: string, events: NonNullable<Changes["events"]>, more: Partial<Attack> = {}): Attack {
  return { name, check: "receipt.events", code: "RECEIPT_EVENTS_INVALID", changes: { events }, ...more };
}

/** Legs and bindings: the leg is a real worker's, about something else. */
export const splicedLegs: readonly Attack[] = [
  {
    name: "with another request's leg",
    check: "binding.decision",
    code: "BINDING_DECISION_MISMATCH",
    changes: async ({ world }) => {
      const { legBytes } = await buildBundle(world, { body: otherBody, nonce: "f".repeat(32) });
      return { legBytes: (own) => legBytes ?? own };
    },
  },
  {
    name: "with the leg of another request that was decided under the same decision",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { workerBody: otherBody },
  },
  {
    name: "whose caller-sealed leg is another envelope's",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { kind: "caller-sealed", leg: (leg) => ({ ...leg, wire: { ...leg.wire, requestDigest: other } }) },
  },
  {
    name: "that forwarded other bytes than the worker opened",
    check: "binding.request-forwarded",
    code: "BINDING_FORWARDED_MISMATCH",
    changes: { events: editEvent("request.forwarded", { body_hash: other }) },
  },
  {
    name: "that returned another response",
    check: "binding.response-returned",
    code: "BINDING_RESPONSE_MISMATCH",
    changes: { events: editEvent("response.returned", { body_hash: other }) },
  },
  {
    name: "that returned another sealed response",
    check: "binding.response-returned",
    code: "BINDING_RESPONSE_MISMATCH",
    changes: { kind: "caller-sealed", events: editEvent("response.returned", { body_hash: other }) },
  },
  {
    name: "whose leg has the wire digests swapped",
    check: "binding.request-forwarded",
    code: "BINDING_FORWARDED_MISMATCH",
    changes: {
      leg: (leg) => ({
        ...leg,
        wire: { requestDigest: leg.wire.responseDigest, responseDigest: leg.wire.requestDigest },
      }),
    },
  },
  {
    name: "that calls a gateway-sealed request caller-sealed in the leg event",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { events: editEvent("leg.sealed", { sealed_by: "caller" }) },
  },
  {
    name: "that calls a gateway-sealed request caller-sealed everywhere",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { facts: withFact("request.sealed", "caller"), events: editEvent("leg.sealed", { sealed_by: "caller" }) },
  },
  {
    name: "that calls a caller-sealed request gateway-sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { kind: "caller-sealed", events: editEvent("leg.sealed", { sealed_by: "gateway" }) },
  },
  {
    name: "that tells policy that the caller sealed what the gateway sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { facts: withFact("request.sealed", "caller") },
  },
  {
    name: "that answers a clear request whose caller asked to be refused unless it sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { body: requestBody({ parameters: { seal: "caller" } }) },
  },
  {
    name: "whose leg has the nonce of another decision",
    check: "binding.nonce",
    code: "BINDING_NONCE_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, nonce: "a".repeat(32) } }) },
  },
  {
    name: "whose leg is about another model of the same worker",
    check: "binding.model",
    code: "BINDING_MODEL_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, modelDigest: modelDigestOf("other of alpha") } }) },
    trust: (entry) => void entry.paths.tee.models.push({ name: "other", digest: modelDigestOf("other of alpha") }),
  },
  {
    name: "whose leg was signed under another decision",
    check: "binding.decision",
    code: "BINDING_DECISION_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, decisionDigest: other } }) },
  },
];

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

/** Sessions, evidence and legs that a gateway made up or changed. */
export const falseEvidence: readonly Attack[] = [
  {
    name: "whose leg names a key that the session does not attest",
    check: "leg.key-attested",
    code: "LEG_KEY_NOT_ATTESTED",
    changes: { legSigner: strangeKey },
  },
  {
    name: "whose leg is signed in the worker's name",
    check: "leg.signature",
    code: "LEG_SIGNATURE_INVALID",
    changes: ({ world }) => ({ legSigner: forger(world.worker.leg) }),
  },
  {
    name: "whose leg is for a model that the session does not attest",
    check: "leg.model-attested",
    code: "LEG_MODEL_NOT_ATTESTED",
    changes: { evidence: { statement: (plain) => ({ ...plain, modelDigests: [other] }) } },
  },
  {
    name: "whose leg states outputs and a commitment to them",
    check: "leg.outputs-form",
    code: "LEG_MALFORMED",
    changes: { leg: (leg) => ({ ...leg, outputCommitment: "1" }) },
  },
  { name: "whose leg cannot be read", check: "leg.readable", code: "LEG_MALFORMED", changes: { legBytes: () => utf8("{}") } },
  {
    name: "whose leg is missing",
    check: "leg.cited",
    code: "LEG_MISMATCH",
    changes: { parts: withoutBlob((text) => text.includes('"factsDigest"')) },
  },
  {
    name: "whose leg event cites other evidence than the session's",
    check: "leg.cited",
    code: "LEG_MISMATCH",
    changes: { events: editEvent("leg.sealed", { evidence_digest: other }) },
  },
  {
    name: "whose leg is of a kind that no verifier knows",
    check: "leg.known-path",
    code: "LEG_UNSUPPORTED",
    outcome: "unsupported",
    changes: { events: editEvent("leg.sealed", { leg_media_type: "application/x-other" }) },
  },
  {
    name: "whose evidence cannot be read",
    check: "evidence.readable",
    code: "EVIDENCE_MALFORMED",
    changes: { evidenceBytes: utf8("{}") },
  },
  {
    name: "whose evidence is of a kind that no verifier knows",
    check: "evidence.supported",
    code: "EVIDENCE_UNSUPPORTED",
    outcome: "unsupported",
    changes: (_scene) => ({
      evidence: { type: "sev-snp" },
      candidates: (candidates) => backendFact("simulated", false)(backendFact("evidence_type", "sev-snp")(candidates)),
    }),
  },
  {
    name: "whose evidence the gateway signed itself",
    check: "evidence.platform-trusted",
    code: "EVIDENCE_CHAIN_UNTRUSTED",
    changes: ({ world }) => ({ evidence: { platform: world.gateway } }),
  },
  {
    name: "whose evidence is signed in the platform's name",
    check: "evidence.signature",
    code: "EVIDENCE_SIGNATURE_INVALID",
    changes: ({ world }) => ({ evidence: { platform: forger(world.platform) } }),
  },
  {
    name: "whose evidence was made for another statement",
    check: "evidence.report-data",
    code: "EVIDENCE_REPORT_DATA_MISMATCH",
    changes: { evidence: { reportData: new Uint8Array(64) } },
  },
  {
    name: "whose evidence carries the gateway's keyset",
    check: "evidence.keyset-bound",
    code: "EVIDENCE_KEY_BINDING_INVALID",
    changes: ({ world }) => ({
      evidence: {
        keyset: { ...world.worker.keyset, legKeys: [{ keyId: "leg-1", algo: "ed25519", publicKey: world.gateway.publicKey }] },
      },
      legSigner: { ...world.gateway, keyId: "leg-1" },
    }),
  },
  {
    name: "whose evidence lists other worker files",
    check: "evidence.files-bound",
    code: "EVIDENCE_MEASUREMENT_MISMATCH",
    changes: { evidence: { files: [{ path: "worker/main.js", digest: other }] } },
  },
  {
    name: "whose platform measured another worker",
    check: "evidence.files-bound",
    code: "EVIDENCE_MEASUREMENT_MISMATCH",
    changes: { evidence: { measurement: other } },
  },
  {
    name: "whose worker keyset had expired when its session was logged",
    check: "evidence.keyset-current",
    code: "KEYSET_EXPIRED",
    changes: async ({ world }) => expired(world, START + 1),
  },
  {
    name: "whose worker keyset expired between session and answer",
    check: "evidence.keyset-current",
    code: "KEYSET_EXPIRED",
    changes: async ({ world }) => expired(world, START + 50),
  },
  {
    name: "whose session is missing",
    check: "session.cited",
    code: "SESSION_MISMATCH",
    changes: { parts: (parts) => ({ ...parts, sessions: new Map() }) },
  },
  {
    name: "whose session stands under another id",
    check: "session.cited",
    code: "SESSION_MISMATCH",
    changes: {
      parts: (parts) => ({
        ...parts,
        sessions: new Map([...parts.sessions].map(([id, document]) => [id, { ...document, verifier_id: "x" }])),
      }),
    },
  },
  {
    name: "that was served after its session ended",
    check: "session.window",
    code: "SESSION_NOT_CURRENT",
    changes: { session: (document) => ({ ...document, expires_at: at(100) }) },
  },
  {
    name: "whose session begins after a witness saw it",
    check: "log.time",
    code: "LOG_TIME_INVALID",
    changes: { session: (document) => ({ ...document, established_at: at(90) }) },
  },
];

async function expired(world: Scene["world"], notAfter: number): Promise<Changes> {
  const worker = await createTestWorker("alpha", 15, world.platform, world.worker.modelDigests, notAfter);
  return { worker };
}

/** Keyset, report and signature of the gateway itself. */
export const falseGateways: readonly Attack[] = [
  {
    name: "with another keyset than the receipt names",
    check: "keyset.digest",
    code: "KEYSET_MISMATCH",
    changes: { keyset: (keyset) => ({ ...keyset, subject: "someone" }) },
  },
  { name: "under an expired keyset", check: "keyset.current", code: "KEYSET_EXPIRED", changes: { keysetNotAfter: at(50) } },
  {
    name: "signed in the gateway's name",
    check: "receipt.signature",
    code: "RECEIPT_SIGNATURE_INVALID",
    changes: ({ world }) => ({ receiptSigner: forger(world.gateway) }),
  },
  {
    name: "whose report binds another keyset",
    check: "report.bound",
    code: "REPORT_MISMATCH",
    changes: { report: (report) => ({ ...report, workload_keyset_digest: other }) },
  },
  {
    name: "whose report is missing",
    check: "report.bound",
    code: "REPORT_MISMATCH",
    changes: { parts: withoutBlob((text) => text.includes('"service_capabilities"')) },
  },
  {
    name: "whose gateway claims a TEE that no one appraised",
    check: "trust.tee-type",
    code: "TRUST_TEE_TYPE",
    changes: {
      report: (report) => ({ ...report, attestation: { ...(report["attestation"] as JsonObject), tee_type: "tdx" } }),
    },
    trust: (entry) => void entry.gateway.teeTypes.push({ accept: "tdx", because: "a test" }),
  },
];

/** The log: what is not in it, and who did not sign it. */
export const falseLogs: readonly Attack[] = [
  {
    name: "whose receipt is not in the log",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: (parts) => withoutLog((own) => [...own.log.keys()].at(-1) ?? "")(parts) },
  },
  {
    name: "whose receipt's salt is another",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: editReceiptProof((proof) => ({ ...proof, salt: "00".repeat(32) })) },
  },
  {
    name: "whose session is not in the log",
    check: "log.session",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: withoutLog(sessionDigest) },
  },
  {
    name: "whose policy statement is not in the log",
    check: "log.policy",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: withoutLog((parts) => eventMember(parts, "policy.decided", "statement_digest")) },
  },
  {
    name: "whose proof is against the checkpoint of another tree",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: ({ world }) => ({ parts: editReceiptProof((proof) => ({ ...proof, proof: inOtherTree(world, proof.proof) })) }),
  },
  {
    name: "whose checkpoint another key signed",
    check: "log.checkpoint",
    code: "LOG_CHECKPOINT_INVALID",
    changes: ({ world }) => ({ checkpoint: { receipt: { log: forger(world.logSigner) } } }),
  },
  {
    name: "whose checkpoint a stranger cosigned too",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    changes: ({ world }) => ({
      checkpoint: { receipt: { witnesses: [world.witness, { name: "witness.strange.test", signer: strangeKey }] } },
    }),
  },
  {
    name: "whose witness cosigned the checkpoint twice",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    changes: ({ world }) => ({
      checkpoint: {
        receipt: {
          note: (note) => ({
            ...note,
            signatures: [...note.signatures, signCosignature(note.text, world.witness.name, at(103), world.witness.signer)],
          }),
        },
      },
    }),
  },
  {
    name: "whose session checkpoint no witness cosigned",
    check: "log.quorum",
    code: "LOG_QUORUM_MISSING",
    changes: { checkpoint: { session: { witnesses: [] } } },
  },
  {
    name: "whose witness saw it in the future",
    check: "log.time",
    code: "LOG_TIME_INVALID",
    changes: { checkpoint: { receipt: { time: unixSeconds(NOW + 3600) } } },
  },
  {
    name: "whose session a witness saw in the future",
    check: "log.time",
    code: "LOG_TIME_INVALID",
    changes: { checkpoint: { session: { time: unixSeconds(NOW + 3600) } } },
  },
  { name: "that was served after a witness saw it", check: "log.time", code: "LOG_TIME_INVALID", changes: { servedAt: at(400) } },
  { name: "that was served before it was decided", check: "log.time", code: "LOG_TIME_INVALID", changes: { servedAt: at(99) } },
];

/** The proof with a checkpoint of the same size over another tree, signed by log and witness. */
function inOtherTree({ log, logSigner, witness }: Scene["world"], proof: string): string {
  const { index, hashes, checkpoint } = parseTlogProof(proof);
  const signed = parseNote(signCheckpoint({ ...checkpoint, root: sha256Bytes(utf8(log.origin)) }, logSigner));
  const cosignature = signCosignature(signed.text, witness.name, at(102), witness.signer);
  return encodeTlogProof(index, hashes, { ...signed, signatures: [...signed.signatures, cosignature] });
}

/** Events that tell no consistent story. */
export const falseStories: readonly Attack[] = [
  ...[
    "request.received",
    "service.described",
    "policy.decided",
    "request.forwarded",
    "upstream.verified",
    "response.returned",
  ].map((type) => onEvents(`with ${type} twice`, (events) => [...events, ...events.filter((event) => event["type"] === type)])),
  ...["service.described", "policy.decided", "request.forwarded", "upstream.verified", "response.returned", "leg.sealed"].map(
    (type) => onEvents(`without ${type}`, dropEvent(type)),
  ),
  ...["service.described", "policy.decided", "request.forwarded", "upstream.verified", "leg.sealed"].map((type) =>
    onEvents(`with ${type} behind the response`, moveLast(type)),
  ),
  onEvents("whose upstream was not verified", editEvent("upstream.verified", { result: "failed" })),
  onEvents("whose upstream was not required although policy required it", editEvent("upstream.verified", { required: false })),
  onEvents("that answers and refuses", (events) => [
    ...events.slice(0, -1),
    { type: "request.refused", code: "WORKER_LOST", rule_id: null },
    ...events.slice(-1),
  ]),
  onEvents("that continues another receipt", (events) => [
    ...events,
    { type: "parent", receipt_id: "rcpt-0", receipt_digest: other },
  ]),
  onEvents("that refuses what policy allowed as a denial", editEvent("request.refused", { code: "POLICY_DENIED" }), {
    changes: { kind: "lost-after-forwarding", events: editEvent("request.refused", { code: "POLICY_DENIED" }) },
  }),
  onEvents("that names a rule for a refusal that no rule gave", (events) => events, {
    changes: { kind: "refused-before-policy", events: editEvent("request.refused", { rule_id: "secret-stays-out" }) },
  }),
  onEvents("that denies without a decision", (events) => events, {
    changes: { kind: "refused-before-policy", events: editEvent("request.refused", { code: "POLICY_DENIED" }) },
  }),
  onEvents("that forwarded a request and then denied it", (events) => events, {
    changes: {
      kind: "denied",
      events: (events) => [...events.slice(0, 3), { type: "request.forwarded", body_hash: other }, ...events.slice(3)],
    },
  }),
  onEvents("that forwarded a request before policy decided", (events) => events, {
    changes: {
      kind: "refused-before-policy",
      events: (events) => [...events.slice(0, 2), { type: "request.forwarded", body_hash: other }, ...events.slice(2)],
    },
  }),
  onEvents("that hides the forwarding of a request to a verified upstream", (events) => events, {
    changes: (scene) => ({
      kind: "lost-after-forwarding",
      events: (events) =>
        editEvent("upstream.verified", { result: "verified", session_id: "d".repeat(64) })(
          dropEvent("request.forwarded")(events),
        ),
      tenant: scene.world.name,
    }),
  }),
  onEvents("that cites a verified upstream for a refusal", (events) => events, {
    changes: { kind: "lost-after-forwarding", events: editEvent("upstream.verified", { result: "verified" }) },
  }),
  onEvents("whose refusal says that no upstream was required although policy required one", (events) => events, {
    changes: { kind: "lost-after-forwarding", events: editEvent("upstream.verified", { required: false }) },
  }),
];

const pending = { status: "pending", deadline: START + 1500 };

function withoutLeg(parts: BundleParts): BundleParts {
  return { ...parts, blobs: parts.blobs.filter((blob) => !isLeg(blob)) };
}

function isLeg(blob: Uint8Array): boolean {
  try {
    parseTeeLeg(blob);
    return true;
  } catch {
    return false;
  }
}

/** Legs that are still to come. */
export const pendingLegs: readonly Attack[] = [
  {
    name: "whose leg is pending although policy wants it at once",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: editEvent("leg.sealed", pending), parts: withoutLeg },
    options: { allowPending: true },
  },
  {
    name: "whose leg may be pending, where nobody allowed that",
    check: "leg.final",
    code: "LEG_PENDING",
    changes: { policyText: asyncPolicy, events: editEvent("leg.sealed", { ...pending, deadline: at(900) }), parts: withoutLeg },
    options: { now: at(500) },
  },
  {
    name: "whose pending leg is overdue",
    check: "leg.not-overdue",
    code: "LEG_OVERDUE",
    changes: { policyText: asyncPolicy, events: editEvent("leg.sealed", { ...pending, deadline: at(900) }), parts: withoutLeg },
    options: { allowPending: true, now: at(2000) },
  },
  {
    name: "whose pending leg has a later deadline than policy gives",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: {
      policyText: asyncPolicy,
      events: editEvent("leg.sealed", { ...pending, deadline: at(1_000_000) }),
      parts: withoutLeg,
    },
    options: { allowPending: true },
  },
  {
    name: "with two legs of one path",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: (events) => events.flatMap((event) => (event["type"] === "leg.sealed" ? [event, event] : [event])) },
  },
  {
    name: "with a leg of a path that policy did not choose",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: editEvent("leg.sealed", { path: "zk" }) },
  },
];

/** A pending leg that policy allows, and that the auditor accepts. */
export const allowedPending: Changes = {
  policyText: asyncPolicy,
  events: editEvent("leg.sealed", { ...pending, deadline: at(900) }),
  parts: withoutLeg,
};

/** Parts that nothing cites, and bytes that are not the exchange's. */
export const strayParts: readonly Attack[] = [
  {
    name: "with a blob that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: { parts: (parts) => ({ ...parts, blobs: [...parts.blobs, utf8("stray")] }) },
  },
  {
    name: "with a session that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: { parts: (parts) => ({ ...parts, sessions: new Map([...parts.sessions, ["e".repeat(64), {}]]) }) },
  },
  {
    name: "with a log entry that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: {
      parts: (parts) => ({
        ...parts,
        log: new Map([...parts.log, [other, [...parts.log.values()][0] ?? { salt: "", proof: "" }]]),
      }),
    },
  },
  {
    name: "for which another request is shown",
    check: "exchange.request",
    code: "EXCHANGE_REQUEST_MISMATCH",
    options: { request: utf8("another") },
  },
  {
    name: "for which another response is shown",
    check: "exchange.response",
    code: "EXCHANGE_RESPONSE_MISMATCH",
    options: (_scene, built) => ({ request: built.request.wire, response: utf8("another") }),
  },
  {
    name: "for which the response is shown as the request",
    check: "exchange.request",
    code: "EXCHANGE_REQUEST_MISMATCH",
    options: (_scene, built) => ({ request: built.response.wire }),
  },
  {
    name: "that is cut short",
    check: "bundle.well-formed",
    code: "BUNDLE_MALFORMED",
    outcome: "malformed",
    bytes: (bundle) => bundle.subarray(0, -1),
  },
];

/** All attacks of a malicious gateway. */
export const gatewayAttacks: readonly Attack[] = [
  ...splicedLegs,
  ...falseDecisions,
  ...falseBackends,
  ...oldPolicies,
  ...falseEvidence,
  ...falseGateways,
  ...falseLogs,
  ...falseStories,
  ...pendingLegs,
  ...strayParts,
];
