import { type ErrorTable, pathErrors } from "../../../core/errors.ts";

/** Error codes that only the fhe path can give. */
export const codes = {
  FHE_ACCOUNT_EXISTS: { status: 409, retryable: false, action: "choose another name: this tenant has an account of that name" },
  FHE_ACCOUNT_INVALID: {
    status: 400,
    retryable: false,
    action: "send the document of an account in JCS form, for your own tenant and API key",
  },
  FHE_ACCOUNT_QUOTA: {
    status: 409,
    retryable: false,
    action: "ask the operator for room: this tenant has as many accounts as it may",
  },
  FHE_CANCELLED: { status: 409, retryable: false, action: "nothing: the run was cancelled" },
  FHE_CIRCUIT_INVALID: { status: 500, retryable: false, action: "stop: the engine refuses the circuit of this program" },
  FHE_CIRCUIT_MISMATCH: {
    status: 400,
    retryable: false,
    action: "stop: the claim is about another circuit than its program compiles to",
  },
  FHE_CLAIM_INVALID: { status: 400, retryable: false, action: "stop: the claim is not one that an engine signed about this run" },
  FHE_COMPILE_LIMIT: {
    status: 422,
    retryable: true,
    action: "send a smaller program, or retry once the gateway has less to do",
  },
  FHE_ENGINE_LOST: { status: 503, retryable: true, action: "retry: the engine died while it held the run; nothing was changed" },
  FHE_ENGINE_MEMORY: { status: 503, retryable: true, action: "retry later, or raise the engine's memory limit" },
  FHE_ENGINE_PANIC: {
    status: 500,
    retryable: false,
    action: "report it: the engine failed on this run, and goes on with others",
  },
  FHE_FORBIDDEN_HANDLE: {
    status: 404,
    retryable: false,
    action: "use handles and accounts that exist and that this API key may use so: both answer alike",
  },
  FHE_INPUT_FOREIGN_KEY: {
    status: 400,
    retryable: false,
    action: "encrypt under the key set that the run names",
  },
  FHE_INPUT_INVALID: { status: 400, retryable: false, action: "send ciphertexts of the types that the program takes" },
  FHE_INPUT_MALFORMED: { status: 400, retryable: false, action: "send ciphertexts and lists as tfhe-rs 1.7.0 writes them" },
  FHE_INPUT_PROOF_INVALID: {
    status: 400,
    retryable: false,
    action: "prove the list anew, for this challenge, tenant, program and these accounts: its proof does not hold for them",
  },
  FHE_INPUT_REUSED: { status: 409, retryable: false, action: "encrypt and prove the input anew: each proven list is taken once" },
  FHE_INPUT_TRIVIAL: { status: 400, retryable: false, action: "encrypt the input: a trivial ciphertext hides nothing" },
  FHE_INPUT_TYPE: { status: 400, retryable: false, action: "encrypt the input as the type that the program takes" },
  FHE_INPUT_UNPROVEN: {
    status: 400,
    retryable: false,
    action:
      "send fresh inputs of a run on accounts as proven lists, proven for this challenge, tenant, program and these accounts",
  },
  FHE_KEY_INVALID: { status: 400, retryable: false, action: "make the key set with `triseal fhe keygen`" },
  FHE_KEY_QUOTA: { status: 409, retryable: false, action: "ask the operator for room: this tenant has as many keys as it may" },
  FHE_KEY_UNKNOWN: { status: 404, retryable: false, action: "upload the key set first: `POST /v1/fhe/keys`" },
  FHE_MODEL_UNSUPPORTED: {
    status: 400,
    retryable: false,
    action: "build the model with fewer bits (`--weight-bits`, `--activation-bits 3`), or take another path",
  },
  FHE_OUT_OF_RANGE: { status: 400, retryable: false, action: "send clear values that their types can hold" },
  FHE_PRICE_EXCEEDED: {
    status: 422,
    retryable: false,
    action: "send a program of fewer bootstraps, or ask the operator for more",
  },
  FHE_PROGRAM_INVALID: { status: 400, retryable: false, action: "correct the op that the details name" },
  FHE_PROGRAM_QUOTA: {
    status: 409,
    retryable: false,
    action: "ask the operator for room: this tenant has as many programs as it may",
  },
  FHE_PROTOCOL: { status: 500, retryable: false, action: "build engine and gateway from one version" },
  FHE_READERS_WIDENED: {
    status: 403,
    retryable: false,
    action: "write to an account that nobody and no program may read but those that may read all that goes in",
  },
  FHE_REPLAY_MISMATCH: {
    status: 400,
    retryable: false,
    action: "stop: executed again, the run gives other ciphertexts than were claimed",
  },
  FHE_RUN_INVALID: { status: 400, retryable: false, action: "send a run document with exactly the program's inputs" },
  FHE_REVEAL_BUNDLE: {
    status: 403,
    retryable: false,
    action: "show a bundle that verifies under the key holder's configuration; the details say what does not",
  },
  FHE_REVEAL_CIPHERTEXT: {
    status: 400,
    retryable: false,
    action: "send the compressed bytes of the output, whose digest the claim names",
  },
  FHE_REVEAL_INPUT: {
    status: 403,
    retryable: false,
    action: "stop: this key holder reveals runs on proven lists alone, and this one took or wrote something else",
  },
  FHE_REVEAL_INVALID: {
    status: 400,
    retryable: false,
    action: "stop: this is no statement of that key holder about this run",
  },
  FHE_REVEAL_OUTPUT: { status: 403, retryable: false, action: "name an output that the key holder's configuration names" },
  FHE_REVEAL_REPEATED: {
    status: 409,
    retryable: false,
    action: "stop: another run over the same challenge, list or bid was revealed, and each is revealed once",
  },
  FHE_REVEAL_RUN: {
    status: 400,
    retryable: false,
    action: "send the run document as it was submitted, byte for byte",
  },
  FHE_SAME_ACCOUNT: { status: 400, retryable: false, action: "name another account: one run writes each account once" },
  FHE_STATE_CONFLICT: {
    status: 409,
    retryable: true,
    action: "retry: another run is writing one of the accounts, or has",
  },
  FHE_STATEMENT_INVALID: {
    status: 400,
    retryable: false,
    action: "stop: the statement is not one that this key holder made for you",
  },
  FHE_SUPPLY_EXCEEDED: { status: 409, retryable: false, action: "mint less: the asset's cap would be exceeded" },
  FHE_UPLOAD_OFFSET: {
    status: 409,
    retryable: true,
    action: "ask for the offset with HEAD, and go on from there",
  },
  STATE_RULE_BROKEN: {
    status: 400,
    retryable: false,
    action: "stop: a receipted run changed an account in a way that its rules forbid",
  },
  STATE_FORKED: { status: 400, retryable: false, action: "stop: two receipts are of two histories of one account" },
} as const satisfies ErrorTable;

/** Makes an error with a code of the fhe path. */
export const fheError = pathErrors(codes);
