/** The workload keyset of an ACI service and the attestation report that binds it (ACI spec sections 3 and 4). */
import { utf8 } from "../core/bytes.ts";
import {
  array,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  integer,
  jsonObject,
  nullable,
  object,
  oneOf,
  text,
} from "../core/decode.ts";
import { digestOfJson, type Sha256Digest, sha256Bytes } from "../core/digest.ts";

/** The protocol version that every ACI document of ours names. */
export const ACI_VERSION = "aci/1";

const publicKey = object({ key_id: text(128), algo: text(64), public_key: text(8192) });

/** Decodes a workload keyset (ACI section 3.1). Keys of an algorithm that is not `ed25519` are kept and never used. */
export const decodeKeyset: Decoder<GatewayKeyset> = object({
  subject: nullable(text(256)),
  not_after: integer(),
  receipt_signing_keys: array(publicKey, 16),
  e2ee_public_keys: array(publicKey, 16),
  tls_public_keys: array(object({ spki_sha256: hexText(32) }, { domain: text(256) }), 64),
});

/** Public keys of a gateway. `not_after` is in seconds since the epoch. */
export type GatewayKeyset = {
  readonly subject: string | null;
  readonly not_after: number;
  readonly receipt_signing_keys: readonly Decoded<typeof publicKey>[];
  readonly e2ee_public_keys: readonly Decoded<typeof publicKey>[];
  readonly tls_public_keys: readonly { readonly spki_sha256: string; readonly domain?: string }[];
};

/** Digest of `keyset` over its JCS form (ACI section 3.1). */
export function keysetDigest(keyset: GatewayKeyset): Sha256Digest {
  return digestOfJson(keyset);
}

/** The Ed25519 receipt key of the keyset with this id, 64 hexadecimal digits, or null. */
export function receiptKey(keyset: GatewayKeyset, keyId: string): string | null {
  const key = keyset.receipt_signing_keys.find((candidate) => candidate.key_id === keyId && candidate.algo === "ed25519");
  return key !== undefined && /^[0-9a-f]{64}$/.test(key.public_key) ? key.public_key : null;
}

/**
 * The 32-byte `report_data` that binds a keyset and a challenge (ACI section 3.2).
 * @param nonce 64 lower-case hexadecimal digits, or null for the unchallenged form, which proves no freshness.
 */
export function reportData(digestOfKeyset: Sha256Digest, nonce: string | null): Uint8Array {
  const quoted = nonce === null ? "null" : `"${nonce}"`;
  return sha256Bytes(utf8(`{"keyset_digest":"${digestOfKeyset}","nonce":${quoted},"purpose":"aci.report_data.v1"}`));
}

/** Decodes an attestation report (ACI section 4.1). */
export const decodeReport = object({
  api_version: oneOf(ACI_VERSION),
  workload_keyset_digest: digest,
  attestation: object({
    tee_type: text(64),
    workload_keyset: decodeKeyset,
    report_data: hexText(32),
    source_provenance: jsonObject,
    evidence: jsonObject,
  }),
  service_capabilities: jsonObject,
});

/** A parsed attestation report. */
export type AttestationReport = Decoded<typeof decodeReport>;

/** `tee_type` of a gateway that runs outside every TEE: its statements have basis `signature`. */
export const TEE_NONE = "triseal-none";
