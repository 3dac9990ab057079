/** Errors as callers see them: RFC 9457 problem details with a stable code, plus the protocol's own `error` member. */
import { type ErrorRow, type ErrorTable, isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";

/** Media type of problem details (RFC 9457 section 6.1). */
export const PROBLEM_TYPE = "application/problem+json";

/** Which protocol's `error` member the body carries: a string on OIP routes, an object on ACI routes. */
export type ErrorProtocol = "oip" | "aci";

/** A problem with the status that it is sent under. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;
  readonly body: JsonObject;
}

/** ACI section 10: error types that have a name of their own. */
const ACI_TYPES: Readonly<Record<string, string>> = {
  RECEIPT_UNKNOWN: "not_found",
  SESSION_UNKNOWN: "not_found",
  NOT_FOUND: "not_found",
  AUTH_REQUIRED: "unauthorized",
  AUTH_INVALID: "unauthorized",
  UPSTREAM_NOT_VERIFIED: "upstream_verification_failed",
};

/** Seconds after which a refusal that a retry can change is worth a retry. */
const RETRY_AFTER_S = "1";

/** `Retry-After` for the statuses that have it (RFC 9110 section 10.2.3, RFC 6585 section 4). */
export function retryHeaders(status: number): Readonly<Record<string, string>> {
  return status === 429 || status === 503 ? { "retry-after": RETRY_AFTER_S } : {};
}

/** Whether the message of `code` is written for the operator: it may name files, keys and places of the log. */
export function isOperatorsOnly(code: string, { status }: ErrorRow): boolean {
  return (status === 500 && code !== "WORKER_FAILED") || code === "LOG_UNAVAILABLE" || code === "POLICY_UNAVAILABLE";
}

/** `error` as one of ours: anything unexpected becomes `INTERNAL`, without its message. */
export function codedError(error: unknown): TrisealError {
  return isTrisealError(error) ? error : new TrisealError("INTERNAL", "internal error", { cause: error });
}

/** The problem that a caller gets for `error`. */
export function problemOf(
  error: TrisealError,
  codes: ErrorTable,
  protocol: ErrorProtocol,
  requestId: string,
  receiptId: string | null,
): Problem {
  const row: ErrorRow = (Object.hasOwn(codes, error.code) ? codes[error.code] : undefined) ?? {
    status: 500,
    retryable: false,
    action: "report the request id to the operator",
  };
  const detail = isOperatorsOnly(error.code, row) ? "the operator's log has the reason under this request id" : error.message;
  const body = {
    type: `urn:triseal:error:${error.code}`,
    title: error.code.toLowerCase().replaceAll("_", " "),
    status: row.status,
    detail,
    code: error.code,
    retryable: row.retryable,
    action: row.action,
    request_id: requestId,
    ...(receiptId === null ? {} : { receipt_id: receiptId }),
    error:
      protocol === "oip"
        ? `${error.code}: ${detail}`
        : { message: detail, type: ACI_TYPES[error.code] ?? "invalid_request_error", code: error.code, param: null },
  };
  return { status: row.status, code: error.code, retryable: row.retryable, body };
}
