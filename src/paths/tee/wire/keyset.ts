/** The worker's keyset, its statement, and the evidence package that carries both (receipt/SPEC.md section 3.1). */
import {
  array,
  base64Bytes,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  integer,
  matching,
  nullable,
  object,
  oneOf,
  text,
} from "../../../core/decode.ts";
import { digestBytes, digestOfJson, type Sha256Digest } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";
import { MAX_PLATFORM_BYTES } from "./platform-evidence.ts";

/** HPKE suite of `X25519` seal keys: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180 section 7). */
export const SEAL_X25519 = "hpke-x25519-sha256-aes256gcm";

/**
 * HPKE suite of hybrid post-quantum seal keys: MLKEM768-X25519 (KEM 0x647a, draft-ietf-hpke-pq), HKDF-SHA256, AES-256-GCM.
 * A public key is 1216 bytes, `enc` is 1120.
 */
export const SEAL_MLKEM768_X25519 = "hpke-mlkem768-x25519-sha256-aes256gcm";

/** Media type of an evidence package, as an ACI session freezes it. */
export const WORKER_EVIDENCE_TYPE = "application/vnd.triseal.worker-evidence+json";

/** Decodes the name of a key within its keyset. */
export const keyId = matching(/[a-z0-9][a-z0-9.-]{0,63}/, "a key id");

/** Decodes a worker keyset. Keys are per role: a leg key signs legs and nothing else. */
export const decodeWorkerKeyset = object({
  v: oneOf(1),
  subject: text(128),
  notAfter: integer(),
  legKeys: array(object({ keyId, algo: oneOf("ed25519"), publicKey: hexText(32) }), 4),
  sealKeys: array(
    object({ keyId, algo: text(64), publicKey: matching(/(?:[0-9a-f]{2}){32,1216}/, "a public key in hexadecimal") }),
    8,
  ),
});

/** Public keys of one worker process, made inside it. `notAfter` is in seconds since the epoch. */
export type WorkerKeyset = Decoded<typeof decodeWorkerKeyset>;

/** What evidence is for: a worker that answers requests, or the holder of a key that decrypts (fhe SPEC 11). None counts as the other. */
export type EvidencePurpose = "triseal.worker.v1" | "triseal.key-holder.v1";

/** The statement whose digest is the report data. */
const statementFor = (purpose: EvidencePurpose) =>
  object({
    purpose: oneOf<EvidencePurpose>(purpose),
    keysetDigest: digest,
    /** The challenge of whoever asked for the evidence: 32 bytes. */
    nonce: hexText(32),
    /** Digest of the worker's released files. */
    workerDigest: digest,
    /** Of a key holder: its configuration alone. */
    modelDigests: array(digest, 1024),
    gpuEvidenceDigest: nullable(digest),
  });

/** Decodes the statement of a worker. */
export const decodeWorkerStatement: Decoder<WorkerStatement> = statementFor("triseal.worker.v1");

/** What a worker's evidence commits to. */
export type WorkerStatement = Decoded<ReturnType<typeof statementFor>>;

/** Digest of `keyset`, as sealed envelopes and statements name it. */
export function workerKeysetDigest(keyset: WorkerKeyset): Sha256Digest {
  return digestOfJson(keyset);
}

/** The 64-byte report data of `statement`: SHA-256 of its JCS form in bytes 0 to 31, zero in bytes 32 to 63. */
export function workerReportData(statement: WorkerStatement): Uint8Array {
  const reportData = new Uint8Array(64);
  reportData.set(digestBytes(digestOfJson(statement)));
  return reportData;
}

const releasedFiles = array(object({ path: matching(/[A-Za-z0-9@._/-]{1,256}/, "a file path"), digest }), 4096);

/** The worker's released files, sorted by path. */
export type ReleasedFiles = Decoded<typeof releasedFiles>;

/** Digest of a list of released files: SHA-256 of its JCS form. */
export function workerFilesDigest(files: ReleasedFiles): Sha256Digest {
  return digestOfJson(files);
}

const evidenceFor = (purpose: EvidencePurpose) =>
  object({
    v: oneOf(1),
    /** Kind of the evidence: `simulated`, `sev-snp`, `tdx` and so on; it selects the appraiser. */
    type: matching(/[a-z0-9][a-z0-9-]{0,31}/, "an evidence type"),
    evidence: base64Bytes(MAX_PLATFORM_BYTES),
    statement: statementFor(purpose),
    keyset: decodeWorkerKeyset,
    files: releasedFiles,
  });

/** Evidence of one worker with everything that it commits to. */
export type WorkerEvidence = Decoded<ReturnType<typeof evidenceFor>>;

/** The JSON form of an evidence package whose `evidence` is already in base64. */
export interface WorkerEvidenceDocument extends Omit<WorkerEvidence, "evidence"> {
  readonly evidence: string;
}

/** The bytes of an evidence package, in JCS form. */
export function encodeWorkerEvidence(document: WorkerEvidenceDocument): Uint8Array {
  return encodeJcs({ ...document });
}

const decodeWorker = evidenceFor("triseal.worker.v1");
const decodeHolder = evidenceFor("triseal.key-holder.v1");

/**
 * Parses the evidence package of a worker. Checks no digest and no signature: that is the appraiser's work.
 * @throws TrisealError `FORMAT_INVALID`, also for the package of a key holder.
 */
export function parseWorkerEvidence(bytes: Uint8Array): WorkerEvidence {
  return decodeWorker(parseJson(bytes), "worker evidence");
}

/**
 * Parses the evidence package of a key holder, as `parseWorkerEvidence` does.
 * @throws TrisealError `FORMAT_INVALID`, also for the package of a worker.
 */
export function parseHolderEvidence(bytes: Uint8Array): WorkerEvidence {
  return decodeHolder(parseJson(bytes), "key holder evidence");
}
