/** The closed set of error codes that a caller can meet, each with its HTTP status, whether a retry can help, and what to do. */

/** What a code means to a caller. */
export interface ErrorRow {
  /** HTTP status of the answer. */
  readonly status: number;
  /** Whether the same request can succeed later without a change. */
  readonly retryable: boolean;
  /** What the caller should do, in one line. */
  readonly action: string;
}

/** A table of error codes. Each path exports one of its own for what only it can say. */
export type ErrorTable = Readonly<Record<string, ErrorRow>>;

/** Core's codes. Codes of a path stand in that path's `codes`. */
export const coreCodes = {
  AUTH_REQUIRED: { status: 401, retryable: false, action: "send `Authorization: Bearer <API key>`" },
  AUTH_INVALID: { status: 401, retryable: false, action: "use a key that the operator issued and has not withdrawn" },
  CHALLENGE_EXPIRED: {
    status: 410,
    retryable: false,
    action: "ask for a new challenge, and submit before it ends: the time is over, or another policy is in force",
  },
  CHALLENGE_UNKNOWN: {
    status: 404,
    retryable: false,
    action: "ask for a new challenge with the same API key: each is used up by one submission, and none outlives the gateway",
  },
  CHANNEL_NOT_BOUND: {
    status: 502,
    retryable: false,
    action: "seal the request, or connect over TLS with the transport of `triseal/client/node`, which pins the attested key",
  },
  CLIENT_ABORTED: { status: 499, retryable: true, action: "nothing: you closed the connection before the answer" },
  CONFIG_INVALID: { status: 500, retryable: false, action: "correct the named key of the configuration" },
  DEADLINE_EXCEEDED: { status: 504, retryable: true, action: "retry later, or with a longer deadline" },
  FORMAT_INVALID: { status: 400, retryable: false, action: "send a document of the documented form" },
  HTTP_MALFORMED: { status: 400, retryable: false, action: "send well-formed HTTP/1.1" },
  IDEMPOTENCY_EXPIRED: {
    status: 410,
    retryable: false,
    action: "ask anew under a new key: this one was answered, its receipt stands, and the stored answer is gone",
  },
  IDEMPOTENCY_IN_FLIGHT: {
    status: 409,
    retryable: true,
    action: "retry later: the first request under this key is being answered",
  },
  IDEMPOTENCY_KEY_INVALID: {
    status: 400,
    retryable: false,
    action: "send 1 to 128 visible ASCII characters as `Idempotency-Key`, or no such header",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    retryable: false,
    action: "send a new request under a new key: this one belongs to other bytes",
  },
  INPUT_OUT_OF_RANGE: {
    status: 400,
    retryable: false,
    action: "send numbers in the range that the integer model was built for; nothing is clamped",
  },
  INTERNAL: { status: 500, retryable: false, action: "report the request id to the operator" },
  KEY_FILE_INVALID: { status: 500, retryable: false, action: "restore the key file, or make a new one with `triseal keys init`" },
  KEY_IN_USE: { status: 409, retryable: false, action: "rotate the key first: it signs now" },
  KEY_NOT_TRUSTED: {
    status: 409,
    retryable: false,
    action: "stage the successor, name its public key in the gateway's trust file, then rotate",
  },
  KEY_STAGED: { status: 409, retryable: false, action: "rotate to the staged key, or revoke it" },
  JOB_CANCELLED: { status: 409, retryable: false, action: "nothing: you cancelled the job" },
  JOB_EXPIRED: { status: 410, retryable: false, action: "send the request again: what the job was to answer was deleted" },
  JOB_NOT_ENDED: { status: 409, retryable: true, action: "retry later, or follow `/v1/jobs/{id}/events`" },
  JOB_UNKNOWN: { status: 404, retryable: false, action: "use the id of a job that this API key made" },
  KEY_UNKNOWN: { status: 404, retryable: false, action: "list the keys with `triseal keys list`" },
  LEG_INPUT_MISMATCH: {
    status: 502,
    retryable: true,
    action: "retry later: two paths ran on different inputs, the answer was dropped, and the backend that gave it is replaced",
  },
  LEG_OUTPUT_MISMATCH: {
    status: 502,
    retryable: true,
    action: "retry later: another path found other outputs, the answer was dropped, and the backend that gave it is replaced",
  },
  LOG_CORRUPT: { status: 500, retryable: false, action: "stop: restore the log folder from a copy; never rewrite it" },
  LOG_LOCKED: { status: 500, retryable: false, action: "stop the other process that holds this data folder" },
  LOG_PROOF_INVALID: { status: 400, retryable: false, action: "stop: the log proof does not verify" },
  LOG_UNAVAILABLE: { status: 503, retryable: true, action: "retry later: the answer could not be logged and was withheld" },
  MODEL_INVALID: { status: 500, retryable: false, action: "correct the model package" },
  MODEL_UNSUPPORTED: {
    status: 500,
    retryable: false,
    action: "run the model on the tee path as it is, or export it with the operations that the message names",
  },
  MODEL_UNKNOWN: { status: 404, retryable: false, action: "choose a model that `GET /v2/models/{name}` knows" },
  NOT_FOUND: { status: 404, retryable: false, action: "check the address" },
  OPERATOR_UNREACHABLE: {
    status: 500,
    retryable: false,
    action: "look at the gateway's log: it holds the data folder and did not answer its operator",
  },
  OVERLOADED: { status: 503, retryable: true, action: "retry later: the gateway is answering as many requests as it may" },
  PATH_UNAVAILABLE: {
    status: 503,
    retryable: true,
    action: "retry later: no live backend gives the assurance that the policy asks for",
  },
  POLICY_DENIED: { status: 403, retryable: false, action: "ask the security officer which rule applies; the receipt names it" },
  POLICY_INVALID: { status: 500, retryable: false, action: "correct the policy; `triseal policy check` says where" },
  POLICY_UNAVAILABLE: { status: 503, retryable: true, action: "retry later: no policy is in force" },
  RECEIPT_UNKNOWN: {
    status: 404,
    retryable: false,
    action: "use the id of the `X-Receipt-Id` header and the key that made the request",
  },
  REQUEST_BATCH: {
    status: 400,
    retryable: false,
    action: "send one row per request: an integer model commits to one input, as a proof of it does",
  },
  REQUEST_HEADERS_TOO_LARGE: { status: 431, retryable: false, action: "send fewer or shorter headers" },
  REQUEST_MALFORMED: { status: 400, retryable: false, action: "send an Open Inference Protocol v2 request in strict JSON" },
  REQUEST_MEDIA_TYPE: {
    status: 415,
    retryable: false,
    action: "send `application/json`, binary tensors with `Inference-Header-Content-Length`, or a sealed envelope, uncompressed",
  },
  REQUEST_METHOD: { status: 405, retryable: false, action: "use the method that the API reference names" },
  REQUEST_NOT_FINITE: { status: 400, retryable: false, action: "send finite numbers: this model takes no NaN and no infinity" },
  REQUEST_TENSOR_INVALID: { status: 400, retryable: false, action: "send the tensors that the model's metadata names" },
  REQUEST_TIMEOUT: { status: 408, retryable: true, action: "retry, and send the whole request faster" },
  REQUEST_TOO_LARGE: { status: 413, retryable: false, action: "send a smaller body, or ask the operator for a higher limit" },
  REQUEST_NOT_SEALED: { status: 400, retryable: false, action: "seal the request: its parameters ask for it" },
  SERVICE_ERROR: {
    status: 502,
    retryable: false,
    action: "look the service's own code up, in the details: this version does not know it",
  },
  SERVICE_UNREACHABLE: { status: 503, retryable: true, action: "retry later, or check address and network" },
  SESSION_UNKNOWN: { status: 404, retryable: false, action: "list the sessions with `GET /v1/aci/sessions`" },
  SHUTTING_DOWN: { status: 503, retryable: true, action: "retry: this gateway is draining" },
  TOO_MANY_REQUESTS: { status: 429, retryable: true, action: "retry later: wait for answers to the requests that you have sent" },
  TLS_KEY_MISMATCH: {
    status: 502,
    retryable: false,
    action: "stop: whoever answers at this address does not hold a TLS key that the appraised service lists",
  },
  STATEMENT_EXPIRED: {
    status: 410,
    retryable: false,
    action: "submit the statement anew: the one that the request cites no longer holds",
  },
  STATEMENT_UNKNOWN: {
    status: 404,
    retryable: false,
    action: "cite the receipt of a statement that this tenant submitted, and whose signer the service still knows",
  },
  STORE_FOREIGN: {
    status: 500,
    retryable: false,
    action: "run `triseal store rebuild`: the database does not belong to this log",
  },
  STORE_UNAVAILABLE: { status: 503, retryable: true, action: "retry later: the database does not answer" },
  TRUST_FILE_INVALID: { status: 400, retryable: false, action: "correct the trust file" },
  UPSTREAM_NOT_VERIFIED: { status: 503, retryable: true, action: "retry later: no worker's evidence passes the policy" },
  VERIFICATION_FAILED: {
    status: 502,
    retryable: false,
    action: "stop: what the service returned does not verify under your trust file",
  },
} as const satisfies ErrorTable;

/** A code of core's table. */
export type CoreCode = keyof typeof coreCodes;

/** Further facts about an error: short, safe to print, never content of a request. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** The one error class. `code` is stable; the message is lower case, one line, without secrets or request content. */
export class TrisealError<Code extends string = string> extends Error {
  override readonly name = "TrisealError";
  readonly code: Code;
  readonly details: ErrorDetails;

  /** `Code` is core's by default; a path makes errors of its own codes with `pathError`. */
  constructor(code: Code extends CoreCode ? Code : never, message: string, options?: { cause?: unknown; details?: ErrorDetails });
  constructor(code: Code, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(oneLine(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** `message` with its control characters spelled out: names from outside stand in some, and a line of a log is one line. */
function oneLine(message: string): string {
  return message.replace(/\p{Cc}/gu, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

/**
 * A maker of errors with the codes of one path's table.
 * @param _table the path's exported `codes`; only its keys are used, at compile time.
 */
export function pathErrors<Table extends ErrorTable>(
  _table: Table,
): (code: keyof Table & string, message: string, options?: { cause?: unknown; details?: ErrorDetails }) => TrisealError {
  return (code, message, options) => new TrisealError(code as CoreCode, message, options);
}

/** Whether `error` is a `TrisealError`, of the given code if one is named. */
export function isTrisealError(error: unknown, code?: string): error is TrisealError {
  return error instanceof TrisealError && (code === undefined || error.code === code);
}
