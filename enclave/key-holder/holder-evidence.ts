/** The key that a holder signs with, and the platform's word for it: keyset and configuration under one nonce. */
import { encodeBase64, parseHex } from "../../src/core/bytes.ts";
import type { Sha256Digest } from "../../src/core/digest.ts";
import type { Signer } from "../../src/core/ed25519.ts";
import type { Clock } from "../../src/core/time.ts";
import {
  encodeWorkerEvidence,
  type ReleasedFiles,
  type WorkerKeyset,
  type WorkerStatement,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../../src/paths/tee/wire/keyset.ts";
import { deviceEvidenceDigest } from "../../src/paths/tee/wire/platform-evidence.ts";
import { createSigner, generateKey } from "../../src/signing/ed25519-signer.ts";
import type { Attester } from "../attester/attester.ts";

const LIFETIME_S = 31 * 86_400;

/** What evidence is made from. */
export interface EvidenceParts {
  readonly attester: Attester;
  readonly files: ReleasedFiles;
  /** Digest of the measured configuration. */
  readonly configuration: Sha256Digest;
  readonly clock: Clock;
}

/** A key of this process, which no file holds. */
export interface HolderKey {
  readonly signer: Signer;
  readonly keyset: WorkerKeyset;
}

/** Makes keys and their evidence. */
export class HolderEvidence {
  private readonly parts: EvidenceParts;
  private key: HolderKey | null = null;

  constructor(parts: EvidenceParts) {
    this.parts = parts;
  }

  /** The key to sign with: a new one once half of the lifetime of the last has passed. */
  current(): HolderKey {
    const now = this.parts.clock();
    if (this.key !== null && this.key.keyset.notAfter - now > LIFETIME_S / 2) return this.key;
    const signer = createSigner("reveal-1", generateKey());
    const legKeys = [{ keyId: signer.keyId, algo: "ed25519", publicKey: signer.publicKey }] as const;
    this.key = { signer, keyset: { v: 1, subject: "key-holder", notAfter: now + LIFETIME_S, legKeys, sealKeys: [] } };
    return this.key;
  }

  /** The bytes of fresh evidence for `key` under `nonce`, 64 hexadecimal digits. @throws TrisealError with a code of an attester. */
  async report({ keyset }: HolderKey, nonce: string, signal: AbortSignal): Promise<Uint8Array> {
    const { attester, files, configuration } = this.parts;
    const devices = await attester.devices(parseHex(nonce), signal);
    const statement: WorkerStatement = {
      purpose: "triseal.key-holder.v1",
      keysetDigest: workerKeysetDigest(keyset),
      nonce,
      workerDigest: workerFilesDigest(files),
      modelDigests: [configuration],
      gpuEvidenceDigest: deviceEvidenceDigest(devices),
    };
    const evidence = encodeBase64(await attester.evidence(workerReportData(statement), devices, signal));
    return encodeWorkerEvidence({ v: 1, type: attester.type, evidence, statement, keyset, files });
  }
}
