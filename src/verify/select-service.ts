/** Finds the one trusted service that a receipt belongs to. Entries of different services never combine. */
import type { Trust, TrustedService } from "../trust/trust-file.ts";
import type { VerifyContext } from "./context.ts";

/** Who signed what: hexadecimal receipt key, and the log as its checkpoint names it. */
export interface ServiceClaim {
  readonly receiptKey: string;
  /** Null where the receipt has no readable log proof. */
  readonly logOrigin: string | null;
}

/**
 * The service that names both the receipt key and the log, or null. Whether the checkpoint is really signed by the
 * log's key is checked with the proof, under the keys of this service alone.
 */
export function selectService(trust: Trust, claim: ServiceClaim, context: VerifyContext): TrustedService | null {
  const byKey = trust.services.filter((service) => service.gateway.keys.some((key) => key.publicKey === claim.receiptKey));
  const byLog = trust.services.filter((service) => service.logs.some((log) => log.origin === claim.logOrigin));
  const both = byKey.filter((service) => byLog.includes(service));
  const { checks } = context;
  if (claim.logOrigin !== null) checks.expect("trust.log-known", byLog.length > 0, "assertion", claim.logOrigin);
  checks.expect("trust.gateway-known", byKey.length > 0, "assertion", claim.receiptKey);
  if (byLog.length === 0 || byKey.length === 0) return null;
  const [service] = both;
  const detail = both.length > 1 ? `${both.length} services name both` : "";
  return checks.expect("trust.one-service", both.length === 1, "assertion", detail) && service !== undefined ? service : null;
}
