/**
 * The hybrid KEM MLKEM768-X25519 (draft-ietf-hpke-pq; X-Wing, draft-connolly-cfrg-xwing-kem section 5) with X25519, SHA-3 and
 * SHAKE on `node:crypto`, and private keys that are expanded once. ML-KEM-768 stays in JavaScript: Node has it from version 24 on.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import type { KEM, Key, KeyPair } from "hpke";
import { concatBytes } from "../../../core/bytes.ts";
import { hybridKem } from "../wire/seal-suite.ts";
import { agree, privateFromRaw, publicFromRaw, rawPublic, X25519_LENGTH } from "./node-x25519.ts";

/** Bytes of the private seed, and of what it is expanded to: 64 for ML-KEM-768 and 32 for X25519. */
const SEED_LENGTH = 32;
const EXPANDED_LENGTH = 96;
const MLKEM_SEED_LENGTH = 64;
const MLKEM_PUBLIC_LENGTH = 1184;
const MLKEM_CIPHERTEXT_LENGTH = 1088;

/** The drawing that ends what is hashed: `\.//^\`. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

const portable = hybridKem();
const algorithm = { name: portable.name } as const;

interface PublicParts {
  readonly mlkem: Uint8Array;
  readonly x25519: KeyObject;
}

interface PrivateParts {
  readonly seed: Uint8Array;
  readonly mlkem: Uint8Array;
  readonly x25519: KeyObject;
  readonly public: PublicParts;
}

/** The key material lies beside the keys, so that who holds a key can use it and not read it. */
const publicParts = new WeakMap<Key, PublicParts>();
const privateParts = new WeakMap<Key, PrivateParts>();

function partsOf<Parts>(parts: WeakMap<Key, Parts>, key: Key): Parts {
  const found = parts.get(key);
  if (found === undefined) throw new TypeError("a key of another implementation");
  return found;
}

function publicKeyOf(parts: PublicParts): Key {
  const key: Key = Object.freeze({ algorithm, extractable: true, type: "public" });
  publicParts.set(key, parts);
  return key;
}

function expandSeed(seed: Uint8Array): PrivateParts {
  if (seed.length !== SEED_LENGTH) throw new RangeError("a private key of MLKEM768-X25519 has 32 bytes");
  const expanded = new Uint8Array(createHash("shake256", { outputLength: EXPANDED_LENGTH }).update(seed).digest());
  const { publicKey, secretKey } = ml_kem768.keygen(expanded.subarray(0, MLKEM_SEED_LENGTH));
  const x25519 = privateFromRaw(expanded.subarray(MLKEM_SEED_LENGTH));
  return { seed: seed.slice(), mlkem: secretKey, x25519, public: { mlkem: publicKey, x25519: createPublicKey(x25519) } };
}

function pairOf(seed: Uint8Array, extractable: boolean): KeyPair {
  const parts = expandSeed(seed);
  const privateKey: Key = Object.freeze({ algorithm, extractable, type: "private" });
  privateParts.set(privateKey, parts);
  return { privateKey, publicKey: publicKeyOf(parts.public) };
}

/** The shared secret of both. The ciphertext of ML-KEM needs no place in it: that KEM commits to it itself. */
function combine(mlkem: Uint8Array, x25519: Uint8Array, ephemeral: Uint8Array, recipient: Uint8Array): Uint8Array {
  return new Uint8Array(
    createHash("sha3-256")
      .update(concatBytes(mlkem, x25519, ephemeral, recipient, LABEL))
      .digest(),
  );
}

/** The KEM. Keys of small order and ML-KEM keys out of range are refused; a changed ciphertext of ML-KEM gives another secret. */
export const nodeHybridKem: KEM = {
  ...portable,
  DeriveKeyPair: async (ikm, extractable) => {
    const { privateKey } = await portable.DeriveKeyPair(ikm, true);
    return pairOf(await portable.SerializePrivateKey(privateKey), extractable);
  },
  GenerateKeyPair: async (extractable) => pairOf(new Uint8Array(randomBytes(SEED_LENGTH)), extractable),
  SerializePublicKey: async (key) => {
    const { mlkem, x25519 } = partsOf(publicParts, key);
    return concatBytes(mlkem, rawPublic(x25519));
  },
  DeserializePublicKey: async (raw) => {
    await portable.DeserializePublicKey(raw);
    const x25519 = publicFromRaw(raw.subarray(MLKEM_PUBLIC_LENGTH));
    return publicKeyOf({ mlkem: raw.slice(0, MLKEM_PUBLIC_LENGTH), x25519 });
  },
  SerializePrivateKey: async (key) => {
    const { seed } = partsOf(privateParts, key);
    if (!key.extractable) throw new TypeError("the private key cannot be exported");
    return seed.slice();
  },
  DeserializePrivateKey: async (raw, extractable) => pairOf(raw, extractable).privateKey,
  Encap: async (recipient) => {
    const own = partsOf(publicParts, recipient);
    const ephemeral = generateKeyPairSync("x25519");
    const ephemeralRaw = rawPublic(ephemeral.publicKey);
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(own.mlkem);
    const agreed = agree(ephemeral.privateKey, own.x25519);
    return {
      shared_secret: combine(sharedSecret, agreed, ephemeralRaw, rawPublic(own.x25519)),
      enc: concatBytes(cipherText, ephemeralRaw),
    };
  },
  Decap: async (enc, privateKey) => {
    const own = partsOf(privateParts, privateKey);
    if (enc.length !== MLKEM_CIPHERTEXT_LENGTH + X25519_LENGTH)
      throw new RangeError("an encapsulated key of MLKEM768-X25519 has 1120 bytes");
    const ephemeralRaw = enc.subarray(MLKEM_CIPHERTEXT_LENGTH);
    const shared = ml_kem768.decapsulate(enc.subarray(0, MLKEM_CIPHERTEXT_LENGTH), own.mlkem);
    return combine(shared, agree(own.x25519, publicFromRaw(ephemeralRaw)), ephemeralRaw, rawPublic(own.public.x25519));
  },
};
