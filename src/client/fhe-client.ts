/** Keys, accounts and runs of the fhe path, with verified receipts. Encrypts and decrypts nothing: `openCipher` does. */
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import { createFheService, type FheService } from "../paths/fhe/client/fhe-service.ts";
import { modelRunUnder } from "../paths/fhe/client/model-run.ts";
import type { ModelTerms } from "../paths/fhe/client/model-terms.ts";
import { INFERENCE_WORK, type RunPurpose, type RunWish, runUnder, STATE_WORK, type StartedRun } from "../paths/fhe/client/run.ts";
import { type Challenge, RUN_SUBMISSION } from "./challenge.ts";
import type { VerifiedBytes } from "./submission.ts";
import type { TrisealClient } from "./triseal-client.ts";

/** A run that is asked for. */
export interface AskedRun {
  /** Name or digest of the program. */
  readonly program: string;
  readonly keyId: string;
  /** The caller's facts, as in the parameters of an inference. */
  readonly parameters?: JsonObject;
  readonly wish: RunWish;
  readonly signal?: AbortSignal;
}

/** A run whose receipt verified. */
export interface FinishedRun extends VerifiedBytes {
  /** The run document as it was submitted: the receipt has its digest, and a key holder wants to see it. */
  readonly document: Uint8Array;
  readonly answer: ReturnType<StartedRun["answer"]>;
}

/** An inference on an encrypted input that is asked for. */
export interface AskedInference {
  /** Name or digest of the integer model. */
  readonly model: string;
  /** Of a key set of kind `lwe`. */
  readonly keyId: string;
  /** The caller's facts, as in the parameters of an inference. */
  readonly parameters?: JsonObject;
  /** Encodes and encrypts the record, which stays with it, by what the service says of the model. */
  readonly encrypt: (terms: ModelTerms) => Promise<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** A run of a model whose receipt verified. */
export interface FinishedInference extends FinishedRun {
  /** What its output is decrypted and read by. The receipt is about the model alone: this is the service's word for its form. */
  readonly terms: ModelTerms;
}

/** The fhe path at one service. */
export interface FheClient extends FheService {
  /**
   * Asks for a challenge, lets `wish.lists` make proven lists under it, and runs.
   * @throws TrisealError the service's code; `FORMAT_INVALID`; `VERIFICATION_FAILED`.
   */
  run(asked: AskedRun): Promise<FinishedRun>;
  /**
   * Asks for a challenge, lets `encrypt` make the input under it, and runs an integer model.
   * @throws TrisealError the service's code; `FORMAT_INVALID`; `VERIFICATION_FAILED`.
   */
  infer(asked: AskedInference): Promise<FinishedInference>;
}

/** The fhe path of `client`'s service. */
export function fheClient(client: TrisealClient): FheClient {
  const service = createFheService((address, request, signal) => client.resource(address, request, signal));
  /** The kind of work is stated by the caller itself: the service would add it, and the decision must rest on what was stated. */
  const ask = (model: string, parameters: JsonObject, work: string, signal?: AbortSignal) =>
    client.challenge({
      model,
      parameters: { ...parameters, kind: work },
      kind: RUN_SUBMISSION,
      ...(signal === undefined ? {} : { signal }),
    });
  return {
    ...service,
    infer: async ({ model, keyId, parameters = {}, encrypt, signal }) => {
      const challenge = await ask(model, parameters, INFERENCE_WORK, signal);
      const { nonce, terms, modelDigest: programDigest } = challenge;
      const started = await modelRunUnder({ nonce, terms, programDigest }, keyId, encrypt);
      const answered = await client.submitBytes(challenge, started.document, signal);
      return { ...answered, document: started.document, answer: started.answer(answered.body), terms: started.terms };
    },
    run: async ({ program, keyId, parameters = {}, wish, signal }) => {
      const challenge = await ask(program, parameters, STATE_WORK, signal);
      const started = await runUnder(purposeOf(challenge), keyId, wish);
      const answered = await client.submitBytes(challenge, started.document, signal);
      return { ...answered, document: started.document, answer: started.answer(answered.body) };
    },
  };
}

function purposeOf({ decision, nonce, exp, terms, modelDigest }: Challenge): RunPurpose {
  const tenant = decision.facts.find(({ name }) => name === "tenant.id")?.value;
  if (typeof tenant !== "string")
    throw new TrisealError("VERIFICATION_FAILED", "the decision does not say which tenant it is about");
  return { tenant, nonce, exp: exp as UnixSeconds, terms, programDigest: modelDigest };
}
