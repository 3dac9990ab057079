/** Reference values as signed data (`triseal.dev/reference/v1`, EVIDENCE.md section 7): measurements, TCB floors and devices of hardware evidence, and what was withdrawn. */
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../../core/bytes.ts";
import {
  array,
  type Decoded,
  hexText,
  jsonObject,
  map,
  matching,
  object,
  oneOf,
  seconds,
  text,
} from "../../../../core/decode.ts";
import { digestOfJson, type Sha256Digest } from "../../../../core/digest.ts";
import { type Signer, verifyEd25519 } from "../../../../core/ed25519.ts";
import { TrisealError } from "../../../../core/errors.ts";
import { encodeJcs } from "../../../../core/jcs.ts";
import type { JsonValue } from "../../../../core/json.ts";

/** Format name of reference values. */
export const REFERENCE_VERSION = "triseal.dev/reference/v1";

const REFERENCE_DOMAIN = utf8("triseal.reference.v1\0");

const registerValue = matching(/(?:[0-9a-f]{2}){1,128}/, "lower-case hexadecimal");

/** Decodes values of registers that stand together. */
export const decodeRegisters = map(matching(/[A-Za-z0-9]{1,32}/, "the name of a register"), registerValue, 32);

/** Decodes the name of a device: as its evidence spells it. */
export const deviceId = matching(/[A-Za-z0-9._:-]{1,256}/, "the name of a device");

/** Decodes a list of withdrawn values of registers and names of devices. `reason` is why. */
export const decodeWithdrawn = array(object({ value: deviceId, reason: text(500) }), 1024);

const entry = object(
  { type: matching(/[a-z0-9][a-z0-9-]{0,31}/, "an evidence type") },
  { measurements: array(object({ registers: decodeRegisters }), 256), tcb: jsonObject, devices: array(deviceId, 1024) },
);

const decodeReference = object({
  v: oneOf(REFERENCE_VERSION),
  name: text(128),
  issuedAt: seconds,
  evidence: array(entry, 16),
  withdrawn: decodeWithdrawn,
});

/** What someone vouches for, who looked at hardware or at a build. */
export type ReferenceValues = Decoded<typeof decodeReference>;

const decodeSigned = object({ reference: jsonObject, publicKey: hexText(32), signature: hexText(64) });

/** Reference values whose signature was verified. */
export interface VerifiedReference {
  /** Digest of the signed document, in its JCS form: what a trust file cites. */
  readonly digest: Sha256Digest;
  readonly publicKey: string;
  readonly values: ReferenceValues;
}

/** The JSON form of reference values: registers as objects. */
export interface ReferenceDocument {
  readonly name: string;
  readonly issuedAt: number;
  readonly evidence: readonly {
    readonly type: string;
    readonly measurements?: readonly { readonly registers: Readonly<Record<string, string>> }[];
    readonly tcb?: Readonly<Record<string, JsonValue>>;
    readonly devices?: readonly string[];
  }[];
  readonly withdrawn: readonly { readonly value: string; readonly reason: string }[];
}

/** Signs reference values: the bytes of the document, in JCS form. @throws TrisealError `FORMAT_INVALID` for values of another form. */
export function signReference(document: ReferenceDocument, signer: Signer): Uint8Array {
  const reference = { v: REFERENCE_VERSION, ...document };
  decodeReference(reference, "reference");
  const signature = encodeHex(signer.sign(concatBytes(REFERENCE_DOMAIN, encodeJcs(reference))));
  return encodeJcs({ reference, publicKey: signer.publicKey, signature });
}

/**
 * Reads signed reference values and verifies their signature. Whether the key is one to rely on, the trust file says.
 * @throws TrisealError `FORMAT_INVALID`, also where the signature does not verify.
 */
export function readReference(document: JsonValue, place: string): VerifiedReference {
  const { reference, publicKey, signature } = decodeSigned(document, place);
  if (!verifyEd25519(publicKey, concatBytes(REFERENCE_DOMAIN, encodeJcs(reference)), parseHex(signature))) {
    throw new TrisealError("FORMAT_INVALID", `${place}: the signature over the reference values does not verify`);
  }
  return { digest: digestOfJson(document), publicKey, values: decodeReference(reference, `${place}.reference`) };
}
