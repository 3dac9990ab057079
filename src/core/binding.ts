/** The binding: one small document that every path's evidence commits to (one rule, three carriers). */
import { type Decoded, digest, hexText, object, oneOf } from "./decode.ts";
import { digestOfJson, type Sha256Digest } from "./digest.ts";

/**
 * Decodes a binding.
 * - `requestDigest`, `responseDigest`: SHA-256 of the exact bytes that the path processed and produced, after opening
 *   and before sealing.
 * - `modelDigest`: SHA-256 of the source form of the model that ran.
 * - `decisionDigest`: SHA-256 of the JCS form of the policy decision document.
 * - `nonce`: 128 random bits of the gateway, as 32 hexadecimal digits.
 */
export const decodeBinding = object({
  v: oneOf(1),
  requestDigest: digest,
  responseDigest: digest,
  modelDigest: digest,
  decisionDigest: digest,
  nonce: hexText(16),
});

/** What a path's evidence commits to. */
export type Binding = Decoded<typeof decodeBinding>;

/** What the gateway fixes of a binding before a path runs. */
export interface BindingContext {
  readonly modelDigest: Sha256Digest;
  readonly decisionDigest: Sha256Digest;
  /** 128 random bits, as 32 hexadecimal digits. */
  readonly nonce: string;
}

/** The binding of one exchange. */
export function makeBinding(context: BindingContext, requestDigest: Sha256Digest, responseDigest: Sha256Digest): Binding {
  return {
    v: 1,
    requestDigest,
    responseDigest,
    modelDigest: context.modelDigest,
    decisionDigest: context.decisionDigest,
    nonce: context.nonce,
  };
}

/** SHA-256 of the JCS form of `binding`. */
export function bindingDigest(binding: Binding): Sha256Digest {
  return digestOfJson(binding);
}
