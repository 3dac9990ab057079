/** The report of Azure's paravisor (HCL), kept in NV index 0x01400001 of its vTPM. Little-endian. Reading verifies nothing. */
import { concatBytes, parseBase64, parseUtf8 } from "../../../../core/bytes.ts";
import { array, text } from "../../../../core/decode.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../../core/json.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { type HashName, type PublicKey, parsePublicKey } from "../x509/algorithm.ts";

/** Largest report that is read. */
export const MAX_HCL_BYTES = 65_536;

const HEADER_BYTES = 0x20;
const HARDWARE_REPORT_BYTES = 1184;
const MAGIC = 0x414c4348;

/** Kinds of report by the number that the runtime data names. */
const TYPES: Readonly<Record<number, "snp" | "tdx">> = { 2: "snp", 4: "tdx" };
const HASHES: Readonly<Record<number, HashName>> = { 1: "SHA-256", 2: "SHA-384", 3: "SHA-512" };

/** A report of the paravisor. */
export interface HclReport {
  /** The report of the processor as it lies there: 1184 bytes, for TDX a TDREPORT and what fills the place. */
  readonly hardwareReport: Uint8Array;
  readonly hash: HashName;
  /** The exact bytes whose hash stands in the processor's report data. */
  readonly runtimeData: Uint8Array;
  /** The key that signs quotes of the vTPM. */
  readonly attestationKey: PublicKey;
}

const ATTESTATION_KEY_ID = "HCLAkPub";

function derLength(length: number): Uint8Array {
  return length < 0x80
    ? Uint8Array.of(length)
    : length < 0x100
      ? Uint8Array.of(0x81, length)
      : Uint8Array.of(0x82, length >> 8, length & 0xff);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts);
  return concatBytes(Uint8Array.of(tag), derLength(content.length), content);
}

function derUnsigned(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const minimal = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return (minimal[0] ?? 0) >= 0x80 ? der(0x02, Uint8Array.of(0), minimal) : der(0x02, minimal);
}

/** AlgorithmIdentifier of rsaEncryption with its null. */
const RSA_ENCRYPTION = Uint8Array.of(0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0);

function base64url(value: unknown): Uint8Array {
  if (typeof value !== "string" || !/^[A-Za-z0-9_-]{1,1400}$/.test(value)) return malformed("a key member is not base64url");
  const digits = value.replaceAll("-", "+").replaceAll("_", "/");
  return parseBase64(digits.padEnd(Math.ceil(digits.length / 4) * 4, "="));
}

/** An RSA key of a JWK (RFC 7518 section 6.3). */
function rsaKeyOf(jwk: JsonObject): PublicKey {
  if (jwk["kty"] !== "RSA") unsupported("an attestation key that is not RSA");
  const key = der(0x30, derUnsigned(base64url(jwk["n"])), derUnsigned(base64url(jwk["e"])));
  return parsePublicKey(der(0x30, RSA_ENCRYPTION, der(0x03, Uint8Array.of(0), key)));
}

const keyIds = array((value, place) => {
  if (!isJsonObject(value)) return malformed(`${place} is no key`);
  return { id: text(256)(value["kid"], `${place}.kid`), jwk: value };
}, 16);

function attestationKeyOf(runtimeData: Uint8Array): PublicKey {
  const document = parseJson(parseUtf8(runtimeData));
  if (!isJsonObject(document)) return malformed("runtime data that is no object");
  const [found, ...others] = keyIds(document["keys"], "keys").filter(({ id }) => id === ATTESTATION_KEY_ID);
  return found === undefined || others.length > 0 ? malformed("not one attestation key") : rsaKeyOf(found.jwk);
}

/**
 * The report that `bytes` are.
 * @throws TrisealError `EVIDENCE_MALFORMED`, also where anything but zeros follows; `EVIDENCE_UNSUPPORTED` for another type or hash.
 */
export function parseHclReport(bytes: Uint8Array, type: "snp" | "tdx"): HclReport {
  const cursor = new ByteCursor(bytes, "little-endian");
  const header = new ByteCursor(cursor.take(HEADER_BYTES), "little-endian");
  if (header.uint32() !== MAGIC) malformed("not a report of the paravisor");
  const hardwareReport = cursor.take(HARDWARE_REPORT_BYTES);
  const size = cursor.uint32();
  cursor.uint32();
  const found = cursor.uint32();
  const hash = cursor.uint32();
  const length = cursor.uint32();
  const runtimeData = cursor.take(length);
  if (size < length) malformed("runtime data larger than what holds it");
  if (cursor.rest().some((byte) => byte !== 0)) malformed("bytes after the runtime data are not zero");
  if (TYPES[found] !== type) unsupported(`a report of type ${found}`);
  return {
    hardwareReport,
    hash: HASHES[hash] ?? unsupported(`hash ${hash}`),
    runtimeData,
    attestationKey: attestationKeyOf(runtimeData),
  };
}
