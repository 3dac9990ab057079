/** One sealed request from frame to signed answer: the steps that an attested worker vouches for. */
import { makeBinding } from "../../src/core/binding.ts";
import { digestOf, type Sha256Digest } from "../../src/core/digest.ts";
import { isTrisealError, TrisealError } from "../../src/core/errors.ts";
import {
  type CallerFacts,
  type CommitParameters,
  callerFacts,
  encodeInferenceResponse,
  factsDigest,
  hasUnguessableId,
  type InferenceRequest,
  parseInferenceRequest,
  parseInputs,
  type RequestedOutput,
  requestedOutputs,
} from "../../src/core/oip.ts";
import { inStage, type Stages } from "../../src/core/stage.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import type { Clock } from "../../src/core/time.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { teeError } from "../../src/paths/tee/wire/codes.ts";
import { MAX_SEAL_SECONDS, openRequest, parseEnvelope, type SealedEnvelope } from "../../src/paths/tee/wire/envelope.ts";
import { decodeInferHead, frameParts, type InferHead, parseFrame } from "../../src/paths/tee/wire/frame.ts";
import { signTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import {
  commitRun,
  encodedInput,
  type RunCommitment,
  type RunStatement,
  readCommitParameters,
  runStatement,
  saltParameter,
} from "./commit-run.ts";
import { packTensor, type RawTensor, unpackTensor } from "./element-type.ts";
import { packInteger } from "./integer-run.ts";
import type { KeyGeneration, KeyRing } from "./key-ring.ts";
import type { ModelLanes } from "./model-lane.ts";
import type { ReplayGuard } from "./replay-guard.ts";

/** Seconds by which the clocks of sender and worker may differ. */
const CLOCK_SKEW_S = 5;

/** What answering needs of the worker. */
export interface WorkerParts {
  readonly models: ReadonlyMap<string, ModelPackage>;
  /** Integer models by name: their inputs are encoded before they run. */
  readonly integers: ReadonlyMap<string, CheckedModel>;
  readonly keys: KeyRing;
  readonly guard: ReplayGuard;
  readonly lanes: ModelLanes;
  readonly clock: Clock;
  readonly maxTensorElements: number;
}

/** A frame that may be opened: parsed, in time, for a key and a model of this worker. Nothing is opened yet. */
export interface AcceptedFrame {
  readonly head: InferHead;
  readonly envelope: SealedEnvelope;
  readonly envelopeBytes: Uint8Array;
  readonly generation: KeyGeneration;
  readonly model: ModelPackage;
}

/**
 * Parses a request frame and checks everything that can be checked without opening it.
 * @throws TrisealError `FORMAT_INVALID`, `SEALED_MALFORMED`, `SEALED_EXPIRED`, `WORKER_KEY_STALE`, `MODEL_UNKNOWN`.
 */
export function acceptFrame(bytes: Uint8Array, worker: WorkerParts): AcceptedFrame {
  const { head, body } = parseFrame(bytes, decodeInferHead);
  const envelope = parseEnvelope(body);
  const now = worker.clock();
  if (envelope.exp + CLOCK_SKEW_S < now) throw teeError("SEALED_EXPIRED", "the envelope has expired");
  if (envelope.exp > now + MAX_SEAL_SECONDS + CLOCK_SKEW_S) {
    throw teeError("SEALED_EXPIRED", `the envelope expires more than ${MAX_SEAL_SECONDS} seconds ahead`);
  }
  const generation = worker.keys.find(envelope.keysetDigest);
  if (generation === null)
    throw teeError("WORKER_KEY_STALE", "the envelope is sealed to a keyset that this worker does not have");
  const model = worker.models.get(envelope.model);
  if (model === undefined || model.digest !== head.modelDigest) {
    throw new TrisealError("MODEL_UNKNOWN", `this worker has no model \`${envelope.model}\` of the decided digest`);
  }
  return { head, envelope, envelopeBytes: body, generation, model };
}

/** Messages for errors about what was inside a sealed body: from the model's public declaration only, never from the body. */
function publicMessage(code: string, model: ModelPackage): string | null {
  const specs = (list: ModelPackage["inputs"]) =>
    list.map((spec) => `\`${spec.name}\` ${spec.datatype} [${spec.shape.join(",")}]`);
  switch (code) {
    case "REQUEST_MALFORMED":
      return "the sealed body is no Open Inference Protocol request in strict JSON, or a parameter of Triseal in it has another form";
    case "REQUEST_BATCH":
      return "an integer model takes one row per request";
    case "INPUT_OUT_OF_RANGE":
      return "an input of the sealed request is outside the range that the integer model was built for";
    case "REQUEST_NOT_FINITE":
      return "an input or an output of the sealed request is not finite";
    case "REQUEST_TENSOR_INVALID":
      return `the sealed tensors do not fit the model: inputs ${specs(model.inputs).join(", ")}; outputs ${specs(model.outputs).join(", ")}`;
    default:
      return null;
  }
}

/** Runs `step` on opened content; whatever it throws leaves with a message that quotes nothing of that content. */
function onContent<T>(model: ModelPackage, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const message = isTrisealError(error) ? publicMessage(error.code, model) : null;
    if (!isTrisealError(error) || message === null)
      throw new TrisealError("INTERNAL", "the worker could not handle the opened request");
    throw new TrisealError(error.code as "REQUEST_MALFORMED", message);
  }
}

interface ReadRequest {
  readonly request: InferenceRequest;
  readonly facts: CallerFacts;
  readonly inputs: readonly Tensor[];
  readonly asked: readonly RequestedOutput[];
  /** Null for a float model. */
  readonly commit: CommitParameters | null;
}

function readContent(plaintext: Uint8Array, model: ModelPackage, worker: WorkerParts): ReadRequest {
  return onContent(model, () => {
    const request = parseInferenceRequest(plaintext);
    const inputs = parseInputs(request, model.inputs, worker.maxTensorElements);
    return {
      request,
      facts: callerFacts(request.parameters),
      inputs,
      asked: requestedOutputs(request, model.outputs),
      commit: readCommitParameters(worker.integers.get(model.name), request.parameters, inputs),
    };
  });
}

/** Inputs as the runtime takes them: encoded as integers, and refused out of range, where the model is an integer form. */
function packInputs(worker: WorkerParts, model: ModelPackage, inputs: readonly Tensor[]): readonly RawTensor[] {
  const checked = worker.integers.get(model.name);
  if (checked === undefined) return inputs.map(packTensor);
  return onContent(model, () => inputs.map((tensor) => packInteger(checked, tensor)));
}

interface Ran {
  readonly outputs: readonly Tensor[];
  /** Null for a float model. */
  readonly commitment: RunCommitment | null;
}

/** Runs the model on its thread, and beside it commits to the input of an integer model. */
async function runModel(
  { envelope, model }: AcceptedFrame,
  content: ReadRequest,
  worker: WorkerParts,
  place: ReturnType<ModelLanes["enter"]>,
  signal: AbortSignal,
): Promise<Ran> {
  const fetches = content.asked.map(({ name }) => name);
  const feeds = packInputs(worker, model, content.inputs);
  const checked = worker.integers.get(model.name);
  if (checked === undefined || content.commit === null) {
    return {
      outputs: readOutputs(await place.run({ model: model.name, feeds, fetches }, signal), model, fetches),
      commitment: null,
    };
  }
  const input = encodedInput(feeds);
  const running = place.run({ model: model.name, feeds, fetches }, signal);
  // Awaited below: a run that fails meanwhile is no unhandled rejection.
  running.catch(() => undefined);
  const commitment = commitRun(checked, content.commit, envelope, input);
  return { outputs: readOutputs(await running, model, fetches), commitment };
}

function claimOnce(accepted: AcceptedFrame, worker: WorkerParts): void {
  const { enc, exp } = accepted.envelope;
  switch (worker.guard.claim(digestOf(enc), exp + CLOCK_SKEW_S, worker.clock())) {
    case "fresh":
      return;
    case "replayed":
      throw teeError("SEALED_REPLAYED", "this envelope was already opened");
    case "full":
      throw teeError("WORKER_OVERLOADED", "the worker cannot remember more envelopes now");
    case "forgotten":
      throw teeError("SEALED_EXPIRED", "the envelope has expired");
  }
}

function readOutputs(raw: readonly RawTensor[], model: ModelPackage, fetches: readonly string[]): readonly Tensor[] {
  return fetches.map((name) => {
    const spec = model.outputs.find((output) => output.name === name);
    const found = raw.find((output) => output.name === name);
    const tensor = spec === undefined || found === undefined ? null : unpackTensor(found, spec);
    if (tensor === null) throw teeError("WORKER_FAILED", "the model's output is not as its package declares");
    return tensor;
  });
}

interface Produced {
  readonly requestDigest: Sha256Digest;
  readonly responseDigest: Sha256Digest;
  readonly factsDigest: Sha256Digest;
  readonly run: RunStatement;
  readonly sealed: Uint8Array;
}

function signLeg(accepted: AcceptedFrame, produced: Produced): Uint8Array {
  const { head, generation, model, envelopeBytes } = accepted;
  const context = { modelDigest: model.digest, decisionDigest: head.decisionDigest, nonce: head.nonce };
  return signTeeLeg(
    {
      binding: makeBinding(context, produced.requestDigest, produced.responseDigest),
      factsDigest: produced.factsDigest,
      wire: { requestDigest: digestOf(envelopeBytes), responseDigest: digestOf(produced.sealed) },
      ...produced.run,
    },
    generation.legSigner,
  );
}

async function answerInPlace(
  accepted: AcceptedFrame,
  worker: WorkerParts,
  place: ReturnType<ModelLanes["enter"]>,
  signal: AbortSignal,
  stages?: Stages,
): Promise<readonly Uint8Array[]> {
  const { envelope, generation, model } = accepted;
  const opened = await inStage(stages, "open", () => openRequest(envelope, generation.sealKeys));
  // Claimed only after it opened, so that nobody fills the guard with what was never sealed; in one step with the
  // check, so that of two copies in flight one is refused.
  claimOnce(accepted, worker);
  signal.throwIfAborted();
  const content = await inStage(stages, "parse", () => readContent(opened.plaintext, model, worker));
  const facts = factsDigest(content.facts);
  if (facts !== factsDigest(envelope.facts)) {
    throw teeError("SEALED_FACTS_MISMATCH", "the facts inside the sealed body are not those outside");
  }
  const ran = await inStage(stages, "compute", () => runModel(accepted, content, worker, place, signal));
  const { outputs, commitment } = ran;
  const id = content.request.id ?? null;
  const binary = new Set(content.asked.flatMap((output) => (output.binary ? [output.name] : [])));
  const answer = { modelName: model.name, modelVersion: model.version, id, ...saltParameter(commitment), outputs };
  const response = onContent(model, () => encodeInferenceResponse(answer, (name) => binary.has(name)));
  const sealed = await inStage(stages, "seal answer", () => opened.sealResponse(response));
  const sign = () =>
    signLeg(accepted, {
      requestDigest: digestOf(opened.plaintext),
      responseDigest: digestOf(response),
      factsDigest: facts,
      run: runStatement(commitment, outputs),
      sealed,
    });
  const leg = await inStage(stages, "sign leg", sign);
  return frameParts({ v: 1, legLength: leg.length, requestGuessable: !hasUnguessableId(id) }, leg, sealed);
}

/**
 * The parts of the answer frame to an accepted request: opened, checked again, run, sealed back and signed.
 * @param signal aborts with a `TrisealError` as its reason: `DEADLINE_EXCEEDED` or `CLIENT_ABORTED`.
 * @param stages told of `open`, `parse`, `compute`, `seal answer` and `sign leg`; for measurements.
 * @throws TrisealError `SEALED_UNOPENABLE`, `SEALED_REPLAYED`, `SEALED_FACTS_MISMATCH`, `REQUEST_*`, `WORKER_OVERLOADED`,
 *   `WORKER_FAILED`, or the reason of `signal`. No message quotes the opened content.
 */
export async function answerFrame(
  accepted: AcceptedFrame,
  worker: WorkerParts,
  signal: AbortSignal,
  stages?: Stages,
): Promise<readonly Uint8Array[]> {
  const place = worker.lanes.enter();
  try {
    return await answerInPlace(accepted, worker, place, signal, stages);
  } finally {
    place.leave();
  }
}
