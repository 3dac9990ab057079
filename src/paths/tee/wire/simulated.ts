/**
 * Simulated evidence: the form of hardware evidence without its substance. A key that the operator made signs what
 * hardware would report. It proves nothing about where the worker runs; it is an evidence type of its own, which every
 * policy and trust file refuses that does not name it.
 */
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../core/bytes.ts";
import { type Decoded, digest, hexText, object, oneOf } from "../../../core/decode.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";

/** The evidence type of simulated evidence, as an evidence package names it. */
export const SIMULATED_TYPE = "simulated";

const SIMULATED_DOMAIN = utf8("triseal.simulated.v1\0");

const decodeSimulatedEvidence = object({
  v: oneOf(1),
  type: oneOf(SIMULATED_TYPE),
  /** What a TEE would put into its report: 64 bytes. */
  reportData: hexText(64),
  /** The digest of the worker's files that the platform claims to have measured. */
  measurement: digest,
  /** The Ed25519 key of the simulated platform. */
  platformKey: hexText(32),
  signature: hexText(64),
});

/** Parsed simulated evidence. */
export type SimulatedEvidence = Decoded<typeof decodeSimulatedEvidence>;

function signedMessage({
  reportData,
  measurement,
  platformKey,
}: Omit<SimulatedEvidence, "v" | "type" | "signature">): Uint8Array {
  return concatBytes(SIMULATED_DOMAIN, encodeJcs({ v: 1, type: SIMULATED_TYPE, reportData, measurement, platformKey }));
}

/**
 * Simulated evidence over 64 bytes of report data, in JCS form, signed with the key of the simulated platform.
 * @param measurement the digest that the simulated platform claims to have measured.
 */
export function encodeSimulatedEvidence(reportData: Uint8Array, measurement: Sha256Digest, platform: Signer): Uint8Array {
  const claims = { reportData: encodeHex(reportData), measurement, platformKey: platform.publicKey };
  const signature = encodeHex(platform.sign(signedMessage(claims)));
  return encodeJcs({ v: 1, type: SIMULATED_TYPE, ...claims, signature });
}

/**
 * Parses simulated evidence. Does not verify its signature.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseSimulatedEvidence(bytes: Uint8Array): SimulatedEvidence {
  return decodeSimulatedEvidence(parseJson(bytes), "simulated evidence");
}

/** Whether the evidence is signed by the platform key that it names. Does not check whose key that is, nor report data or measurement. */
export function verifySimulatedEvidence(evidence: SimulatedEvidence): boolean {
  return verifyEd25519(evidence.platformKey, signedMessage(evidence), parseHex(evidence.signature));
}
