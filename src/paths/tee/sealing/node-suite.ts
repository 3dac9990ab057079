/**
 * The suites of sealed bodies on synchronous `node:crypto`: the same bytes as the portable suites, several times faster,
 * for the worker and the gateway. DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM as in RFC 9180 section 7.
 */
import { createCipheriv, createDecipheriv, createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { type AEAD, type KDF, type KEM, type Key, type KeyPair, LabeledExpand, LabeledExtract } from "hpke";
import { concatBytes, utf8 } from "../../../core/bytes.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519 } from "../wire/keyset.ts";
import { makeSealSuite, type SealSuites } from "../wire/seal-suite.ts";
import { nodeHybridKem } from "./node-hybrid-kem.ts";
import { agree, privateFromRaw, publicFromRaw, rawPrivate, rawPublic } from "./node-x25519.ts";

const HASH_LENGTH = 32;
const TAG_LENGTH = 16;
const KEY_LENGTH = 32;
const EMPTY = new Uint8Array(0);

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

/** RFC 5869 section 2.3. */
function expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length > 255 * HASH_LENGTH) throw new RangeError("HKDF-SHA256 gives at most 8160 bytes");
  const output = new Uint8Array(Math.ceil(length / HASH_LENGTH) * HASH_LENGTH);
  let block: Uint8Array = EMPTY;
  for (let index = 1; (index - 1) * HASH_LENGTH < length; index++) {
    block = hmac(prk, block, info, Uint8Array.of(index));
    output.set(block, (index - 1) * HASH_LENGTH);
  }
  return output.slice(0, length);
}

const kdf: KDF = {
  id: 0x0001,
  type: "KDF",
  name: "HKDF-SHA256",
  Nh: HASH_LENGTH,
  stages: 2,
  Extract: async (salt, ikm) => hmac(salt, ikm),
  Expand: async (prk, info, length) => expand(prk, info, length),
  Derive: async () => {
    throw new TypeError("HKDF-SHA256 is no one-stage KDF");
  },
};

const aead: AEAD = {
  id: 0x0002,
  type: "AEAD",
  name: "AES-256-GCM",
  Nk: 32,
  Nn: 12,
  Nt: TAG_LENGTH,
  Seal: async (key, nonce, aad, plaintext) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH }).setAAD(aad);
    return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  },
  Open: async (key, nonce, aad, sealed) => {
    if (sealed.length < TAG_LENGTH) throw new RangeError("the ciphertext is shorter than its tag");
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH }).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_LENGTH));
    const opened = decipher.update(sealed.subarray(0, sealed.length - TAG_LENGTH));
    decipher.final();
    // The same memory: what was opened can be megabytes.
    return new Uint8Array(opened.buffer, opened.byteOffset, opened.length);
  },
};

const ALGORITHM = { name: "X25519" } as const;
const SUITE_ID = concatBytes(utf8("KEM"), Uint8Array.of(0x00, 0x20));
/** The key material lies beside the keys, so that who holds a key can use it and not read it. */
const keyObjects = new WeakMap<Key, KeyObject>();

function keyOf(keyObject: KeyObject, extractable: boolean): Key {
  const type = keyObject.type === "private" ? "private" : "public";
  const key: Key = Object.freeze({ algorithm: ALGORITHM, extractable, type });
  keyObjects.set(key, keyObject);
  return key;
}

function keyObjectOf(key: Key): KeyObject {
  const found = keyObjects.get(key);
  if (found === undefined) throw new TypeError("a key of another implementation");
  return found;
}

async function extractAndExpand(shared: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Promise<Uint8Array> {
  const prk = await LabeledExtract(kdf, SUITE_ID, EMPTY, utf8("eae_prk"), shared);
  return await LabeledExpand(kdf, SUITE_ID, prk, utf8("shared_secret"), concatBytes(enc, recipient), KEY_LENGTH);
}

function pairOf(privateKey: KeyObject, extractable: boolean): KeyPair {
  return { privateKey: keyOf(privateKey, extractable), publicKey: keyOf(createPublicKey(privateKey), true) };
}

const x25519: KEM = {
  id: 0x0020,
  type: "KEM",
  name: "DHKEM(X25519, HKDF-SHA256)",
  Nsecret: KEY_LENGTH,
  Nenc: KEY_LENGTH,
  Npk: KEY_LENGTH,
  Nsk: KEY_LENGTH,
  DeriveKeyPair: async (ikm, extractable) => {
    const prk = await LabeledExtract(kdf, SUITE_ID, EMPTY, utf8("dkp_prk"), ikm);
    return pairOf(privateFromRaw(await LabeledExpand(kdf, SUITE_ID, prk, utf8("sk"), EMPTY, KEY_LENGTH)), extractable);
  },
  GenerateKeyPair: async (extractable) => pairOf(generateKeyPairSync("x25519").privateKey, extractable),
  SerializePublicKey: async (key) => rawPublic(keyObjectOf(key)),
  DeserializePublicKey: async (raw) => keyOf(publicFromRaw(raw), true),
  SerializePrivateKey: async (key) => {
    if (!key.extractable) throw new TypeError("the private key cannot be exported");
    return rawPrivate(keyObjectOf(key));
  },
  DeserializePrivateKey: async (raw, extractable) => keyOf(privateFromRaw(raw), extractable),
  Encap: async (recipient) => {
    const recipientKey = keyObjectOf(recipient);
    const ephemeral = generateKeyPairSync("x25519");
    const enc = rawPublic(ephemeral.publicKey);
    const shared = agree(ephemeral.privateKey, recipientKey);
    return { shared_secret: await extractAndExpand(shared, enc, rawPublic(recipientKey)), enc };
  },
  Decap: async (enc, privateKey, publicKey) => {
    const own = keyObjectOf(privateKey);
    const ownPublic = publicKey === undefined ? createPublicKey(own) : keyObjectOf(publicKey);
    return await extractAndExpand(agree(own, publicFromRaw(enc)), enc, rawPublic(ownPublic));
  },
};

/** The suites on `node:crypto`. */
export const nodeSuites: SealSuites = {
  [SEAL_MLKEM768_X25519]: makeSealSuite(
    () => nodeHybridKem,
    () => kdf,
    () => aead,
  ),
  [SEAL_X25519]: makeSealSuite(
    () => x25519,
    () => kdf,
    () => aead,
  ),
};
