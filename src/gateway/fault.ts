/** Faults of the service as the operator reads them: never a message that may quote what a caller sent. */
import { coreCodes, type ErrorRow, isTrisealError, type TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { OperatorLog } from "./options.ts";
import { isOperatorsOnly } from "./problem.ts";

/** Most stack frames of one line. */
const MAX_FRAMES = 8;

/** A frame as V8 writes it; a message that imitates one still has to end in a place of this program or of Node. */
const FRAME = /^ {4}at (?:[\w$.<>[\] #]{1,120} \()?(?:file:\/\/|node:)[^\s()]{1,300}:\d+:\d+\)?$/;

/** Name, code and stack frames of `cause`, without its message: parsers quote what they read. */
export function describeFault(cause: unknown): JsonObject {
  if (!(cause instanceof Error)) return { kind: typeof cause };
  const { name, message, stack = "" } = cause;
  const behind = stack.indexOf(message) < 0 ? 0 : stack.indexOf(message) + message.length;
  const frames = stack
    .slice(behind)
    .split("\n")
    .filter((line) => FRAME.test(line));
  const code = "code" in cause && typeof cause.code === "string" && /^[A-Z0-9_]{1,64}$/.test(cause.code) ? cause.code : null;
  return {
    kind: /^\w{1,64}$/.test(name) ? name : "Error",
    code,
    frames: frames.slice(0, MAX_FRAMES).map((line) => line.trim()),
  };
}

/** Tells the operator what the caller is not told. Messages of Triseal's own errors quote no request; others are left out. */
export function logFault(log: OperatorLog, error: TrisealError, requestId: string): void {
  const table: Readonly<Record<string, ErrorRow>> = coreCodes;
  const row = table[error.code];
  if (row === undefined || !isOperatorsOnly(error.code, row)) return;
  const fault =
    error.cause === undefined ? {} : { fault: describeFault(isTrisealError(error.cause) ? error.cause.cause : error.cause) };
  const event = error.code === "INTERNAL" ? "internal" : "fault";
  log({ level: "error", event, request_id: requestId, code: error.code, reason: error.message.slice(0, 300), ...fault });
}
