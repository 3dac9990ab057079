/**
 * A proof that somebody made on their own, outside every exchange: proof, key and setup in one document. Its context is bound to
 * a model and a random nonce and to no request, so it is no leg of a receipt: a leg's context has another domain.
 */
import { concatBytes, encodeHex, utf8 } from "../../../core/bytes.ts";
import { type Decoded, type Decoder, digest, hexBytes, object, oneOf } from "../../../core/decode.ts";
import { digestBytes, type Sha256Digest, sha256Bytes } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import {
  decodeProofDocument,
  decodeSignalsDocument,
  decodeVerificationKey,
  type Proof,
  proofDocument,
  type VerificationKey,
  verificationKeyDocument,
} from "./documents.ts";
import { decodeSetupDocument, type Setup, setupDocument } from "./setup.ts";

/** Largest document, in bytes. */
export const MAX_STANDALONE_BYTES = 4 * 1024 * 1024;

/** Bytes of a nonce. */
export const NONCE_BYTES = 32;

const KIND = "triseal.zk.standalone.v1";
const DOMAIN = utf8(`${KIND}\0`);

const proof: Decoder<Proof> = (value, place) => decodeProofDocument(value, place);
const signals: Decoder<readonly bigint[]> = (value, place) => decodeSignalsDocument(value, place);
const key: Decoder<VerificationKey> = (value, place) => decodeVerificationKey(value, place);
const setup: Decoder<Setup> = (value, place) => decodeSetupDocument(value, place);

const decodeStandalone = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  modelDigest: digest,
  nonce: hexBytes(NONCE_BYTES),
  /** The commitment to the input, that to the weights where the setup is of an architecture, the outputs, and the context. */
  publicSignals: signals,
  proof,
  verificationKey: key,
  setup,
});

/** A parsed document; nothing in it is verified. */
export type StandaloneProof = Omit<Decoded<typeof decodeStandalone>, "v" | "kind">;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseStandalone(bytes: Uint8Array): StandaloneProof {
  if (bytes.length > MAX_STANDALONE_BYTES) throw new TrisealError("FORMAT_INVALID", "the proof's document is too large");
  const { v: _, kind: __, ...document } = decodeStandalone(parseJson(bytes), "proof");
  return document;
}

/** The document of a proof. */
export function standaloneDocument(made: StandaloneProof): JsonObject {
  return {
    v: 1,
    kind: KIND,
    modelDigest: made.modelDigest,
    nonce: encodeHex(made.nonce),
    publicSignals: made.publicSignals.map(String),
    proof: proofDocument(made.proof),
    verificationKey: verificationKeyDocument(made.verificationKey),
    setup: setupDocument(made.setup),
  };
}

/** The context: the first 253 bits of SHA-256 over domain, model digest and nonce, so that it is below the field order. */
export function standaloneContext(modelDigest: Sha256Digest, nonce: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(sha256Bytes(concatBytes(DOMAIN, digestBytes(modelDigest), nonce)))}`) >> 3n;
}
