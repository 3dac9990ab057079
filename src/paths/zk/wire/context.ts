/** The context of a proof: a public signal that ties it to one decision about one request (receipt/SPEC.md section 3.8). */
import type { Binding } from "../../../core/binding.ts";
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import { sha256Bytes } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";

const CONTEXT_DOMAIN = utf8("triseal.zk.v1\0");

/** What a context is made from: the response is not known before the proof is. */
export type ProvenBinding = Omit<Binding, "responseDigest">;

/** The context of `binding`: the first 253 bits of SHA-256 over domain and JCS form, so that it is below the field order. */
export function contextOf({ v, requestDigest, modelDigest, decisionDigest, nonce }: ProvenBinding): bigint {
  const proven = encodeJcs({ v, requestDigest, modelDigest, decisionDigest, nonce });
  return BigInt(`0x${encodeHex(sha256Bytes(concatBytes(CONTEXT_DOMAIN, proven)))}`) >> 3n;
}
