/** The sealed envelope (receipt/SPEC.md section 3.2): HPKE base mode to a worker, and the way back under a key exported from the same context. */
import { concatBytes, encodeBase64, equalBytes, parseHex, uint32BE, utf8 } from "../../../core/bytes.ts";
import { base64Bytes, type Decoded, digest, object, oneOf, seconds, text } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../core/json.ts";
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

/** How an envelope is written. An answer has the form of its request. */
export type SealedForm = "json" | "binary";

/** Media types of sealed requests and responses: JSON, and the same members with the ciphertext as it is behind them. */
export const SEALED_TYPES: Readonly<Record<SealedForm, string>> = {
  json: "application/vnd.triseal.sealed+json",
  binary: "application/vnd.triseal.sealed",
};

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

/** Longest clear part of the binary form, in bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
const HEAD_LENGTH_BYTES = 4;

const clearMembers = {
  v: oneOf(1),
  model: text(128),
  keysetDigest: digest,
  /** Which seal key of that keyset this is sealed to; the keyset says the algorithm. */
  keyId,
  facts: decodeCallerFacts,
  /** Seconds since the epoch after which the worker refuses to open. */
  exp: seconds,
  enc: base64Bytes(MAX_ENC_BYTES),
};
/** Who sealed, where it was not the caller: the outputs of an integer model are then no secret from the gateway. */
const sealerMember = { sealer: oneOf("gateway") };
const decodeClearPart = object(clearMembers, sealerMember);
const ciphertext = base64Bytes(MAX_SEALED_BYTES);
const decodeEnvelope = object({ ...clearMembers, ct: ciphertext }, sealerMember);

/** A parsed sealed request. Everything but `ct` is in the clear and authenticated as associated data. */
export interface SealedEnvelope extends Decoded<typeof decodeEnvelope> {
  readonly form: SealedForm;
}

/** The clear part of an envelope, as the sender states it. */
export type EnvelopeHead = Omit<SealedEnvelope, "v" | "keyId" | "enc" | "ct" | "form">;

const responseMembers = { v: oneOf(1), nonce: base64Bytes(64) };
const decodeResponseHead = object(responseMembers);
const decodeSealedResponse = object({ ...responseMembers, ct: ciphertext });

/** The binary form: `uint32 length ‖ JCS of the clear members ‖ ciphertext`. */
function encodeBinary(clear: JsonObject, ct: Uint8Array): Uint8Array {
  const head = encodeJcs(clear);
  return concatBytes(uint32BE(head.length), head, ct);
}

/** Splits the binary form. The clear part must be JCS, so that an envelope has one spelling. @throws TrisealError `FORMAT_INVALID`. */
function parseBinary(body: Uint8Array): { readonly clear: JsonObject; readonly ct: Uint8Array } {
  const length = body.length < HEAD_LENGTH_BYTES ? 0 : new DataView(body.buffer, body.byteOffset).getUint32(0);
  const end = HEAD_LENGTH_BYTES + length;
  if (length === 0 || length > MAX_HEAD_BYTES || end > body.length || body.length - end > MAX_SEALED_BYTES)
    throw new TrisealError("FORMAT_INVALID", "not a sealed body in binary form");
  const head = body.subarray(HEAD_LENGTH_BYTES, end);
  const clear = parseJson(head);
  if (!isJsonObject(clear) || !equalBytes(encodeJcs(clear), head))
    throw new TrisealError("FORMAT_INVALID", "the clear part is not in canonical form");
  return { clear, ct: body.subarray(end) };
}

/** @throws TrisealError `SEALED_MALFORMED` where the envelope has another form than `mediaType` says. */
export function parseEnvelopeOfType(body: Uint8Array, mediaType: string): SealedEnvelope {
  const envelope = parseEnvelope(body);
  if (SEALED_TYPES[envelope.form] !== mediaType) throw teeError("SEALED_MALFORMED", "the envelope is not of its media type");
  return envelope;
}

/** The form of a body: the first byte of a binary one is that of a length below 2^24, which begins no JSON. */
function formOf(body: Uint8Array): SealedForm {
  return body[0] === 0 ? "binary" : "json";
}

/**
 * Parses a sealed request of either form. Opens nothing.
 * @throws TrisealError `SEALED_MALFORMED`.
 */
export function parseEnvelope(body: Uint8Array): SealedEnvelope {
  try {
    const form = formOf(body);
    if (form === "json") return { ...decodeEnvelope(parseJson(body), "envelope"), form };
    const { clear, ct } = parseBinary(body);
    return { ...decodeClearPart(clear, "envelope"), ct, form };
  } catch (cause) {
    throw teeError("SEALED_MALFORMED", cause instanceof Error ? cause.message : "malformed envelope", { cause });
  }
}

function clearPart(head: EnvelopeHead & Pick<SealedEnvelope, "keyId" | "enc">): JsonObject {
  const { model, keysetDigest, keyId, facts, exp, enc, sealer } = head;
  const clear = { v: 1, model, keysetDigest, keyId, facts: facts as JsonObject, exp, enc: encodeBase64(enc) };
  return sealer === undefined ? clear : { ...clear, sealer };
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
  readonly mediaType: string;
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
  form: SealedForm = "json",
): Promise<SealedRequest> {
  if (!isSealAlgorithm(key.algo)) throw teeError("SEALED_UNOPENABLE", "the worker's seal key is of an unknown algorithm");
  const suite = suites[key.algo];
  const sender = await setupSender(suite, key.publicKey);
  const enc = sender.encapsulatedSecret;
  const clear = clearPart({ ...head, keyId: key.keyId, enc });
  const ct = await sender.ctx.Seal(plaintext, encodeJcs(clear));
  const secret = await sender.ctx.Export(RESPONSE_LABEL, KEY_LENGTH);
  return {
    body: form === "binary" ? encodeBinary(clear, ct) : encodeJcs({ ...clear, ct: encodeBase64(ct) }),
    mediaType: SEALED_TYPES[form],
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

function parseSealedResponse(body: Uint8Array): Decoded<typeof decodeSealedResponse> {
  if (formOf(body) === "json") return decodeSealedResponse(parseJson(body), "sealed response");
  const { clear, ct } = parseBinary(body);
  return { ...decodeResponseHead(clear, "sealed response"), ct };
}

async function openResponse(suite: SealSuite, secret: Uint8Array, enc: Uint8Array, body: Uint8Array): Promise<Uint8Array> {
  let sealed: Decoded<typeof decodeSealedResponse>;
  try {
    sealed = parseSealedResponse(body);
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
    return { plaintext, sealResponse: (answer) => sealResponse(suite, secret, envelope, answer) };
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the envelope does not open under this worker's key", { cause });
  }
}

async function sealResponse(
  suite: SealSuite,
  secret: Uint8Array,
  { enc, form }: SealedEnvelope,
  answer: Uint8Array,
): Promise<Uint8Array> {
  const responseNonce = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  const { key, nonce } = await responseKeys(suite, secret, enc, responseNonce);
  const ct = await suite.aead.Seal(key, nonce, NO_AAD, answer);
  const clear = { v: 1, nonce: encodeBase64(responseNonce) };
  return form === "binary" ? encodeBinary(clear, ct) : encodeJcs({ ...clear, ct: encodeBase64(ct) });
}
