/** Jobs: where a request that was accepted with 202 is, its answer, and how to stop it. */
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Job } from "../store/index.ts";
import { authenticate } from "./authenticate.ts";
import { bytesResponse } from "./bytes-response.ts";
import type { InFlight } from "./in-flight.ts";
import { jobDocument } from "./job.ts";
import type { JobService } from "./job-service.ts";
import type { GatewayOptions } from "./options.ts";
import type { PendingRecord } from "./record.ts";
import type { App, RequestState } from "./request-state.ts";

/** How often a job is looked at for its event stream, in milliseconds. */
const LOOK_MS = 250;
/** A comment is sent this often, in milliseconds, so that nobody between takes the stream for dead. */
const HEARTBEAT_MS = 15_000;
/** When a job that waits may be asked for again, in seconds. */
export const RETRY_AFTER_SECONDS = 1;

/** Whether a `Prefer` header asks for 202 (RFC 7240 sections 2 and 4.1). */
export function prefersAsync(header: string | undefined): boolean {
  const preferences = (header ?? "").split(",").map((preference) => preference.split(";")[0]?.trim().toLowerCase());
  return preferences.includes("respond-async");
}

/** `X-Triseal-Pending`: each leg that the receipt awaits, with its job and deadline (a list as RFC 8941 section 3.1 has it). */
export function pendingHeaders(pending: PendingRecord["legs"]): Record<string, string> {
  const items = pending.map(({ path, jobId, deadlineAt }) => `${path};job="${jobId}";until=${deadlineAt}`);
  return items.length === 0 ? {} : { "x-triseal-pending": items.join(", ") };
}

/** `/v1/jobs`. Streams count as reads. */
export function addJobRoutes(app: App, options: GatewayOptions, jobs: JobService, reads: InFlight): void {
  const keyHash = (c: Context) => authenticate(c.req.header("authorization"), options.tenants).keyHash;
  const id = (c: Context) => c.req.param("id") ?? "";
  app.get("/v1/jobs/:id", async (c) => {
    const job = await jobs.find(id(c), keyHash(c));
    if (job.finishedAt === null) c.header("retry-after", String(RETRY_AFTER_SECONDS));
    return c.json(jobDocument(job));
  });
  app.get("/v1/jobs/:id/result", async (c) => {
    const { receiptId, body, mediaType, status, pending } = await jobs.result(id(c), keyHash(c));
    return bytesResponse(body, mediaType, status, { "x-receipt-id": receiptId, ...pendingHeaders(pending) });
  });
  app.delete("/v1/jobs/:id", async (c) => c.json(jobDocument(await jobs.cancel(id(c), keyHash(c)))));
  app.get("/v1/jobs/:id/events", async (c) => {
    const first = await jobs.find(id(c), keyHash(c));
    const release = reads.hold(first.tenant);
    return streamEvents(c, jobs, first.id, first.keyHash, release);
  });
}

/** Sends the job's document whenever it changed, and ends with the job. */
function streamEvents(c: Context<RequestState>, jobs: JobService, id: string, keyHash: string, release: () => void): Response {
  return streamSSE(c, async (stream) => {
    try {
      await follow(stream, () => jobs.find(id, keyHash));
    } finally {
      release();
    }
  });
}

async function follow(stream: SSEStreamingApi, look: () => Promise<Job>): Promise<void> {
  let sent = "";
  let quietMs = 0;
  while (!stream.aborted) {
    const job = await look();
    const data = JSON.stringify(jobDocument(job));
    const ended = job.finishedAt !== null;
    if (data !== sent) await stream.writeSSE({ event: ended ? "end" : "progress", data });
    else if (quietMs >= HEARTBEAT_MS) await stream.write(": waiting\n\n");
    quietMs = data === sent && quietMs < HEARTBEAT_MS ? quietMs + LOOK_MS : 0;
    sent = data;
    if (ended) return;
    await stream.sleep(LOOK_MS);
  }
}
