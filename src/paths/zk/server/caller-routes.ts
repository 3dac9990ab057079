/** What all that callers prove themselves have in common: challenges, the keys that they need, and the answer to what they submit. */
import { readFile } from "node:fs/promises";
import { jsonObject, object, text } from "../../../core/decode.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { callerFacts, encodeInferenceResponse, factsDigest } from "../../../core/oip.ts";
import { messageType } from "../../../core/oip-body.ts";
import type { Tensor } from "../../../core/tensor.ts";
import type {
  ChallengeRoute,
  DocumentRoute,
  PathAnswer,
  RouteDocument,
  RunStatement,
  Submission,
  SubmissionOffer,
} from "../../path.ts";
import { evidenceTypeOf } from "../evidence/proven-statement.ts";
import type { CallerStatement, CallerTerms } from "../wire/caller-proof.ts";
import { zkError } from "../wire/codes.ts";
import { ZK_SETUP_TYPE } from "../wire/setup.ts";
import { encodeSubmittedLeg } from "../wire/submitted-leg.ts";
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

/** A submitted document. @throws TrisealError `ZK_SUBMISSION_MALFORMED` where `read` finds it malformed. */
export function readSubmitted<T>(read: () => T): T {
  return readAs((message) => zkError("ZK_SUBMISSION_MALFORMED", message), read);
}

/** The model, whose proving key its owner hands out. @throws TrisealError `MODEL_UNKNOWN`, `PROVING_KEY_CONFIDENTIAL`. */
export function publicModel(models: readonly CallerProvenModel[], name: string): CallerProvenModel {
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

/** Challenges for submissions about `models`, at one address. */
export function challengeRoute(address: string, submits: string, models: readonly CallerProvenModel[]): ChallengeRoute {
  return {
    kind: "challenge",
    address,
    maxBodyBytes: MAX_CHALLENGE_BYTES,
    submits,
    parse: (body) => {
      const refusal = (message: string) => new TrisealError("REQUEST_MALFORMED", message);
      const { model, parameters } = readAs(refusal, () => decodeAsked(parseJson(body), "challenge"));
      return { modelName: model, facts: callerFacts(parameters) };
    },
    offer: (modelName) => offerOf(publicModel(models, modelName)),
  };
}

/** Whether a document is about what was decided. @throws TrisealError `ZK_CONTEXT_MISMATCH`. */
export function assertDecided(document: CallerStatement, { context, facts }: Submission): void {
  const other = (what: string) => zkError("ZK_CONTEXT_MISMATCH", `the document is about another ${what} than the challenge`);
  if (document.modelDigest !== context.modelDigest) throw other("model");
  if (document.decisionDigest !== context.decisionDigest) throw other("decision");
  if (document.factsDigest !== factsDigest(facts)) throw other("list of stated facts");
  if (document.nonce !== context.nonce) throw other("nonce");
}

/** The answer to a submission that holds. @param leg the kind of its context and the media type. */
export function answerTo(
  { body: document }: Submission,
  { model, circuitDigest, keyBytes, keyDigest, setupBytes }: CallerProvenModel,
  leg: { readonly context: string; readonly mediaType: string },
  outputs: readonly Tensor[],
  states: RunStatement,
): PathAnswer {
  const body = encodeInferenceResponse({ modelName: model.name, modelVersion: model.version, id: null, outputs });
  const requestDigest = digestOf(document);
  const setupDigest = digestOf(setupBytes);
  const digests = { requestDigest, responseDigest: digestOf(body), circuitDigest, keyDigest, setupDigest };
  return {
    body,
    mediaType: messageType(body),
    forwardedDigest: requestDigest,
    leg: {
      bytes: encodeSubmittedLeg(leg.context, digests),
      mediaType: leg.mediaType,
      sessionId: null,
      evidenceDigest: setupDigest,
      evidenceMediaType: ZK_SETUP_TYPE,
      blobs: [document, keyBytes, setupBytes],
      requestGuessable: false,
      states,
    },
  };
}

/** @throws TrisealError `KEY_FILE_INVALID` where the file is no longer the one that was opened. */
async function readKeyFile(file: string, named: Sha256Digest): Promise<Uint8Array> {
  const bytes = new Uint8Array(await readFile(file));
  if (digestOf(bytes) !== named) throw new TrisealError("KEY_FILE_INVALID", "a proving key was changed under the gateway");
  return bytes;
}

/** The public keys of `models`, with their setups, by digest. */
export function documentRoute(models: readonly CallerProvenModel[]): DocumentRoute {
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
