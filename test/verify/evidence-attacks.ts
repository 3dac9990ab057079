/** Sessions, evidence, keysets and reports that a gateway made up or changed. */
import { utf8 } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { type Attack, editEvent, forger, type Scene, strangeKey } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import { at, createTestWorker, POLICY_TEXT, START } from "../fixtures/world.ts";

import { backendFact, other, withoutBlob } from "./attack-part.ts";

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
    changes: { leg: (leg) => ({ ...leg, outputCommitment: "1".repeat(64) }) },
  },
  {
    name: "whose leg commits to an input and states no outputs",
    check: "leg.outputs-form",
    code: "LEG_MALFORMED",
    changes: { leg: (leg) => ({ ...leg, inputCommitment: "1".repeat(64) }) },
  },
  {
    name: "whose leg states outputs without the input that they are of",
    check: "leg.outputs-form",
    code: "LEG_MALFORMED",
    changes: { leg: (leg) => ({ ...leg, outputs: [1] }) },
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
    name: "whose leg is of a kind that no verifier knows, and is not even there",
    check: "leg.known-path",
    code: "LEG_UNSUPPORTED",
    outcome: "unsupported",
    changes: {
      events: editEvent("leg.sealed", { leg_media_type: "application/x-other" }),
      parts: withoutBlob((text) => text.includes('"factsDigest"')),
    },
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
      evidence: { type: "sgx" },
      // A policy that accepts it: the verifier is all that refuses.
      policyText: utf8(new TextDecoder().decode(POLICY_TEXT).replaceAll("[simulated, ", "[simulated, sgx, ")),
      candidates: (candidates) => backendFact("simulated", false)(backendFact("evidence_type", "sgx")(candidates)),
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
    name: "whose receipt cites the session under an id that is not its own",
    check: "session.cited",
    code: "SESSION_MISMATCH",
    changes: {
      events: editEvent("upstream.verified", { session_id: "c".repeat(64) }),
      parts: (parts) => ({
        ...parts,
        sessions: new Map([...parts.sessions.values()].map((document) => ["c".repeat(64), document])),
      }),
    },
  },
  {
    name: "whose session claims hardware that its evidence does not show",
    check: "evidence.session-faithful",
    code: "SESSION_CLAIMS_UNFOUNDED",
    changes: {
      session: (document) => ({
        ...document,
        claims: {
          ...(document["claims"] as JsonObject),
          tee_attested: { status: "asserted", source: "hardware_proven", reason: "no" },
        },
      }),
    },
  },
  {
    name: "whose session names another identity than its evidence",
    check: "evidence.session-faithful",
    code: "SESSION_CLAIMS_UNFOUNDED",
    changes: { session: (document) => ({ ...document, identity: { keyset_digest: other, leg_key: null } }) },
  },
  {
    name: "whose evidence was older, by the witnesses' clocks, than policy allows, whatever the operator's times say",
    check: "session.age",
    code: "EVIDENCE_TOO_OLD",
    changes: {
      session: (document) => ({ ...document, established_at: at(-700) }),
      checkpoint: { session: { time: at(-700) }, receipt: { time: at(900) } },
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
  {
    name: "whose receipt names another keyset than the bundle and the report",
    check: "keyset.digest",
    code: "KEYSET_MISMATCH",
    changes: { receipt: (receipt) => ({ ...receipt, keysetDigest: other }) },
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
