/** Proves one request on this machine, under a challenge of a gateway that never sees it, and submits the proof. */
import type { TrisealClient, VerifiedAnswer } from "../../client/index.ts";
import type { JsonObject } from "../../core/json.ts";
import { callerFacts, parseInferenceRequest } from "../../core/oip.ts";
import { callerProofUnder, readCallerTerms } from "../../paths/zk/client/caller-proofs.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { withHandedKey } from "./handed-key.ts";
import { type ProvenSample, type ProveOptions, proveSample, sampleOf } from "./prove-sample.ts";
import type { CompiledModel } from "./zk-package.ts";

/** A proof that the gateway receipted, with what only its maker knows. */
export interface SubmittedProof extends Omit<ProvenSample, "proof" | "publicSignals"> {
  readonly answer: VerifiedAnswer;
  /** Opens the commitment together with the input. */
  readonly salt: Uint8Array;
  /** The document that was submitted: what the receipt's request digest is over. */
  readonly document: Uint8Array;
}

/**
 * Proves the request in `body` and submits the proof. Input and salt stay here.
 * @throws TrisealError of the request before anything is sent; the service's code for a refusal; `ZK_SETUP_INVALID` where the
 *   service proves another circuit than the package compiles to; `ZK_KEY_INVALID`; `VERIFICATION_FAILED`; of the prover.
 */
export async function proveForGateway(
  model: CompiledModel,
  body: Uint8Array,
  client: TrisealClient,
  options: ProveOptions,
): Promise<SubmittedProof> {
  const request = parseInferenceRequest(body);
  const sample = sampleOf(model, request);
  options.stage("asking for a challenge");
  const parameters = callerFacts(request.parameters) as JsonObject;
  const challenge = await client.challenge({ model: model.model.name, modelDigest: model.checked.digest, parameters });
  const terms = readCallerTerms(challenge.terms);
  if (terms.circuitDigest !== model.circuitDigest)
    throw zkError("ZK_SETUP_INVALID", "the service proves another circuit than this model compiles to");
  const { context, document } = callerProofUnder(challenge);
  const made = await withHandedKey(terms, client, model.folder, (zkeyFile, key) =>
    proveSample({ ...model, zkeyFile }, key, { ...sample, context }, options),
  );
  options.stage("submitting");
  const { proof, publicSignals, ...rest } = made;
  const submitted = document(publicSignals, proof);
  const answer = await client.submit(challenge, submitted);
  return { ...rest, answer, salt: sample.salt, document: submitted };
}
