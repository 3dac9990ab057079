import { array, boolean, type Decoded, hexText, map, matching, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, hexAlternatives, orElse } from "../appraisal/policy-members.ts";

/** Expected registers, by index. */
export const pcrPins = expected(map(matching(/[12]?\d|3[01]/, "an index from 0 to 31"), hexAlternatives, 32));

/** What is expected of a TPM's quote, whoever endorses its key. */
export const tpmMembers = { nonce: expected(hex), pcrs: pcrPins };

const noEnrollers: readonly string[] = [];

const decodePolicy = object({
  requireAkBinding: orElse(boolean, true),
  /** Ed25519 keys of enrollers whose statement binds an attestation key; none by default. */
  enrollers: orElse(array(hexText(32), 64), noEnrollers),
  ...tpmMembers,
});

/** What a relying party expects of a TPM quote. Null means "not compared". */
export type TpmPolicy = Decoded<typeof decodePolicy>;

/** The part of a policy that is about the quote alone. */
export type TpmQuotePolicy = Pick<TpmPolicy, "nonce" | "pcrs">;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseTpmPolicy(policy: JsonObject): TpmPolicy {
  return decodePolicy(policy, "policy");
}
