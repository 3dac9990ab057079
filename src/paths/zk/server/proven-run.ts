/** What a proven run leaves: the answer, the leg, and for an answer of another path what of it is to be proven. */
import { makeBinding } from "../../../core/binding.ts";
import { encodeHex, equalBytes } from "../../../core/bytes.ts";
import { digestOf } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import {
  commitParameters,
  encodeInferenceResponse,
  hasUnguessableId,
  type InferenceRequest,
  parseInferenceResponse,
  requestedOutputs,
} from "../../../core/oip.ts";
import type { BoundRequest, ConfirmingLeg } from "../../path.ts";
import type { Witness } from "../compile/witness.ts";
import { commitmentText, encodeZkLeg, ZK_LEG_TYPE } from "../wire/leg.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import type { ProvenStatement } from "./prover-process.ts";
import type { ProvingModel } from "./proving-model.ts";

/** A run that is proven: its outputs, and the proof with what it states. */
export type ProvenRun = Pick<Witness, "outputs" | "publicSignals"> & Pick<ProvenStatement, "proof">;

/** The answer of a proven run. It holds the salt, for the caller alone. */
export function responseOf(
  { model }: ProvingModel,
  asked: InferenceRequest,
  salt: Uint8Array,
  { outputs }: ProvenRun,
): Uint8Array {
  const binary = new Set(requestedOutputs(asked, model.outputs).flatMap((output) => (output.binary ? [output.name] : [])));
  const [spec] = model.outputs;
  if (spec === undefined) throw new TrisealError("MODEL_INVALID", "the model has no output");
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  return encodeInferenceResponse(
    {
      modelName: model.name,
      modelVersion: model.version,
      id: asked.id ?? null,
      parameters: { triseal_salt: encodeHex(salt) },
      outputs: [{ name: spec.name, datatype: "INT32", shape, data: outputs }],
    },
    (name) => binary.has(name),
  );
}

/** The leg of a proven run about an exchange, with the documents that it cites. */
export function legOf(
  request: BoundRequest,
  { circuit: { weights }, circuitDigest, keyBytes, keyDigest, setupBytes, prover }: ProvingModel,
  { id }: InferenceRequest,
  { outputs, publicSignals, proof }: ProvenRun,
  response: Uint8Array,
): ConfirmingLeg {
  const setupDigest = digestOf(setupBytes);
  const binding = makeBinding(request.context, digestOf(request.body), digestOf(response));
  const hidden = weights === null ? {} : { architectureDigest: weights.architectureDigest };
  const cited = { circuitDigest, keyDigest, setupDigest, ...hidden };
  return {
    bytes: encodeZkLeg({ v: 1, binding, proof, publicSignals, ...cited, prover: prover.kind }),
    mediaType: ZK_LEG_TYPE,
    sessionId: null,
    evidenceDigest: setupDigest,
    evidenceMediaType: ZK_SETUP_TYPE,
    blobs: [keyBytes, setupBytes],
    requestGuessable: !hasUnguessableId(id),
    states: {
      inputCommitment: commitmentText(publicSignals[0] ?? 0n),
      outputs: Array.from(outputs),
      outputCommitment: null,
    },
  };
}

/** The salt that an answer names: the caller's own where it brought one. @throws TrisealError `LEG_INPUT_MISMATCH`. */
export function answeredSalt(response: Uint8Array, asked: Uint8Array | null): Uint8Array {
  const salt = readAnswer(() => commitParameters(parseInferenceResponse(response).parameters).salt);
  if (salt === null || (asked !== null && !equalBytes(salt, asked)))
    throw new TrisealError("LEG_INPUT_MISMATCH", "the answer names no salt, or another one than the request brought");
  return salt;
}

/** The integers of an answer's one output, or null where it has another form. */
export function answeredOutputs(response: Uint8Array): readonly number[] | null {
  const outputs = readAnswer(() => parseInferenceResponse(response).outputs);
  return outputs?.length === 1 ? Array.from<unknown, number>(outputs[0]?.data ?? [], Number) : null;
}

/** What `read` finds in an answer; null where it cannot be read, which its backend is to blame for. */
function readAnswer<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
