/** An admitted worker, frozen as an ACI session document (ACI spec section 8). */
import { encodeBase64 } from "../../../core/bytes.ts";
import { digestOf } from "../../../core/digest.ts";
import type { JsonObject, JsonValue } from "../../../core/json.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import { ACI_VERSION } from "../../../receipt/keyset.ts";
import { WORKER_EVIDENCE_TYPE, type WorkerEvidence } from "../wire/keyset.ts";
import { CLAIM_NAMES, sessionPartsOf } from "../wire/session-parts.ts";

/** The implementation that made the sessions, as `verifier_id` names it. */
export const VERIFIER_ID = "triseal/1";

/** One typed claim that an appraisal made. */
export interface SessionClaim {
  readonly status: "asserted" | "refuted";
  readonly source: "hardware_proven" | "verifier_derived" | "provider_asserted" | "operator_asserted";
  readonly reason: string;
}

/** Claims of an appraisal, by name; what is absent is `unknown`. */
export type SessionClaims = Readonly<Partial<Record<(typeof CLAIM_NAMES)[number], SessionClaim>>>;

/** What a session is made from. */
export interface SessionInputs {
  readonly upstreamName: string;
  readonly establishedAt: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly claims: SessionClaims;
  /** The exact bytes that were appraised. */
  readonly evidenceBytes: Uint8Array;
  readonly evidence: WorkerEvidence;
}

function claimsObject(parts: SessionInputs): JsonObject {
  const claims: Record<string, JsonValue> = {};
  for (const name of CLAIM_NAMES) {
    const claim = parts.claims[name];
    claims[name] =
      claim === undefined ? { status: "unknown" } : { status: claim.status, source: claim.source, reason: claim.reason };
  }
  claims["extra"] = sessionPartsOf(parts.evidence).extra;
  return claims;
}

/** The session document of one appraisal. It is immutable: its id is the SHA-256 of its JCS form. */
export function makeSessionDocument(parts: SessionInputs): JsonObject {
  const { identity, channelBinding } = sessionPartsOf(parts.evidence);
  return {
    api_version: ACI_VERSION,
    upstream_name: parts.upstreamName,
    endpoint: null,
    verifier_id: VERIFIER_ID,
    established_at: parts.establishedAt,
    expires_at: parts.expiresAt,
    identity,
    channel_binding: channelBinding,
    claims: claimsObject(parts),
    evidence: {
      digest: digestOf(parts.evidenceBytes),
      data: `data:${WORKER_EVIDENCE_TYPE};base64,${encodeBase64(parts.evidenceBytes)}`,
    },
  };
}
