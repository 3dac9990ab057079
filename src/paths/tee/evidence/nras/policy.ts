import { boolean, type Decoded, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, orElse } from "../appraisal/policy-members.ts";

const decodePolicy = object({
  /** Must stand in every token. */
  nonce: expected(hex),
  /** Whether no two tokens may be about one device. */
  requireDistinctDevices: orElse(boolean, false),
});

/** What a relying party expects of an attestation service's answer. Null means "not compared". */
export type NrasPolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseNrasPolicy(policy: JsonObject): NrasPolicy {
  return decodePolicy(policy, "policy");
}
