/** The sealed envelope (receipt/SPEC.md section 3.2): HPKE base mode to a worker, and the way back under a key exported from the same context. */
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { concatBytes, encodeBase64, parseHex, utf8 } from "../../../core/bytes.ts";
import { base64Bytes, type Decoded, digest, object, oneOf, seconds, text } from "../../../core/decode.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import { decodeCallerFacts } from "../../../core/oip.ts";
import { teeError } from "./codes.ts";

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

/** The one HPKE suite of version 1. */
export const sealSuite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

const decodeEnvelope = object({
  v: oneOf(1),
  model: text(128),
  keysetDigest: digest,
  facts: decodeCallerFacts,
  /** Seconds since the epoch after which the worker refuses to open. */
  exp: seconds,
  enc: base64Bytes(4096),
  ct: base64Bytes(MAX_SEALED_BYTES),
});

/** A parsed sealed request. Everything but `ct` is in the clear and authenticated as associated data. */
export type SealedEnvelope = Decoded<typeof decodeEnvelope>;

/** The clear part of an envelope, as the sender states it. */
export type EnvelopeHead = Omit<SealedEnvelope, "v" | "enc" | "ct">;

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

function clearPart(head: EnvelopeHead, enc: Uint8Array): JsonObject {
  const { model, keysetDigest, facts, exp } = head;
  return { v: 1, model, keysetDigest, facts: facts as JsonObject, exp, enc: encodeBase64(enc) };
}

interface ResponseKeys {
  readonly key: CryptoKey;
  readonly nonce: Uint8Array<ArrayBuffer>;
}

/** RFC 9458 section 4.4: key and nonce of the response from the exported secret, `enc` and the response nonce. */
async function responseKeys(
  secret: Uint8Array,
  enc: Uint8Array,
  responseNonce: Uint8Array,
  usage: "encrypt" | "decrypt",
): Promise<ResponseKeys> {
  const material = await crypto.subtle.importKey("raw", Uint8Array.from(secret), "HKDF", false, ["deriveBits"]);
  const derive = async (label: string, length: number) =>
    new Uint8Array(
      await crypto.subtle.deriveBits(
        {
          name: "HKDF",
          hash: "SHA-256",
          salt: Uint8Array.from(concatBytes(enc, responseNonce)),
          info: Uint8Array.from(utf8(label)),
        },
        material,
        length * 8,
      ),
    );
  const key = await crypto.subtle.importKey("raw", await derive("key", KEY_LENGTH), "AES-GCM", false, [usage]);
  return { key, nonce: await derive("nonce", NONCE_LENGTH) };
}

/** A sealed request together with the only way to open its answer. */
export interface SealedRequest {
  /** The envelope's bytes, as they go on the wire. */
  readonly body: Uint8Array;
  /** Opens the sealed answer. @throws TrisealError `SEALED_MALFORMED`, `SEALED_UNOPENABLE`. */
  openResponse(body: Uint8Array): Promise<Uint8Array>;
}

/**
 * Seals `plaintext` to a worker's X25519 key (64 hexadecimal digits).
 * @throws TrisealError `SEALED_UNOPENABLE` where the key is no usable public key.
 */
export async function sealRequest(head: EnvelopeHead, publicKey: string, plaintext: Uint8Array): Promise<SealedRequest> {
  let sender: Awaited<ReturnType<typeof sealSuite.SetupSender>>;
  try {
    const recipient = await sealSuite.DeserializePublicKey(parseHex(publicKey));
    sender = await sealSuite.SetupSender(recipient, { info: INFO });
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the worker's seal key is not usable", { cause });
  }
  const enc = sender.encapsulatedSecret;
  const clear = clearPart(head, enc);
  const ct = await sender.ctx.Seal(plaintext, encodeJcs(clear));
  const secret = await sender.ctx.Export(RESPONSE_LABEL, KEY_LENGTH);
  return {
    body: encodeJcs({ ...clear, ct: encodeBase64(ct) }),
    openResponse: (body) => openResponse(secret, enc, body),
  };
}

async function openResponse(secret: Uint8Array, enc: Uint8Array, body: Uint8Array): Promise<Uint8Array> {
  let sealed: Decoded<typeof decodeSealedResponse>;
  try {
    sealed = decodeSealedResponse(parseJson(body), "sealed response");
  } catch (cause) {
    throw teeError("SEALED_MALFORMED", "the answer is no sealed response", { cause });
  }
  const { key, nonce } = await responseKeys(secret, enc, sealed.nonce, "decrypt");
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce }, key, Uint8Array.from(sealed.ct)));
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

/** A private HPKE key that never leaves its process. */
export type SealKeyPair = Awaited<ReturnType<typeof sealSuite.GenerateKeyPair>>;

/**
 * Opens an envelope. Does not check `exp`, replay, model or facts: the worker does.
 * @throws TrisealError `SEALED_UNOPENABLE`.
 */
export async function openRequest(envelope: SealedEnvelope, keys: SealKeyPair): Promise<OpenedRequest> {
  try {
    const recipient = await sealSuite.SetupRecipient(keys, envelope.enc, { info: INFO });
    const plaintext = await recipient.Open(envelope.ct, encodeJcs(clearPart(envelope, envelope.enc)));
    const secret = await recipient.Export(RESPONSE_LABEL, KEY_LENGTH);
    return {
      plaintext,
      async sealResponse(answer) {
        const responseNonce = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
        const { key, nonce } = await responseKeys(secret, envelope.enc, responseNonce, "encrypt");
        const ct = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, Uint8Array.from(answer)));
        return encodeJcs({ v: 1, nonce: encodeBase64(responseNonce), ct: encodeBase64(ct) });
      },
    };
  } catch (cause) {
    throw teeError("SEALED_UNOPENABLE", "the envelope does not open under this worker's key", { cause });
  }
}
