import { boolean, type Decoded, map, matching, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, hexAlternatives, oneTrailing, orElse } from "../appraisal/policy-members.ts";

const decodePolicy = object({
  allowDebug: orElse(boolean, false),
  nonce: expected(hex),
  userData: expected(hex),
  publicKey: expected(hex),
  /** By register: `pcr0`, `pcr1`, … A register that no document has is one that never matches. */
  measurements: expected(map(matching(/pcr(?:0|[1-9][0-9]{0,2})/, "the name of a PCR"), expected(hexAlternatives), 32)),
  trailing: oneTrailing,
});

/** What a relying party expects of a Nitro document. Null means "not compared". */
export type NitroPolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseNitroPolicy(policy: JsonObject): NitroPolicy {
  return decodePolicy(policy, "policy");
}
