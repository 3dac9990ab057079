/** A job's document, and how the request of a job differs from one that is answered at once. */
import { encodeHex } from "../core/bytes.ts";
import { type ErrorTable, isTrisealError, type TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { formatTime, unixSeconds } from "../core/time.ts";
import type { Job, JobQueue, JobTable } from "../store/index.ts";
import { withForwarded } from "./forwarded.ts";

/** Bounds on jobs. */
export interface JobLimits {
  /** Jobs of one tenant that are not ended. */
  readonly maxOpenPerTenant: number;
  /** Time from acceptance to the end at most, in seconds. */
  readonly deadlineSeconds: number;
  /** How often a job is started at most: again only where the path failed in a way that may pass, or its process died. */
  readonly maxAttempts: number;
  /** Jobs of one path that this process does at one time. */
  readonly concurrency: number;
}

/** What jobs stand on. */
export interface JobOptions {
  /** The store is opened beside the gateway: whoever needs it waits for it. */
  readonly store: Promise<{ readonly table: JobTable; readonly queue: JobQueue }>;
  readonly limits: JobLimits;
}

/** A new job id: 128 random bits. */
export function newJobId(): string {
  return `job-${encodeHex(crypto.getRandomValues(new Uint8Array(16)))}`;
}

/** A job as its owner sees it. One that completes a receipt has that receipt's bundle to look at. */
export function jobDocument(job: Job): JsonObject {
  const self = `/v1/jobs/${job.id}`;
  const bundle = job.parentId === null ? {} : { bundle: `/v1/receipts/${job.parentId}/bundle` };
  return {
    id: job.id,
    state: job.state,
    model: job.model,
    path: job.path,
    progress: job.progress,
    stage: job.stage,
    attempts: job.attempts,
    accepted_at: formatTime(unixSeconds(job.acceptedAt)),
    deadline_at: formatTime(unixSeconds(job.deadlineAt)),
    finished_at: job.finishedAt === null ? null : formatTime(unixSeconds(job.finishedAt)),
    receipt_id: job.receiptId,
    completes: job.parentId,
    code: job.code,
    links: { self, result: `${self}/result`, events: `${self}/events`, ...bundle },
  };
}

/** One attempt at a job. */
export interface JobAttempt {
  /** Why it is refused without being run, or null. */
  readonly refusal: TrisealError | null;
  /** Whether a failure that may pass is thrown, to be tried again, and does not end the job. */
  readonly mayRetry: boolean;
  readonly progress: (fraction: number, stage: string) => void;
}

/** How a job's request is answered. */
export interface JobAnswer extends JobAttempt {
  /** Id that the receipt was promised. */
  readonly receiptId: string;
}

/** The code of a receipt's `request.refused`, or null for an answer. */
export function refusalCode(receipt: JsonObject): string | null {
  const events: readonly JsonValue[] = Array.isArray(receipt["event_log"]) ? receipt["event_log"] : [];
  const codes = events.flatMap((event) => (isJsonObject(event) && event["type"] === "request.refused" ? [event["code"]] : []));
  return typeof codes[0] === "string" ? codes[0] : null;
}

/** Why a run was stopped, where one of ours stopped it. */
function stopReason(signal: AbortSignal): TrisealError | null {
  return signal.aborted && isTrisealError(signal.reason) ? signal.reason : null;
}

/** `error` as the job's own stop, where one of ours stopped it; what had left the gateway stays said. */
export function stoppedAs(error: TrisealError, signal: AbortSignal): TrisealError {
  const reason = stopReason(signal);
  const forwarded = error.details["forwardedDigest"];
  return reason === null ? error : typeof forwarded === "string" ? withForwarded(reason, forwarded) : reason;
}

/** A job is done again after a failure that may pass, unless its caller or its deadline ended it. A draining gateway leaves it to the next. */
export function shouldRetry({ code }: TrisealError, job: Pick<JobAttempt, "mayRetry">, codes: ErrorTable): boolean {
  if (code === "SHUTTING_DOWN" || code === "LOG_UNAVAILABLE") return true;
  if (code === "JOB_CANCELLED" || code === "DEADLINE_EXCEEDED") return false;
  return job.mayRetry && codes[code]?.retryable === true;
}
