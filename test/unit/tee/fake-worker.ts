/** A worker without a process, for unit tests: keys, evidence, and answers that a test may spoil. */

import { type BindingContext, makeBinding } from "../../../src/core/binding.ts";
import { encodeBase64, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { type CallerFacts, factsDigest } from "../../../src/core/oip.ts";
import { openRequest, parseEnvelope } from "../../../src/paths/tee/wire/envelope.ts";
import { encodeFrame } from "../../../src/paths/tee/wire/frame.ts";
import {
  encodeWorkerEvidence,
  SEAL_MLKEM768_X25519,
  SEAL_X25519,
  type WorkerKeyset,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../../../src/paths/tee/wire/keyset.ts";
import { signTeeLeg, type TeeLegStatement } from "../../../src/paths/tee/wire/leg.ts";
import { makeSealKey, publicSealKey, type SealKey, strongestSealKey } from "../../../src/paths/tee/wire/seal-suite.ts";
import { encodeSimulatedEvidence } from "../../../src/paths/tee/wire/simulated.ts";
import { createSigner, generateKey } from "../../../src/signing/ed25519-signer.ts";

const platform = createSigner("platform", generateKey());

/** The digest of the one model that a fake worker has. */
export const modelDigest = digestOf(utf8("a model"));

/** What a test may change in an answer before it is signed. */
export type Spoil = (statement: TeeLegStatement) => TeeLegStatement;

/** The key that a sender takes from `keyset`. */
export function sealKeyOf(keyset: WorkerKeyset): SealKey {
  const key = strongestSealKey(keyset);
  if (key === null) throw new Error("the keyset has no seal key");
  return key;
}

/** Keys of a worker, and what it would say. */
export async function createFakeWorker(notAfter = 10_000) {
  const legSigner = createSigner("leg-1", generateKey());
  const sealKeys = [await makeSealKey("seal-pq-1", SEAL_MLKEM768_X25519), await makeSealKey("seal-1", SEAL_X25519)];
  const keyset: WorkerKeyset = {
    v: 1,
    subject: "fake",
    notAfter,
    legKeys: [{ keyId: "leg-1", algo: "ed25519", publicKey: legSigner.publicKey }],
    sealKeys: sealKeys.map(publicSealKey),
  };
  const files = [{ path: "enclave/worker/main.js", digest: digestOf(utf8("code")) }];
  const evidence = (nonce: string, change: object = {}) => {
    const statement = {
      purpose: "triseal.worker.v1" as const,
      keysetDigest: workerKeysetDigest(keyset),
      nonce,
      workerDigest: workerFilesDigest(files),
      modelDigests: [modelDigest],
      gpuEvidenceDigest: null,
      ...change,
    };
    const signed = encodeSimulatedEvidence(workerReportData(statement), statement.workerDigest, platform);
    return encodeWorkerEvidence({ v: 1, type: "simulated", evidence: encodeBase64(signed), statement, keyset, files });
  };
  const answer = async (envelope: Uint8Array, context: BindingContext, facts: CallerFacts, spoil: Spoil = (same) => same) => {
    const opened = await openRequest(parseEnvelope(envelope), sealKeys);
    const response = utf8("the answer");
    const sealed = await opened.sealResponse(response);
    const statement: TeeLegStatement = {
      binding: makeBinding(context, digestOf(opened.plaintext), digestOf(response)),
      factsDigest: factsDigest(facts),
      wire: { requestDigest: digestOf(envelope), responseDigest: digestOf(sealed) },
      inputCommitment: null,
      outputs: null,
    };
    const leg = signTeeLeg(spoil(statement), legSigner);
    return { leg, sealed, response, frame: encodeFrame({ v: 1, legLength: leg.length, requestGuessable: false }, leg, sealed) };
  };
  return { keyset, legSigner, evidence, answer };
}
