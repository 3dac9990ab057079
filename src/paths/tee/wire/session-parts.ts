/** What an ACI session says about a worker, derived from its evidence package alone: gateways write it, verifiers derive it again. */
import { parseHex } from "../../../core/bytes.ts";
import { digestHex, digestOf } from "../../../core/digest.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { WorkerEvidence } from "./keyset.ts";

/** The typed claims of ACI section 8.3. */
export const CLAIM_NAMES = [
  "tee_attested",
  "gpu_attested",
  "tcb_up_to_date",
  "os_known_good",
  "serving_software_known_good",
  "model_weights_provenance",
] as const;

/** The parts of a session document that follow from the evidence. */
export interface SessionParts {
  readonly identity: JsonObject;
  readonly channelBinding: readonly JsonObject[];
  /** `claims.extra` (ACI section 8.3). */
  readonly extra: JsonObject;
}

/** The parts of a session document for this evidence. */
export function sessionPartsOf({ type, keyset, statement }: WorkerEvidence): SessionParts {
  return {
    identity: { keyset_digest: statement.keysetDigest, leg_key: keyset.legKeys[0]?.publicKey ?? null },
    channelBinding: keyset.sealKeys.map((key) => ({
      type: "e2ee_public_key_sha256",
      provider: "triseal",
      key_id: key.keyId,
      algorithm: key.algo,
      public_key_sha256: digestHex(digestOf(parseHex(key.publicKey))),
    })),
    extra: { evidence_type: type, worker_digest: statement.workerDigest, model_digests: statement.modelDigests },
  };
}
