/** The appraisal of a gateway itself: keyset, report, trust entry (ACI section 9.1). */
import { encodeHex } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import { decodeReport, type GatewayKeyset, keysetDigest, reportData, reportSigner, TEE_NONE } from "../receipt/index.ts";
import type { Trust, TrustedService } from "../trust/trust-file.ts";

/** A gateway as it was appraised. */
export interface AppraisedService {
  readonly keyset: GatewayKeyset;
  readonly keysetDigest: string;
  /** The one entry of the trust file that names the key which signed the report. */
  readonly trusted: TrustedService;
}

/** @throws TrisealError `VERIFICATION_FAILED` with `otherwise` unless it holds. */
export function assertVerified(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TrisealError("VERIFICATION_FAILED", otherwise);
}

/**
 * Appraises a report that was asked for under `nonce`: a trusted receipt key signed it, for this challenge, with this
 * keyset. Says nothing about the channel that it came on.
 * @throws TrisealError `FORMAT_INVALID` for a malformed report, `VERIFICATION_FAILED` for one that does not pass.
 */
export function appraiseService(document: JsonObject, nonce: string, trust: Trust, now: UnixSeconds): AppraisedService {
  const report = decodeReport(document, "report");
  const { workload_keyset: keyset, report_data: bound, tee_type: type } = report.attestation;
  const digest = keysetDigest(keyset);
  assertVerified(
    report.workload_keyset_digest === digest && bound === encodeHex(reportData(digest, nonce)),
    "the report does not bind its keyset",
  );
  assertVerified(holdsUntil(keyset.not_after, now), "the service's keyset has expired");
  assertVerified(type === TEE_NONE, `gateway attestation ${type} cannot be appraised`);
  const signer = reportSigner(report);
  assertVerified(signer !== null, "no receipt key of the keyset signed the report");
  const named = trust.services.filter(({ gateway }) => gateway.keys.some((key) => key.publicKey === signer));
  const [service] = named;
  assertVerified(named.length === 1 && service !== undefined, "the trust file names no such gateway");
  const listed = new Set(keyset.receipt_signing_keys.map((key) => key.public_key));
  assertVerified(!service.revoked.keys.some((key) => listed.has(key.publicKey)), "a key of the gateway is revoked");
  assertVerified(
    service.gateway.teeTypes.some((entry) => entry.accept === type),
    `gateway attestation ${type} is not accepted`,
  );
  return { keyset, keysetDigest: digest, trusted: service };
}
