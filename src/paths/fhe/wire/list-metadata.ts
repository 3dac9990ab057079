/** What the proof of an input list is bound to (SPEC 6): the same list proves nothing for another tenant, account, program or nonce. */
import { concatBytes, utf8 } from "../../../core/bytes.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { UnixSeconds } from "../../../core/time.ts";

const DOMAIN = utf8("triseal.fhe.input.v1\0");

/** What a list is made for. */
export interface ListPurpose {
  readonly tenant: string;
  /** Every account that the run reads or writes, in any order and any number of times. */
  readonly accounts: readonly string[];
  readonly programDigest: Sha256Digest;
  /** The challenge's nonce and expiry. */
  readonly nonce: string;
  readonly exp: UnixSeconds;
}

/** The metadata of a proven list. Accounts are sorted by UTF-16 code units, each once. */
export function listMetadata({ tenant, accounts, programDigest, nonce, exp }: ListPurpose): Uint8Array {
  const named = [...new Set(accounts)].toSorted((left, right) => (left < right ? -1 : 1));
  return concatBytes(DOMAIN, encodeJcs({ tenant, accounts: named, programDigest, nonce, exp }));
}
