/**
 * The two HPKE suites of sealed bodies (receipt/SPEC.md section 3.2), and which key of a keyset a sender takes. The suites
 * here are portable; a caller with faster parts hands in suites of its own that speak the same bytes.
 */
import { KEM_MLKEM768_X25519 } from "@panva/hpke-noble";
import {
  type AEAD,
  AEAD_AES_256_GCM,
  type AEADFactory,
  CipherSuite,
  type KDF,
  KDF_HKDF_SHA256,
  type KDFFactory,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KEMFactory,
  type Key,
  type KeyPair,
} from "hpke";
import { encodeHex } from "../../../core/bytes.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519, type WorkerKeyset } from "./keyset.ts";

/** Algorithms of seal keys, strongest first: a sender takes the first one that the keyset lists. */
export const SEAL_ALGORITHMS = [SEAL_MLKEM768_X25519, SEAL_X25519] as const;

/** A known algorithm of seal keys. */
export type SealAlgorithm = (typeof SEAL_ALGORITHMS)[number];

/** One HPKE suite, with the parts that the way back needs by themselves. */
export interface SealSuite {
  readonly hpke: CipherSuite;
  readonly kdf: Readonly<KDF>;
  readonly aead: Readonly<AEAD>;
}

/** A suite for every known algorithm. */
export type SealSuites = Readonly<Record<SealAlgorithm, SealSuite>>;

/** A public seal key, as a keyset lists it. */
export type SealKey = WorkerKeyset["sealKeys"][number];

/** A seal key with its private half, which does not leave its process. */
export interface SealKeyPair extends SealKey {
  readonly algo: SealAlgorithm;
  readonly suite: SealSuite;
  readonly keys: KeyPair;
}

/** The suite of these parts. The KEM decides the algorithm; KDF and AEAD are HKDF-SHA256 and AES-256-GCM in every suite of version 1. */
export function makeSealSuite<K extends Key>(kem: KEMFactory<K>, kdf: KDFFactory, aead: AEADFactory): SealSuite {
  return { hpke: new CipherSuite<K>(kem, kdf, aead), kdf: kdf(), aead: aead() };
}

/** ML-KEM-768 (FIPS 203): a public key begins with 768 coefficients of 12 bits, each below the modulus. */
const MLKEM_COEFFICIENT_BYTES = 1152;
const MLKEM_MODULUS = 3329;

/** FIPS 203 section 7.2, the modulus check: the library lets coefficients above the modulus pass. */
function assertReduced(publicKey: Uint8Array): void {
  for (let offset = 0; offset < MLKEM_COEFFICIENT_BYTES; offset += 3) {
    const [low = 0, middle = 0, high = 0] = publicKey.subarray(offset, offset + 3);
    const first = low | ((middle & 0x0f) << 8);
    const second = (middle >> 4) | (high << 4);
    if (first >= MLKEM_MODULUS || second >= MLKEM_MODULUS) throw new RangeError("the ML-KEM public key is out of range");
  }
}

/** The hybrid KEM MLKEM768-X25519 in JavaScript, with the check of public keys that FIPS 203 asks of a sender. */
export const hybridKem: KEMFactory = () => {
  const kem = KEM_MLKEM768_X25519();
  return {
    ...kem,
    async DeserializePublicKey(raw) {
      assertReduced(raw);
      return await kem.DeserializePublicKey(raw);
    },
  };
};

/** The suites that run wherever Web Cryptography does; ML-KEM-768 is in JavaScript, since few platforms have it yet. */
export const portableSuites: SealSuites = {
  [SEAL_MLKEM768_X25519]: makeSealSuite(hybridKem, KDF_HKDF_SHA256, AEAD_AES_256_GCM),
  [SEAL_X25519]: makeSealSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM),
};

/** Whether `algo` is an algorithm that this version can seal to. */
export function isSealAlgorithm(algo: string): algo is SealAlgorithm {
  return SEAL_ALGORITHMS.some((known) => known === algo);
}

/**
 * The one key of `keyset` that a sender may seal to: the first of the strongest algorithm that the keyset lists, or null
 * where it lists none that is known. A sender to whom that key proves unusable gives up; it takes no weaker one.
 * Does not check that the keyset is attested or in force.
 */
export function strongestSealKey(keyset: WorkerKeyset): SealKey | null {
  for (const algo of SEAL_ALGORITHMS) {
    const found = keyset.sealKeys.find((key) => key.algo === algo);
    if (found !== undefined) return found;
  }
  return null;
}

/** A new seal key whose private half cannot be exported. */
export async function makeSealKey(keyId: string, algo: SealAlgorithm, suites: SealSuites = portableSuites): Promise<SealKeyPair> {
  const suite = suites[algo];
  const keys = await suite.hpke.GenerateKeyPair(false);
  return { keyId, algo, publicKey: encodeHex(await suite.hpke.SerializePublicKey(keys.publicKey)), suite, keys };
}

/** The public part of `pair`, as a keyset lists it. */
export function publicSealKey({ keyId, algo, publicKey }: SealKeyPair): SealKey {
  return { keyId, algo, publicKey };
}
