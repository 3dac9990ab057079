/**
 * Hardware evidence with all that its appraisal needs, frozen (EVIDENCE.md section 7): what the `evidence` member of an
 * evidence package holds where its type is not `simulated`. What stands here is signed by vendors and devices, not by us.
 */
import { encodeBase64 } from "../../../core/bytes.ts";
import { anyJson, array, base64Bytes, type Decoded, type Decoder, map, matching, object, oneOf } from "../../../core/decode.ts";
import { digestOfJson, type Sha256Digest } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../../core/json.ts";

/** Largest frozen evidence, in bytes: a CPU with its collateral, and devices with their manifests. */
export const MAX_PLATFORM_BYTES = 2_621_440;

/** Most devices beside one CPU. */
export const MAX_DEVICES = 16;

/** What a role holds: one byte string, several in order, or JSON. */
export type PlatformRole = Uint8Array | readonly Uint8Array[] | { readonly json: JsonValue };

/** Values by the names that a kind of evidence gives to its roles. */
export type PlatformRoles = ReadonlyMap<string, PlatformRole>;

const bytes = base64Bytes(MAX_PLATFORM_BYTES);
const bytesList = array(bytes, 16);
const document = object({ json: anyJson });

const role: Decoder<PlatformRole> = (value, place) => {
  if (Array.isArray(value)) return bytesList(value, place);
  return isJsonObject(value) ? document(value, place) : bytes(value, place);
};

const roles: Decoder<PlatformRoles> = map(matching(/[A-Za-z][A-Za-z0-9]{0,31}/, "the name of a role"), role, 16);

const device = object({ kind: matching(/[a-z0-9][a-z0-9-]{0,31}/, "an evidence type"), evidence: roles, endorsements: roles });

const decodePlatform = object({ v: oneOf(1), evidence: roles, endorsements: roles, devices: array(device, MAX_DEVICES) });

/** Evidence of one device beside the CPU. */
export type DeviceEvidence = Decoded<typeof device>;

/** Evidence of a CPU, or of a TPM, and of the devices beside it. The package's `type` says of which kind it is. */
export type PlatformEvidence = Decoded<typeof decodePlatform>;

/** Evidence without the mark of its version. */
export type PlatformParts = Omit<PlatformEvidence, "v">;

function encodeRole(value: PlatformRole): JsonValue {
  if (value instanceof Uint8Array) return encodeBase64(value);
  return "json" in value ? { json: value.json } : value.map(encodeBase64);
}

function encodeRoles(values: PlatformRoles): JsonObject {
  return Object.fromEntries([...values].map(([name, value]) => [name, encodeRole(value)]));
}

/** The bytes of frozen evidence, in JCS form. */
export function encodePlatformEvidence({ evidence, endorsements, devices }: PlatformParts): Uint8Array {
  return encodeJcs({
    v: 1,
    evidence: encodeRoles(evidence),
    endorsements: encodeRoles(endorsements),
    devices: devices.map((part) => ({
      kind: part.kind,
      evidence: encodeRoles(part.evidence),
      endorsements: encodeRoles(part.endorsements),
    })),
  });
}

/**
 * Parses frozen evidence. Looks into no role and verifies nothing.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parsePlatformEvidence(text: Uint8Array): PlatformEvidence {
  return decodePlatform(parseJson(text), "platform evidence");
}

/**
 * The `gpuEvidenceDigest` of a worker's statement: SHA-256 of the JCS form of `[{kind, evidence}, …]`, collateral left out;
 * null where there is no device.
 */
export function deviceEvidenceDigest(devices: readonly DeviceEvidence[]): Sha256Digest | null {
  if (devices.length === 0) return null;
  return digestOfJson(devices.map(({ kind, evidence }) => ({ kind, evidence: encodeRoles(evidence) })));
}
