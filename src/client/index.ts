/** The caller's SDK. Portable. */

export { encodeRecord } from "../paths/fhe/client/model-run.ts";
export { type FheCipher, openCipher, type TfheLibrary } from "../paths/fhe/client/tfhe-cipher.ts";
export { parseTrust, type Trust } from "../trust/trust-file.ts";
export type { PendingLeg } from "./await-legs.ts";
export {
  type Challenge,
  type ChallengeCall,
  PROOF_SUBMISSION,
  RUN_SUBMISSION,
  STATEMENT_SUBMISSION,
  type SubmissionKind,
} from "./challenge.ts";
export type { Fetch, PinningTransport } from "./channel.ts";
export type { InferenceCall } from "./exchange.ts";
export {
  type AskedInference,
  type AskedRun,
  type FheClient,
  type FinishedInference,
  type FinishedRun,
  fheClient,
} from "./fhe-client.ts";
export type { CallTensor } from "./request-body.ts";
export type { RetryOptions, Sleep } from "./retry.ts";
export type { VerifiedBytes, WantedDocument } from "./submission.ts";
export * from "./triseal-client.ts";
