/** The worker's keys: made inside this process, never exported, replaced before they expire. */
import type { Sha256Digest } from "../../src/core/digest.ts";
import type { Signer } from "../../src/core/ed25519.ts";
import { type Clock, holdsUntil } from "../../src/core/time.ts";
import { nodeSuites } from "../../src/paths/tee/sealing/node-suite.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519, type WorkerKeyset, workerKeysetDigest } from "../../src/paths/tee/wire/keyset.ts";
import {
  makeSealKey,
  publicSealKey,
  SEAL_ALGORITHMS,
  type SealAlgorithm,
  type SealKeyPair,
} from "../../src/paths/tee/wire/seal-suite.ts";
import { createSigner, generateKey } from "../../src/signing/ed25519-signer.ts";

/** One keyset with its private halves. */
export interface KeyGeneration {
  readonly keyset: WorkerKeyset;
  readonly digest: Sha256Digest;
  readonly legSigner: Signer;
  /** One for each algorithm: a sender without ML-KEM can still seal, and ours take the strongest. */
  readonly sealKeys: readonly SealKeyPair[];
}

const SEAL_KEY_IDS: Readonly<Record<SealAlgorithm, string>> = {
  [SEAL_MLKEM768_X25519]: "seal-pq-1",
  [SEAL_X25519]: "seal-1",
};

async function generateKeys(subject: string, notAfter: number, algorithms: readonly SealAlgorithm[]): Promise<KeyGeneration> {
  const legSigner = createSigner("leg-1", generateKey());
  const sealKeys = await Promise.all(algorithms.map((algo) => makeSealKey(SEAL_KEY_IDS[algo], algo, nodeSuites)));
  const keyset: WorkerKeyset = {
    v: 1,
    subject,
    notAfter,
    legKeys: [{ keyId: legSigner.keyId, algo: "ed25519", publicKey: legSigner.publicKey }],
    sealKeys: sealKeys.map(publicSealKey),
  };
  return { keyset, digest: workerKeysetDigest(keyset), legSigner, sealKeys };
}

/** The keysets that this worker answers to: the current one, and the one before it until that expires. */
export class KeyRing {
  private generations: readonly KeyGeneration[] = [];
  private making: Promise<KeyGeneration> | null = null;
  private readonly subject: string;
  private readonly lifetimeS: number;
  private readonly clock: Clock;
  private readonly algorithms: readonly SealAlgorithm[];

  /** @param options.algorithms of the seal keys to make; all known ones by default. */
  constructor(options: {
    readonly subject: string;
    readonly lifetimeS: number;
    readonly clock: Clock;
    readonly algorithms?: readonly SealAlgorithm[];
  }) {
    this.algorithms = options.algorithms ?? SEAL_ALGORITHMS;
    this.subject = options.subject;
    this.lifetimeS = options.lifetimeS;
    this.clock = options.clock;
  }

  /** The keyset to report evidence for: a new one once half of the lifetime of the last has passed. */
  async current(): Promise<KeyGeneration> {
    const now = this.clock();
    const newest = this.generations[0];
    if (newest !== undefined && newest.keyset.notAfter - now > this.lifetimeS / 2) return newest;
    this.making ??= this.renew().finally(() => {
      this.making = null;
    });
    return await this.making;
  }

  /** The unexpired keyset of that digest, if this worker has it. */
  find(digest: Sha256Digest): KeyGeneration | null {
    const now = this.clock();
    return this.generations.find((item) => item.digest === digest && holdsUntil(item.keyset.notAfter, now)) ?? null;
  }

  private async renew(): Promise<KeyGeneration> {
    const now = this.clock();
    const made = await generateKeys(this.subject, now + this.lifetimeS, this.algorithms);
    this.generations = [made, ...this.generations.filter((item) => holdsUntil(item.keyset.notAfter, now))];
    return made;
  }
}
