import { boolean, type Decoded, object, text } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, oneTrailing, orElse } from "../appraisal/policy-members.ts";

const decodePolicy = object({
  /** Whether both RIMs must be there; one that is there is judged anyway. */
  requireRim: orElse(boolean, true),
  /** Whether each certificate between leaf and root needs a good OCSP answer; answers that are there are judged anyway. */
  requireRevocation: orElse(boolean, false),
  /** Whether the report must state a firmware id; one that it states is compared anyway. */
  requireFwid: orElse(boolean, false),
  nonce: expected(hex),
  /** What the requester of the OCSP answers chose, if it chose anything. */
  ocspNonce: expected(hex),
  driverVersion: expected(text(64)),
  vbiosVersion: expected(text(64)),
  trailing: oneTrailing,
});

/** What a relying party expects of a GPU report. Null means "not compared". */
export type GpuPolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseGpuPolicy(policy: JsonObject): GpuPolicy {
  return decodePolicy(policy, "policy");
}
