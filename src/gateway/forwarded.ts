/** Errors that say what had left the gateway, so that no refusal's receipt denies it. */
import { isTrisealError, TrisealError } from "../core/errors.ts";

/** `error` with the digest of what left the gateway, whatever it said of that itself. Anything unexpected becomes `INTERNAL`. */
export function withForwarded(error: unknown, forwardedDigest: string): TrisealError {
  const coded = isTrisealError(error) ? error : new TrisealError("INTERNAL", "internal error", { cause: error });
  const { code, message, cause, details } = coded;
  return new TrisealError(code as "INTERNAL", message, { cause, details: { ...details, forwarded: true, forwardedDigest } });
}
