/** Keys, accounts and runs of the fhe path, with verified receipts. Encrypts and decrypts nothing: `openCipher` does. */
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import { createFheService, type FheService } from "../paths/fhe/client/fhe-service.ts";
import { type RunPurpose, type RunWish, runUnder, type StartedRun } from "../paths/fhe/client/run.ts";
import { type Challenge, RUN_SUBMISSION } from "./challenge.ts";
import type { VerifiedBytes } from "./submission.ts";
import type { TrisealClient } from "./triseal-client.ts";

/** What policies read as `request.kind` of a run. */
const STATE_WORK = "state";

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
  readonly answer: ReturnType<StartedRun["answer"]>;
}

/** The fhe path at one service. */
export interface FheClient extends FheService {
  /**
   * Asks for a challenge, lets `wish.lists` make proven lists under it, and runs.
   * @throws TrisealError the service's code; `FORMAT_INVALID`; `VERIFICATION_FAILED`.
   */
  run(asked: AskedRun): Promise<FinishedRun>;
}

/** The fhe path of `client`'s service. */
export function fheClient(client: TrisealClient): FheClient {
  const service = createFheService((address, request, signal) => client.resource(address, request, signal));
  return {
    ...service,
    run: async ({ program, keyId, parameters = {}, wish, signal }) => {
      // Stated by the caller itself: the service would add it, and the decision must rest on what was stated.
      const stated = { ...parameters, kind: STATE_WORK };
      const call = { model: program, parameters: stated, kind: RUN_SUBMISSION, ...(signal === undefined ? {} : { signal }) };
      const challenge = await client.challenge(call);
      const started = await runUnder(purposeOf(challenge), keyId, wish);
      const answered = await client.submitBytes(challenge, started.document, signal);
      return { ...answered, answer: started.answer(answered.body) };
    },
  };
}

function purposeOf({ decision, nonce, exp, terms, modelDigest }: Challenge): RunPurpose {
  const tenant = decision.facts.find(({ name }) => name === "tenant.id")?.value;
  if (typeof tenant !== "string")
    throw new TrisealError("VERIFICATION_FAILED", "the decision does not say which tenant it is about");
  return { tenant, nonce, exp: exp as UnixSeconds, terms, programDigest: modelDigest };
}
