/** Proves one request without a server. */
import { randomBytes } from "node:crypto";
import { parseInferenceRequest } from "../../core/oip.ts";
import { verifySetup } from "../../paths/zk/evidence/setup.ts";
import { NONCE_BYTES, type StandaloneProof, standaloneContext } from "../../paths/zk/wire/standalone.ts";
import { type ProvenSample, type ProveOptions, proveSample, sampleOf } from "./prove-sample.ts";
import { type ProvingPackage, readPackageKey } from "./zk-package.ts";

/** A proof with what only its maker knows. */
export interface MadeProof extends Omit<ProvenSample, "proof" | "publicSignals"> {
  readonly document: StandaloneProof;
  /** Opens the commitment together with the input. */
  readonly salt: Uint8Array;
}

/**
 * Proves the request in `body`, an OIP request of one sample, by whichever prover is there.
 * @throws TrisealError of the request, `INPUT_OUT_OF_RANGE`, `ZK_KEY_INVALID`, `ZK_SETUP_INVALID`, or of the prover.
 */
export async function proveStandalone(zk: ProvingPackage, body: Uint8Array, options: ProveOptions): Promise<MadeProof> {
  const { checked, setup } = zk;
  const sample = sampleOf(zk, parseInferenceRequest(body));
  const verificationKey = await readPackageKey(zk);
  verifySetup(setup, verificationKey);
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const context = standaloneContext(checked.digest, nonce);
  const { proof, publicSignals, ...made } = await proveSample(zk, verificationKey, { ...sample, context }, options);
  const document = { modelDigest: checked.digest, nonce, publicSignals, proof, verificationKey, setup };
  return { document, salt: sample.salt, ...made };
}
