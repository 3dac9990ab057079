/** Proofs of inferences that callers make on their own machines. */
import { TrisealError } from "../../../core/errors.ts";
import type { PathAnswer, PathRoute, Submission } from "../../path.ts";
import {
  CALLER_CONTEXT,
  CALLER_LEG_TYPE,
  callerContext,
  MAX_CALLER_PROOF_BYTES,
  parseCallerProof,
  SUBMITS_PROOF,
} from "../wire/caller-proof.ts";
import { zkError } from "../wire/codes.ts";
import { commitmentText, readSignals } from "../wire/leg.ts";
import { answerTo, assertDecided, type CallerProvenModel, challengeRoute, publicModel, readSubmitted } from "./caller-routes.ts";

function answerOf(submission: Submission, proving: CallerProvenModel): PathAnswer {
  const document = readSubmitted(() => parseCallerProof(submission.body));
  assertDecided(document, submission);
  const stated = readSubmitted(() => readSignals(document.publicSignals, false));
  if (stated.context !== callerContext(document)) {
    throw zkError("ZK_CONTEXT_MISMATCH", "the proof's context is not that of a caller's proof under this challenge");
  }
  const { model, circuit, verifier } = proving;
  const [spec] = model.outputs;
  if (spec === undefined || stated.outputs.length !== circuit.outputs || !verifier.verify(document.proof, document.publicSignals))
    throw zkError("ZK_PROOF_INVALID", "the proof does not hold for its public signals under the model's key");
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  const outputs = [{ name: spec.name, datatype: "INT32" as const, shape, data: Int32Array.from(stated.outputs) }];
  const states = {
    inputCommitment: commitmentText(stated.inputCommitment),
    outputs: [...stated.outputs],
    outputCommitment: null,
  };
  return answerTo(submission, proving, { context: CALLER_CONTEXT, mediaType: CALLER_LEG_TYPE }, outputs, states);
}

/**
 * The addresses `challenges` and `proofs` over models that are proven here. A model whose proving key is confidential is
 * refused with `PROVING_KEY_CONFIDENTIAL`.
 */
export function callerProofRoutes(models: readonly CallerProvenModel[]): readonly PathRoute[] {
  return [
    challengeRoute("challenges", SUBMITS_PROOF, models),
    {
      kind: "submission",
      address: "proofs",
      maxBodyBytes: MAX_CALLER_PROOF_BYTES,
      submits: SUBMITS_PROOF,
      parse: (body) => {
        const { nonce, modelDigest } = readSubmitted(() => parseCallerProof(body));
        return { nonce, modelDigest };
      },
      accept: async (submission, { signal }) => {
        if (signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
        return answerOf(submission, publicModel(models, submission.model.name));
      },
    },
  ];
}
