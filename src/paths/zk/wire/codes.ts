import { type ErrorTable, pathErrors } from "../../../core/errors.ts";

/** Error codes that only the zk path can give. */
export const codes = {
  PROVER_NOT_ATTESTED: {
    status: 409,
    retryable: false,
    action: "send the request in the clear, or ask for another path: no prover here is attested, so none may open a sealed input",
  },
  PROVING_KEY_CONFIDENTIAL: {
    status: 403,
    retryable: false,
    action:
      "let the gateway prove: this model's owner does not hand out its proving key, which shows the weights (`model build --hand-out` does)",
  },
  ZK_CREDENTIAL_INVALID: { status: 400, retryable: false, action: "stop: the signer did not sign this credential" },
  ZK_CREDENTIAL_SUBJECT: {
    status: 403,
    retryable: false,
    action: "ask the signer for a credential of your own: this one was issued to another tenant",
  },
  ZK_KEY_INVALID: {
    status: 500,
    retryable: false,
    action: "make the key anew: it is truncated, foreign, or has no second phase",
  },
  ZK_OUTPUTS_STATED: {
    status: 422,
    retryable: false,
    action: "leave out `triseal_outputs`: a proof of this version states its outputs",
  },
  ZK_PROOF_INVALID: { status: 400, retryable: false, action: "stop: the proof does not hold for these public signals" },
  ZK_SUBMISSION_MALFORMED: {
    status: 400,
    retryable: false,
    action: "submit the document that `triseal zk prove --gateway` makes, with every number in its only spelling",
  },
  ZK_PROVER_LOST: { status: 503, retryable: true, action: "retry: the prover died while it held the job" },
  ZK_PROVER_MEMORY: { status: 500, retryable: false, action: "raise the provers' memory limit, or take a smaller model" },
  ZK_PROVER_OVERLOADED: { status: 503, retryable: true, action: "retry later: the provers' queue is full" },
  ZK_CONTEXT_MISMATCH: {
    status: 400,
    retryable: false,
    action: "stop: the proof is about another model or nonce than it states",
  },
  ZK_SETUP_INVALID: { status: 500, retryable: false, action: "stop: the setup's transcript does not lead to this key" },
  ZK_SETUP_NOT_ACCEPTED: {
    status: 400,
    retryable: false,
    action: "name the setup in the trust file, or accept its state with `--accept-setup`, knowing who can forge under it",
  },
  ZK_SIGNER_UNKNOWN: {
    status: 403,
    retryable: false,
    action: "use a credential of a signer that the service, and every verifier's trust file, names",
  },
  ZK_STATEMENT_EXPIRED: {
    status: 410,
    retryable: false,
    action: "state an expiry within the credential's period and 24 hours, or ask the signer for a new credential",
  },
  ZK_WEIGHTS_NOT_ACCEPTED: {
    status: 400,
    retryable: false,
    action: "stop: the weights that were proven are not those that the trust file names for this model",
  },
  ZK_WITNESS_INVALID: { status: 400, retryable: false, action: "check the input: its witness does not satisfy the circuit" },
} as const satisfies ErrorTable;

/** Makes an error with a code of the zk path. */
export const zkError = pathErrors(codes);
