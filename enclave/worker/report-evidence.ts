/** The worker's evidence package: what it states about itself, and the platform's word for it (receipt/SPEC.md section 3.1). */
import { encodeBase64, parseHex } from "../../src/core/bytes.ts";
import type { Sha256Digest } from "../../src/core/digest.ts";
import {
  encodeWorkerEvidence,
  type ReleasedFiles,
  type WorkerStatement,
  workerReportData,
} from "../../src/paths/tee/wire/keyset.ts";
import { deviceEvidenceDigest } from "../../src/paths/tee/wire/platform-evidence.ts";
import type { Attester } from "../attester/attester.ts";
import type { KeyRing } from "./key-ring.ts";

/** What a report is made from. */
export interface ReportParts {
  readonly attester: Attester;
  readonly keys: KeyRing;
  readonly files: ReleasedFiles;
  readonly workerDigest: Sha256Digest;
  /** Digests of the models that this worker loaded, sorted. */
  readonly modelDigests: readonly Sha256Digest[];
}

/** The bytes of a fresh evidence package under the challenge `nonce`, 64 hexadecimal digits. */
export async function reportEvidence(parts: ReportParts, nonce: string, signal: AbortSignal): Promise<Uint8Array> {
  const { keyset, digest: keysetDigest } = await parts.keys.current();
  const devices = await parts.attester.devices(parseHex(nonce), signal);
  const statement: WorkerStatement = {
    purpose: "triseal.worker.v1",
    keysetDigest,
    nonce,
    workerDigest: parts.workerDigest,
    modelDigests: parts.modelDigests,
    gpuEvidenceDigest: deviceEvidenceDigest(devices),
  };
  const evidence = encodeBase64(await parts.attester.evidence(workerReportData(statement), devices, signal));
  return encodeWorkerEvidence({ v: 1, type: parts.attester.type, evidence, statement, keyset, files: parts.files });
}
