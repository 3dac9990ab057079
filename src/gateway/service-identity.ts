/** The gateway as an ACI service: its keyset, and the report that binds it (ACI spec sections 3 and 4). */
import { encodeHex } from "../core/bytes.ts";
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import type { Signer } from "../core/ed25519.ts";
import { encodeJcs } from "../core/jcs.ts";
import type { JsonObject } from "../core/json.ts";
import { ACI_VERSION, type GatewayKeyset, keysetDigest, reportData, signReport, TEE_NONE } from "../receipt/index.ts";

/** Who the gateway is: it runs outside every TEE here, so its statements have basis `signature`. */
export interface ServiceIdentity {
  readonly keyset: GatewayKeyset;
  readonly keysetDigest: Sha256Digest;
  /** Signs receipts and, under a prefix of its own, reports. */
  readonly signer: Signer;
  /** The unchallenged report, as receipts cite it. */
  readonly reportBytes: Uint8Array;
  readonly reportDigest: Sha256Digest;
  readonly dev: boolean;
  /** The attestation report under a challenge of 64 hexadecimal digits, or the unchallenged one. */
  report(nonce: string | null): JsonObject;
}

/**
 * The identity of a gateway.
 * @param notAfter seconds since the epoch from which on verifiers stop accepting the keyset.
 * @param tlsKeys SHA-256 of the SPKI of each TLS key that the gateway answers with, in hexadecimal; none over plain HTTP.
 */
export function createServiceIdentity(
  signer: Signer,
  options: { readonly notAfter: number; readonly dev: boolean; readonly tlsKeys: readonly string[] },
): ServiceIdentity {
  const keyset: GatewayKeyset = {
    subject: null,
    not_after: options.notAfter,
    receipt_signing_keys: [{ key_id: signer.keyId, algo: "ed25519", public_key: signer.publicKey }],
    e2ee_public_keys: [],
    tls_public_keys: options.tlsKeys.map((key) => ({ spki_sha256: key })),
  };
  const digest = keysetDigest(keyset);
  const report = (nonce: string | null): JsonObject => {
    const bound = reportData(digest, nonce);
    return {
      api_version: ACI_VERSION,
      workload_keyset_digest: digest,
      attestation: {
        tee_type: TEE_NONE,
        workload_keyset: keyset,
        report_data: encodeHex(bound),
        source_provenance: { repo_url: null, repo_commit: null, image_digest: null, image_provenance: null },
        evidence: signReport(bound, signer),
      },
      service_capabilities: { supported_e2ee_versions: [], serving: "aggregator" },
    };
  };
  const reportBytes = encodeJcs(report(null));
  return { keyset, keysetDigest: digest, signer, reportBytes, reportDigest: digestOf(reportBytes), dev: options.dev, report };
}
