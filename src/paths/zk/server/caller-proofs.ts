/** Proofs that callers make on their own machines: challenges, the keys that they need, and the check of what they submit. */
import { readFile } from "node:fs/promises";
import { jsonObject, object, text } from "../../../core/decode.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { callerFacts, encodeInferenceResponse, factsDigest } from "../../../core/oip.ts";
import { messageType } from "../../../core/oip-body.ts";
import type {
  ChallengeRoute,
  DocumentRoute,
  PathAnswer,
  PathRoute,
  RouteDocument,
  Submission,
  SubmissionOffer,
  SubmissionRoute,
} from "../../path.ts";
import { evidenceTypeOf } from "../evidence/proven-statement.ts";
import {
  CALLER_LEG_TYPE,
  type CallerProof,
  type CallerTerms,
  callerContext,
  encodeCallerLeg,
  MAX_CALLER_PROOF_BYTES,
  parseCallerProof,
  SUBMITS_PROOF,
} from "../wire/caller-proof.ts";
import { zkError } from "../wire/codes.ts";
import { readSignals } from "../wire/leg.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import type { ProvingModel } from "./proving-model.ts";

/** A model that callers prove, as far as that needs no prover here. */
export type CallerProvenModel = Pick<
  ProvingModel,
  "model" | "circuitDigest" | "setup" | "setupBytes" | "keyBytes" | "keyDigest" | "verifier" | "publicKeyFile"
> & { readonly circuit: Pick<ProvingModel["circuit"], "outputs"> };

/** Largest body that asks for a challenge. */
const MAX_CHALLENGE_BYTES = 16_384;

const decodeAsked = object({ model: text(128) }, { parameters: jsonObject });

/** What `read` gives; a malformed document is refused with `code`. */
function readAs<T>(refusal: (message: string) => TrisealError, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isTrisealError(error, "FORMAT_INVALID")) throw error;
    throw refusal(error.message);
  }
}

const malformed = (message: string) => zkError("ZK_SUBMISSION_MALFORMED", message);

/** The model, whose proving key its owner hands out. @throws TrisealError `MODEL_UNKNOWN`, `PROVING_KEY_CONFIDENTIAL`. */
function publicModel(models: readonly CallerProvenModel[], name: string): CallerProvenModel {
  const found = models.find(({ model }) => model.name === name);
  if (found === undefined) throw new TrisealError("MODEL_UNKNOWN", "no model of that name has a proving key here");
  if (found.publicKeyFile === null) throw zkError("PROVING_KEY_CONFIDENTIAL", "the proving key of this model is not handed out");
  return found;
}

function offerOf(proving: CallerProvenModel): SubmissionOffer {
  const { model, circuitDigest, keyDigest, setup, setupBytes, publicKeyFile } = proving;
  if (publicKeyFile === null) throw zkError("PROVING_KEY_CONFIDENTIAL", "the proving key of this model is not handed out");
  const provingKey = { digest: publicKeyFile.digest, bytes: publicKeyFile.byteLength };
  const terms: CallerTerms = { circuitDigest, keyDigest, setupDigest: digestOf(setupBytes), provingKey };
  // Where the caller's machine stands, and who runs it, nobody here can say: how the key was made is all that is known.
  const evidence = { name: "evidence_type", origin: "evidence", value: evidenceTypeOf(setup.state) } as const;
  return { model, backend: { id: `zk-caller:${model.name}`, path: "zk", facts: [evidence] }, terms: { ...terms } };
}

function challengeRoute(models: readonly CallerProvenModel[]): ChallengeRoute {
  return {
    kind: "challenge",
    address: "challenges",
    maxBodyBytes: MAX_CHALLENGE_BYTES,
    submits: SUBMITS_PROOF,
    parse: (body) => {
      const refusal = (message: string) => new TrisealError("REQUEST_MALFORMED", message);
      const { model, parameters } = readAs(refusal, () => decodeAsked(parseJson(body), "challenge"));
      return { modelName: model, facts: callerFacts(parameters) };
    },
    offer: (modelName) => offerOf(publicModel(models, modelName)),
  };
}

/** Whether the document is about what was decided. @throws TrisealError `ZK_CONTEXT_MISMATCH`. */
function assertDecided(document: CallerProof, { context, facts }: Submission): void {
  const other = (what: string) => zkError("ZK_CONTEXT_MISMATCH", `the document is about another ${what} than the challenge`);
  if (document.modelDigest !== context.modelDigest) throw other("model");
  if (document.decisionDigest !== context.decisionDigest) throw other("decision");
  if (document.factsDigest !== factsDigest(facts)) throw other("list of stated facts");
  if (document.nonce !== context.nonce) throw other("nonce");
}

function answerOf(submission: Submission, proving: CallerProvenModel): PathAnswer {
  const document = readAs(malformed, () => parseCallerProof(submission.body));
  assertDecided(document, submission);
  const { model, circuit, circuitDigest, keyBytes, keyDigest, setupBytes, verifier } = proving;
  const stated = readAs(malformed, () => readSignals(document.publicSignals));
  if (stated.context !== callerContext(document)) {
    throw zkError("ZK_CONTEXT_MISMATCH", "the proof's context is not that of a caller's proof under this challenge");
  }
  const [spec] = model.outputs;
  if (spec === undefined || stated.outputs.length !== circuit.outputs || !verifier.verify(document.proof, document.publicSignals))
    throw zkError("ZK_PROOF_INVALID", "the proof does not hold for its public signals under the model's key");
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  const outputs = [{ name: spec.name, datatype: "INT32" as const, shape, data: Int32Array.from(stated.outputs) }];
  const body = encodeInferenceResponse({ modelName: model.name, modelVersion: model.version, id: null, outputs });
  const requestDigest = digestOf(submission.body);
  const setupDigest = digestOf(setupBytes);
  const digests = { requestDigest, responseDigest: digestOf(body), circuitDigest, keyDigest, setupDigest };
  return {
    body,
    mediaType: messageType(body),
    forwardedDigest: requestDigest,
    leg: {
      bytes: encodeCallerLeg(digests),
      mediaType: CALLER_LEG_TYPE,
      sessionId: null,
      evidenceDigest: setupDigest,
      evidenceMediaType: ZK_SETUP_TYPE,
      blobs: [submission.body, keyBytes, setupBytes],
      requestGuessable: false,
    },
  };
}

function submissionRoute(models: readonly CallerProvenModel[]): SubmissionRoute {
  return {
    kind: "submission",
    address: "proofs",
    maxBodyBytes: MAX_CALLER_PROOF_BYTES,
    submits: SUBMITS_PROOF,
    parse: (body) => {
      const { nonce, modelDigest } = readAs(malformed, () => parseCallerProof(body));
      return { nonce, modelDigest };
    },
    accept: async (submission, { signal }) => {
      if (signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
      return answerOf(submission, publicModel(models, submission.model.name));
    },
  };
}

/** @throws TrisealError `KEY_FILE_INVALID` where the file is no longer the one that was opened. */
async function readKeyFile(file: string, named: Sha256Digest): Promise<Uint8Array> {
  const bytes = new Uint8Array(await readFile(file));
  if (digestOf(bytes) !== named) throw new TrisealError("KEY_FILE_INVALID", "a proving key was changed under the gateway");
  return bytes;
}

function documentRoute(models: readonly CallerProvenModel[]): DocumentRoute {
  const documents = new Map<string, RouteDocument>();
  const add = (named: Sha256Digest, byteLength: number, mediaType: string, read: () => Promise<Uint8Array>) =>
    documents.set(digestHex(named), { byteLength, mediaType, read });
  for (const { publicKeyFile: zkey, keyBytes, keyDigest, setupBytes } of models) {
    if (zkey === null) continue;
    add(zkey.digest, zkey.byteLength, "application/octet-stream", () => readKeyFile(zkey.file, zkey.digest));
    add(keyDigest, keyBytes.length, "application/json", async () => keyBytes);
    add(digestOf(setupBytes), setupBytes.length, ZK_SETUP_TYPE, async () => setupBytes);
  }
  return { kind: "document", address: "keys", find: (name) => documents.get(name) ?? null };
}

/**
 * The addresses `challenges`, `proofs` and `keys` over models that are proven here. A model whose proving key is confidential
 * is refused with `PROVING_KEY_CONFIDENTIAL`, and nothing of its key is served.
 */
export function callerProofRoutes(models: readonly CallerProvenModel[]): readonly PathRoute[] {
  return [challengeRoute(models), submissionRoute(models), documentRoute(models)];
}
