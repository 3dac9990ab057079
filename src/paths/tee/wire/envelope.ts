/** The sealed envelope (receipt/SPEC.md section 3.2): HPKE base mode to a worker, and the way back under a key exported from the same context. */
import { concatBytes, encodeBase64, parseHex, utf8 } from "../../../core/bytes.ts";
import { base64Bytes, type Decoded, digest, object, oneOf, seconds, text } from "../../../core/decode.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import { decodeCallerFacts } from "../../../core/oip.ts";
import { teeError } from "./codes.ts";
import { keyId } from "./keyset.ts";
import {
  isSealAlgorithm,
  portableSuites,
  type SealKey,
  type SealKeyPair,
  type SealSuite,
  type SealSuites,
} from "./seal-suite.ts";

/** Media type of sealed requests and responses. */
export const SEALED_TYPE = "application/vnd.triseal.sealed+json";

/** Longest time, in seconds, that an envelope may stay valid; a worker remembers `enc` that long. */
export const MAX_SEAL_SECONDS = 300;

/** Largest ciphertext, in bytes, that an envelope may carry. */
export const MAX_SEALED_BYTES = 64 * 1024 * 1024;

const INFO = utf8("triseal.sealed.v1");
const RESPONSE_LABEL = utf8("triseal.sealed.response.v1");
/** AES-256-GCM key and nonce lengths (RFC 9180 section 7.3): Nk and Nn. */
const KEY_LENGTH = 32;
const NONCE_LENGTH = 12;
const NO_AAD = new Uint8Array(0);
/** The longest `enc`: ML-KEM-768 ciphertext and X25519 public key. */
const MAX_ENC_BYTES = 1120;

const decodeEnvelope = object({
  v: oneOf(1),
  model: text(128),
  keysetDigest: digest,
  /** Which seal key of that keyset this is sealed to; the keyset says the algorithm. */
  keyId,
  facts: decodeCallerFacts,
  /** Seconds since the epoch after which the worker refuses to open. */
  exp: seconds,
  enc: base64Bytes(MAX_ENC_BYTES),
  ct: base64Bytes(MAX_SEALED_BYTES),
});

/** A parsed sealed request. Everything but `ct` is in the clear and authenticated as associated data. */
export type SealedEnvelope = Decoded<typeof decodeEnvelope>;

/** The clear part of an envelope, as the sender states it. */
export type EnvelopeHead = Omit<SealedEnvelope, "v" | "keyId" | "enc" | "ct">;

const decodeSealedResponse = object({ v: oneOf(1), nonce: base64Bytes(64), ct: base64Bytes(MAX_SEALED_BYTES) });

/**
 * Parses a sealed request. Opens nothing.
 * @throws TrisealError `SEALED_MALFORMED`.
 */
export function parseEnvelope(body: Uint8Array): SealedEnvelope {
  try {
    return decodeEnvelope(parseJson(body), "envelope");
  } catch (cause) {
    throw teeError("SEALED_MALFORMED", cause instanceof Error ? cause.message : "malformed envelope", { cause });
  }
}

function clearPart(head: EnvelopeHead & Pick<SealedEnvelope, "keyId" | "enc">): JsonObject {
  const { model, keysetDigest, keyId, facts, exp, enc } = head;
  return { v: 1, model, keysetDigest, keyId, facts: facts as JsonObject, exp, enc: encodeBase64(enc) };
}

interface ResponseKeys {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/** RFC 9458 section 4.4: key and nonce of the response from the exported secret, `enc` and the response nonce. */
async function responseKeys({ kdf }: SealSuite, secret: Uint8Array, enc: Uint8Array, nonce: Uint8Array): Promise<ResponseKeys> {
  const prk = await kdf.Extract(concatBytes(enc, nonce), secret);
  return { key: await kdf.Expand(prk, utf8("key"), KEY_LENGTH), nonce: await kdf.Expand(prk, utf8("nonce"), NONCE_LENGTH) };
}

/** A sealed request together with the only way to open its answer. */
export interface SealedRequest {
  /** The envelope's bytes, as they go on the wire. */
  readonly body: Uint8Array;
  /** Opens the sealed answer. @throws TrisealError `SEALED_MALFORMED`, `SEALED_UNOPENABLE`. */
  openResponse(body: Uint8Array): Promise<Uint8Array>;
}

/**
 * Seals `plaintext` to `key`, and to no other if that fails. `head.keysetDigest` is of the keyset that lists `key`;
 * senders take the key from `strongestSealKey`.
 * @param suites the implementation; every one of them makes envelopes that every other opens.
 * @throws TrisealError `SEALED_UNOPENABLE` where the algorithm is unknown or the key is no usable public key.
 */
export async function sealRequest(
  head: EnvelopeHead,
  key: SealKey,
  plaintext: Uint8Array,
  suites: SealSuites = portableSuites,
): Promise<SealedRequest> {
  if (!isSealAlgorithm(key.algo)) throw teeError("SEALED_UNOPENABLE", "the worker's seal key is of an unknown algorithm");
  const suite = suites[key.algo];
  const sender = await setupSender(suite, key.publicKey);
  const enc = sender.encapsulatedSecret;
  const clear = clearPart({ ...head, keyId: key.keyId, enc });
  const ct = await sender.ctx.Seal(plaintext, encodeJcs(clear));
  const secret = await sender.ctx.Export(RESPONSE_LABEL, KEY_LENGTH);
  return {
    body: encodeJcs({ ...clear, ct: encodeBase64(ct) }),
    openResponse: (body) => openResponse(suite, secret, enc, body),
  };
}

async function setupSender({ hpke }: SealSuite, publicKey: string): ReturnType<SealSuite["hpke"]["SetupSender"]> {
  try {
    return await hpke.SetupSender(await hpke.DeserializePublicKey(parseHex(publicKey)), { info: INFO });
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the worker's seal key is not usable", { cause });
  }
}

async function openResponse(suite: SealSuite, secret: Uint8Array, enc: Uint8Array, body: Uint8Array): Promise<Uint8Array> {
  let sealed: Decoded<typeof decodeSealedResponse>;
  try {
    sealed = decodeSealedResponse(parseJson(body), "sealed response");
  } catch (cause) {
    throw teeError("SEALED_MALFORMED", "the answer is no sealed response", { cause });
  }
  const { key, nonce } = await responseKeys(suite, secret, enc, sealed.nonce);
  try {
    return await suite.aead.Open(key, nonce, NO_AAD, sealed.ct);
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the sealed answer does not open", { cause });
  }
}

/** An opened request and the only way to seal its answer. */
export interface OpenedRequest {
  readonly plaintext: Uint8Array;
  /** The sealed response body over `plaintext`. */
  sealResponse(plaintext: Uint8Array): Promise<Uint8Array>;
}

/**
 * Opens an envelope with the key of `keys` that it names. Does not check `exp`, replay, model or facts, nor that `keys`
 * are those of the named keyset: the worker does.
 * @throws TrisealError `SEALED_UNOPENABLE`.
 */
export async function openRequest(envelope: SealedEnvelope, keys: readonly SealKeyPair[]): Promise<OpenedRequest> {
  const { enc } = envelope;
  const pair = keys.find((key) => key.keyId === envelope.keyId);
  if (pair === undefined) throw teeError("SEALED_UNOPENABLE", "the envelope names a key that the keyset does not have");
  const { suite } = pair;
  try {
    const recipient = await suite.hpke.SetupRecipient(pair.keys, enc, { info: INFO });
    const plaintext = await recipient.Open(envelope.ct, encodeJcs(clearPart(envelope)));
    const secret = await recipient.Export(RESPONSE_LABEL, KEY_LENGTH);
    return { plaintext, sealResponse: (answer) => sealResponse(suite, secret, enc, answer) };
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the envelope does not open under this worker's key", { cause });
  }
}

async function sealResponse(suite: SealSuite, secret: Uint8Array, enc: Uint8Array, answer: Uint8Array): Promise<Uint8Array> {
  const responseNonce = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  const { key, nonce } = await responseKeys(suite, secret, enc, responseNonce);
  const ct = await suite.aead.Seal(key, nonce, NO_AAD, answer);
  return encodeJcs({ v: 1, nonce: encodeBase64(responseNonce), ct: encodeBase64(ct) });
}
