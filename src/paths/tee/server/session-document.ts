/** An admitted worker, frozen as an ACI session document (ACI spec section 8). */
import { encodeBase64, parseHex } from "../../../core/bytes.ts";
import { digestHex, digestOf } from "../../../core/digest.ts";
import type { JsonObject, JsonValue } from "../../../core/json.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import { ACI_VERSION } from "../../../receipt/keyset.ts";
import { WORKER_EVIDENCE_TYPE, type WorkerEvidence } from "../wire/keyset.ts";

/** The implementation that made the sessions, as `verifier_id` names it. */
export const VERIFIER_ID = "triseal/1";

/** The typed claims of ACI section 8.3. */
export const CLAIM_NAMES = [
  "tee_attested",
  "gpu_attested",
  "tcb_up_to_date",
  "os_known_good",
  "serving_software_known_good",
  "model_weights_provenance",
] as const;

/** One typed claim that an appraisal made. */
export interface SessionClaim {
  readonly status: "asserted" | "refuted";
  readonly source: "hardware_proven" | "verifier_derived" | "provider_asserted" | "operator_asserted";
  readonly reason: string;
}

/** Claims of an appraisal, by name; what is absent is `unknown`. */
export type SessionClaims = Readonly<Partial<Record<(typeof CLAIM_NAMES)[number], SessionClaim>>>;

/** What a session is made from. */
export interface SessionParts {
  readonly upstreamName: string;
  readonly establishedAt: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly claims: SessionClaims;
  /** The exact bytes that were appraised. */
  readonly evidenceBytes: Uint8Array;
  readonly evidence: WorkerEvidence;
}

function claimsObject(parts: SessionParts): JsonObject {
  const claims: Record<string, JsonValue> = {};
  for (const name of CLAIM_NAMES) {
    const claim = parts.claims[name];
    claims[name] =
      claim === undefined ? { status: "unknown" } : { status: claim.status, source: claim.source, reason: claim.reason };
  }
  const { type, statement } = parts.evidence;
  claims["extra"] = { evidence_type: type, worker_digest: statement.workerDigest, model_digests: statement.modelDigests };
  return claims;
}

/** The session document of one appraisal. It is immutable: its id is the SHA-256 of its JCS form. */
export function makeSessionDocument(parts: SessionParts): JsonObject {
  const { keyset, statement } = parts.evidence;
  return {
    api_version: ACI_VERSION,
    upstream_name: parts.upstreamName,
    endpoint: null,
    verifier_id: VERIFIER_ID,
    established_at: parts.establishedAt,
    expires_at: parts.expiresAt,
    identity: { keyset_digest: statement.keysetDigest, leg_key: keyset.legKeys[0]?.publicKey ?? null },
    channel_binding: keyset.sealKeys.map((key) => ({
      type: "e2ee_public_key_sha256",
      provider: "triseal",
      key_id: key.keyId,
      algorithm: key.algo,
      public_key_sha256: digestHex(digestOf(parseHex(key.publicKey))),
    })),
    claims: claimsObject(parts),
    evidence: {
      digest: digestOf(parts.evidenceBytes),
      data: `data:${WORKER_EVIDENCE_TYPE};base64,${encodeBase64(parts.evidenceBytes)}`,
    },
  };
}
