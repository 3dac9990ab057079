/** What a service says when it does not answer, as a coded error. */
import { coreCodes, type ErrorTable, pathErrors, TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";

/** Codes that state what this side found. No service can state them for it. */
const OWN_FINDINGS: ReadonlySet<string> = new Set([
  "CHANNEL_NOT_BOUND",
  "SERVICE_ERROR",
  "SERVICE_UNREACHABLE",
  "TLS_KEY_MISMATCH",
  "VERIFICATION_FAILED",
]);

/** Statuses of intermediaries that did not reach the service. */
const UNREACHED: ReadonlySet<number> = new Set([502, 503, 504]);

/** The codes that a service may state: core's and those of the given tables. */
export function serviceCodes(tables: readonly ErrorTable[]): ErrorTable {
  const all = Object.assign({}, coreCodes, ...tables) as ErrorTable;
  return Object.fromEntries(Object.entries(all).filter(([code]) => !OWN_FINDINGS.has(code)));
}

/** `SERVICE_UNREACHABLE`, which a retry can help. */
export function unreachable(detail: string, cause?: unknown): TrisealError {
  return new TrisealError("SERVICE_UNREACHABLE", detail, { cause, details: { retryable: true } });
}

function problemOf(body: Uint8Array): JsonObject {
  try {
    const parsed = parseJson(body);
    return isJsonObject(parsed) ? parsed : {};
  } catch {
    // Not a problem document: the status speaks for itself.
    return {};
  }
}

/** `text` in one line of at most 300 characters. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, 300);
}

/**
 * A refusal: the service's code where `known` has it, else `SERVICE_ERROR` with that code as `details.foreignCode`.
 * `details.receiptId` names its receipt where there is one.
 */
export function refusal(status: number, body: Uint8Array, receiptId: string | null, known: ErrorTable): TrisealError {
  const problem = problemOf(body);
  const stated = problem["code"];
  const code = typeof stated === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(stated) ? stated : null;
  if (code === null && UNREACHED.has(status)) return unreachable(`something before the service answered ${status}`);
  const detail = typeof problem["detail"] === "string" ? oneLine(problem["detail"]) : `the service answered ${status}`;
  const details = { status, retryable: problem["retryable"] === true, receiptId };
  if (code !== null && Object.hasOwn(known, code)) return pathErrors(known)(code, detail, { details });
  return new TrisealError("SERVICE_ERROR", detail, { details: { ...details, foreignCode: code } });
}
