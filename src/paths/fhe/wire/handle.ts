/** Names that are derived (SPEC 5 to 7): the handle of a value, the head of an account, the seed of a run. */
import type { Binding } from "../../../core/binding.ts";
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import { digestHex, digestOfJson, type Sha256Digest, sha256Bytes } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";

const SEED_DOMAIN = utf8("triseal.fhe.seed.v1\0");

/** An input as handles name it: by handle where it has one, else by the digest of its compressed bytes; a clear one by its value. */
export type InputName = { readonly handle: string } | { readonly digest: Sha256Digest } | { readonly clear: string };

/** What the handle of an output is made of. */
export interface HandleParts {
  readonly programDigest: Sha256Digest;
  /** In the program's order. */
  readonly inputs: readonly InputName[];
  readonly keyId: string;
  /** The binding's. */
  readonly nonce: string;
  /** Name of the output. */
  readonly output: string;
}

function nameOf(input: InputName): string {
  if ("handle" in input) return input.handle;
  return "digest" in input ? input.digest : `clear:${input.clear}`;
}

/** The handle of an output, 64 hexadecimal digits. */
export function handleOf({ programDigest, inputs, keyId, nonce, output }: HandleParts): string {
  const domain = "triseal.fhe.handle.v1";
  return digestHex(digestOfJson({ domain, programDigest, inputs: inputs.map(nameOf), keyId, nonce, output }));
}

/** The state of an account after one write. An account has handle and digest, an asset its clear state. */
export interface AccountState {
  readonly account: string;
  /** From 1. */
  readonly version: number;
  readonly handle: string | null;
  readonly digest: Sha256Digest | null;
  readonly clear: string | null;
  /** Head of the version before; of version 1 that of the account's document. */
  readonly prevHead: string;
}

/** The head that follows, 64 hexadecimal digits. */
export function headOf({ account, version, handle, digest, clear, prevHead }: AccountState): string {
  const domain = "triseal.fhe.head.v1";
  return digestHex(digestOfJson({ domain, account, version, handle, digest, clear, prevHead }));
}

/** The seed that a run's inputs are re-randomised from, 64 hexadecimal digits: the answer is not known before. */
export function seedOf({ v, requestDigest, modelDigest, decisionDigest, nonce }: Omit<Binding, "responseDigest">): string {
  const bound = encodeJcs({ v, requestDigest, modelDigest, decisionDigest, nonce });
  return encodeHex(sha256Bytes(concatBytes(SEED_DOMAIN, bound)));
}
