import { type ErrorTable, pathErrors } from "../../../core/errors.ts";

/** Error codes that only the tee path can give. */
export const codes = {
  SEALED_EXPIRED: { status: 400, retryable: true, action: "seal the request anew: its `exp` has passed or lies too far ahead" },
  SEALED_FACTS_MISMATCH: { status: 400, retryable: false, action: "state the same facts outside and inside the sealed body" },
  SEALED_MALFORMED: { status: 400, retryable: false, action: "send a sealed envelope of version 1" },
  SEALED_REPLAYED: { status: 409, retryable: true, action: "seal the request anew: this envelope was already opened" },
  SEALED_UNOPENABLE: {
    status: 400,
    retryable: false,
    action: "seal to a key of the named keyset, with the envelope as associated data",
  },
  WORKER_ANSWER_INVALID: {
    status: 502,
    retryable: true,
    action: "retry later: the worker's answer did not check and was dropped",
  },
  WORKER_KEY_STALE: {
    status: 409,
    retryable: true,
    action: "appraise a current session of `GET /v1/aci/sessions` and seal anew",
  },
  WORKER_LOST: { status: 503, retryable: true, action: "retry: the worker died while it held the request" },
  WORKER_OVERLOADED: { status: 503, retryable: true, action: "retry later: the worker's queue is full" },
  WORKER_FAILED: { status: 500, retryable: false, action: "check the input; the model run failed inside the worker" },
} as const satisfies ErrorTable;

/** Makes an error with a code of the tee path. */
export const teeError = pathErrors(codes);
