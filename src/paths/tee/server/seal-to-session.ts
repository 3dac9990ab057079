/** Seals what came to the gateway in the clear to the worker of an admitted session. */
import { type UnixSeconds, unixSeconds } from "../../../core/time.ts";
import type { BoundRequest } from "../../path.ts";
import { nodeSuites } from "../sealing/node-suite.ts";
import { teeError } from "../wire/codes.ts";
import { type SealedRequest, sealRequest } from "../wire/envelope.ts";
import { strongestSealKey } from "../wire/seal-suite.ts";
import type { AdmittedSession } from "./admission.ts";

/** Seconds that an envelope of the gateway's own stays valid. */
const SEAL_LIFETIME_S = 120;

/**
 * The request sealed to the strongest seal key of the session's keyset, and to no weaker one where that fails.
 * Does not check that the session is in force: the caller chose it.
 * @throws TrisealError `WORKER_ANSWER_INVALID` where the keyset has no seal key of a known algorithm, `SEALED_UNOPENABLE`
 *   where the key is no usable public key.
 */
export async function sealToSession(
  request: Pick<BoundRequest, "model" | "facts" | "body">,
  { keyset, keysetDigest }: Pick<AdmittedSession, "keyset" | "keysetDigest">,
  now: UnixSeconds,
): Promise<SealedRequest> {
  const sealKey = strongestSealKey(keyset);
  if (sealKey === null) throw teeError("WORKER_ANSWER_INVALID", "the worker's keyset has no known seal key");
  const exp = unixSeconds(now + SEAL_LIFETIME_S);
  const head = { model: request.model.name, keysetDigest, facts: request.facts, exp, sealer: "gateway" } as const;
  return await sealRequest(head, sealKey, request.body, nodeSuites, "binary");
}
