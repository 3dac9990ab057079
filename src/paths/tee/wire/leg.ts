/** The tee leg: what a worker signs about one answer (receipt/SPEC.md section 3.1). */
import { decodeBinding } from "../../../core/binding.ts";
import { concatBytes, encodeHex, parseHex, utf8 } from "../../../core/bytes.ts";
import { array, type Decoded, digest, hexText, integer, nullable, object, oneOf, text } from "../../../core/decode.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";

/** Media type of a tee leg. */
export const TEE_LEG_TYPE = "application/vnd.triseal.tee-leg+json";

const LEG_DOMAIN = utf8("triseal.leg.v1\0");

/** Most integers that a leg may state as outputs. */
const MAX_OUTPUTS = 65_536;

/** Decodes what a leg states. `inputCommitment` and `outputs` are null for a float model. */
const decodeStatement = object(
  {
    binding: decodeBinding,
    /** SHA-256 of the JCS form of the caller's facts, as the worker read them inside. */
    factsDigest: digest,
    /** Digests of the sealed bodies that the worker opened and produced. */
    wire: object({ requestDigest: digest, responseDigest: digest }),
    /** Salted Poseidon commitment to the encoded input of an integer model; null for a float model. */
    inputCommitment: nullable(hexText(32)),
  },
  {
    /** The outputs of an integer model; null for a float model. Exactly one of this and `outputCommitment` stands. */
    outputs: nullable(array(integer(-(2 ** 31), 2 ** 31 - 1), MAX_OUTPUTS)),
    outputCommitment: hexText(32),
  },
);

/** Decodes a leg. */
export const decodeTeeLeg = object({ v: oneOf(1), statement: decodeStatement, keyId: text(64), signature: hexText(64) });

/** What a worker states about one answer. */
export type TeeLegStatement = Decoded<typeof decodeStatement>;

/** A signed statement of a worker. */
export type TeeLeg = Decoded<typeof decodeTeeLeg>;

function signedMessage(statement: TeeLegStatement): Uint8Array {
  return concatBytes(LEG_DOMAIN, encodeJcs(statement as unknown as JsonObject));
}

/** The bytes of a leg over `statement`, signed with the worker's leg key, in JCS form. */
export function signTeeLeg(statement: TeeLegStatement, signer: Signer): Uint8Array {
  const signature = encodeHex(signer.sign(signedMessage(statement)));
  return encodeJcs({ v: 1, statement: statement as unknown as JsonObject, keyId: signer.keyId, signature });
}

/**
 * Parses a leg. Does not verify its signature.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseTeeLeg(bytes: Uint8Array): TeeLeg {
  return decodeTeeLeg(parseJson(bytes), "leg");
}

/** Whether the leg is signed by `publicKey` (64 hexadecimal digits). Does not check whose key that is. */
export function verifyTeeLeg(leg: TeeLeg, publicKey: string): boolean {
  return verifyEd25519(publicKey, signedMessage(leg.statement), parseHex(leg.signature));
}
