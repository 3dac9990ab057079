/** Requests that are answered later: accepted with a durable leaf, done by a queue, ended with a receipt like any other. */
import { encodeHex } from "../core/bytes.ts";
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { unixSeconds } from "../core/time.ts";
import type { Job, JobQueue, JobTable } from "../store/index.ts";
import type { Caller } from "./authenticate.ts";
import type { InferService } from "./infer.ts";
import type { AcceptableCall, InferCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobOptions, jobDocument, refusalCode } from "./job.ts";
import type { GatewayOptions } from "./options.ts";
import { encodeCall, parseStoredCall, type StoredCall } from "./stored-call.ts";

/** The response to a job's request, as it would have been sent at once. */
export interface JobResult {
  readonly receiptId: string;
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
}

/** Progress is written to the database this often at most, in milliseconds. */
const PROGRESS_MS = 250;
/** Jobs that a lost queue entry left behind are queued anew this often, in milliseconds. */
const SWEEP_MS = 30_000;
/** Media type of a job's document. */
const JSON_TYPE = "application/json";

/** A new job id: 128 random bits. */
function newJobId(): string {
  return `job-${encodeHex(crypto.getRandomValues(new Uint8Array(16)))}`;
}

/** The jobs of one gateway. */
export class JobService implements JobAcceptor {
  private readonly options: GatewayOptions;
  private readonly jobs: JobOptions;
  private readonly infer: InferService;
  /** Jobs that run in this process, with what stops them. */
  private readonly running = new Map<string, AbortController>();
  private sweeping: ReturnType<typeof setInterval> | null = null;

  constructor(options: GatewayOptions, jobs: JobOptions, infer: InferService) {
    this.options = options;
    this.jobs = jobs;
    this.infer = infer;
  }

  /** Takes jobs from now on; those that an earlier process left come first. @throws TrisealError `STORE_UNAVAILABLE`. */
  async start(): Promise<void> {
    const { concurrency, maxAttempts, deadlineSeconds } = this.jobs.limits;
    const queue = { concurrency, maxAttempts, attemptSeconds: deadlineSeconds };
    for (const { id } of this.options.paths) await (await this.queue()).work(id, queue, (jobId) => this.run(jobId));
    for (const job of await (await this.table()).open()) await this.resume(job);
    this.sweeping = setInterval(() => void this.sweep().catch(() => undefined), SWEEP_MS);
    this.sweeping.unref();
  }

  /** Takes no further jobs. Those under way are stopped and done again at the next start. */
  async close(): Promise<void> {
    if (this.sweeping !== null) clearInterval(this.sweeping);
    for (const controller of this.running.values())
      controller.abort(new TrisealError("SHUTTING_DOWN", "the gateway is draining"));
    await (await this.queue()).close();
  }

  /**
   * Accepts a request: 202 with the job's document, once its leaf is durable.
   * @throws TrisealError `OVERLOADED` where the tenant has too many open jobs, `LOG_UNAVAILABLE`, `STORE_UNAVAILABLE`.
   */
  async accept({ call, receiptId, path, keyed }: AcceptableCall): Promise<InferResult> {
    const { clock, ledger } = this.options;
    const { maxOpenPerTenant, deadlineSeconds } = this.jobs.limits;
    const { caller } = call;
    if ((await (await this.table()).openOf(caller.tenant.id)) >= maxOpenPerTenant)
      throw new TrisealError("OVERLOADED", `${maxOpenPerTenant} jobs of this tenant are open already`);
    const acceptedAt = clock();
    const deadlineAt = unixSeconds(acceptedAt + deadlineSeconds);
    const job = { id: newJobId(), receiptId, tenant: caller.tenant.id, keyHash: caller.keyHash, path };
    const document = encodeJcs({
      v: 1,
      type: "request.accepted",
      job_id: job.id,
      receipt_id: receiptId,
      workload_keyset_digest: call.identity.keysetDigest,
      endpoint: call.path,
      model: call.modelName,
      body_hash: digestOf(call.body),
      accepted_at: acceptedAt,
      deadline_at: deadlineAt,
    });
    const record = { ...job, model: call.modelName, acceptedAt, deadlineAt };
    const leafIndex = await ledger.logAccepted(
      document,
      keyed === null ? record : { ...record, idempotency: { ...keyed, status: 202 } },
      encodeCall(call),
    );
    // The leaf stands: a queue or a database that fails now delays the job until the next sweep, and loses nothing.
    await ledger
      .indexed()
      .then(() => this.enqueue(path, job.id))
      .catch(() => undefined);
    return this.acceptedResult(record.id, {
      ...record,
      leafIndex,
      state: "queued",
      progress: 0,
      stage: "",
      attempts: 0,
      finishedAt: null,
      code: null,
    });
  }

  /** The 202 of a job that a repeated request was accepted as. @throws TrisealError `JOB_UNKNOWN`. */
  async repeat(leafIndex: number, keyHash: string): Promise<InferResult> {
    const accepted = await this.options.ledger.acceptedJob(leafIndex);
    const job = await this.find(accepted?.job.id ?? "", keyHash);
    return { ...this.acceptedResult(job.id, job), replayed: true };
  }

  /** A job of the API key that made it. @throws TrisealError `JOB_UNKNOWN`, the same for a job of somebody else; `STORE_UNAVAILABLE`. */
  async find(id: string, keyHash: string): Promise<Job> {
    const job = /^job-[0-9a-f]{32}$/.test(id) ? await (await this.table()).find(id) : null;
    if (job === null || job.keyHash !== keyHash) throw new TrisealError("JOB_UNKNOWN", "no such job for this key");
    return job;
  }

  /** The response to a job's request. @throws TrisealError `JOB_UNKNOWN`, `JOB_NOT_ENDED`, `RECEIPT_UNKNOWN` once it was deleted. */
  async result(id: string, keyHash: string): Promise<JobResult> {
    const job = await this.find(id, keyHash);
    if (job.state === "queued" || job.state === "running") throw new TrisealError("JOB_NOT_ENDED", `the job is ${job.state}`);
    const response = await this.options.ledger.response(job.receiptId, keyHash);
    const status = job.code === null ? 200 : (this.options.codes[job.code]?.status ?? 500);
    return { receiptId: job.receiptId, status, ...response };
  }

  /** Stops a job, with a receipt that says so. One that has ended stays as it is. @throws TrisealError `JOB_UNKNOWN`. */
  async cancel(id: string, keyHash: string): Promise<Job> {
    const job = await this.find(id, keyHash);
    const cancelled = new TrisealError("JOB_CANCELLED", "the caller cancelled the job");
    const running = this.running.get(id);
    if (running !== undefined) running.abort(cancelled);
    else if (job.state === "queued") await this.run(id, cancelled);
    return this.find(id, keyHash);
  }

  private acceptedResult(id: string, job: Job): InferResult {
    const body = new TextEncoder().encode(JSON.stringify(jobDocument(job)));
    return { status: 202, mediaType: JSON_TYPE, body, receiptId: job.receiptId, jobId: id, code: null, replayed: false };
  }

  private async table(): Promise<JobTable> {
    return (await this.jobs.store).table;
  }

  private async queue(): Promise<JobQueue> {
    return (await this.jobs.store).queue;
  }

  private async enqueue(path: string, id: string): Promise<void> {
    await (await this.queue()).enqueue(path, id);
  }

  private async sweep(): Promise<void> {
    for (const job of await (await this.table()).open()) if (!this.running.has(job.id)) await this.resume(job);
  }

  /** Puts an open job back on its way: one whose receipt was logged has ended, whatever the database says. */
  private async resume(job: Job): Promise<void> {
    if (await this.options.ledger.hasReceipt(job.receiptId)) await this.endAs(job);
    else await (await this.queue()).enqueue(job.path, job.id);
  }

  /** Does one job. Rejects where it should be done again. */
  private async run(id: string, refusal: TrisealError | null = null): Promise<void> {
    if (this.running.has(id)) return;
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      const job = await (await this.table()).start(id);
      if (job === null) return;
      if (await this.options.ledger.hasReceipt(job.receiptId)) await this.endAs(job);
      else await this.answer(job, controller, refusal);
    } finally {
      this.running.delete(id);
    }
  }

  private async answer(job: Job, controller: AbortController, refusal: TrisealError | null): Promise<void> {
    const { clock, tenants } = this.options;
    const accepted = await this.options.ledger.acceptedJob(job.leafIndex);
    if (accepted?.call == null) {
      // Nothing can be answered or receipted any more: the key of the request was deleted.
      await (await this.table()).finish(job.id, { state: "refused", code: "JOB_EXPIRED", at: clock() });
      return;
    }
    const tenant = tenants.get(job.keyHash);
    const late = new TrisealError("DEADLINE_EXCEEDED", "the job's deadline passed");
    const withdrawn = tenant === undefined ? new TrisealError("AUTH_INVALID", "the API key was withdrawn") : null;
    const caller: Caller = { tenant: tenant ?? { id: job.tenant, tier: null, jurisdiction: null }, keyHash: job.keyHash };
    const left = job.deadlineAt - clock();
    const timer = setTimeout(() => controller.abort(late), Math.max(0, left) * 1000);
    try {
      const result = await this.infer.answerJob(this.callOf(parseStoredCall(accepted.call), caller, job, controller.signal), {
        receiptId: job.receiptId,
        refusal: refusal ?? withdrawn ?? (left <= 0 ? late : null),
        mayRetry: job.attempts < this.jobs.limits.maxAttempts,
        progress: this.reporter(job.id),
      });
      await this.finish(job, result.code);
    } finally {
      clearTimeout(timer);
    }
  }

  private callOf(stored: StoredCall, caller: Caller, job: Job, signal: AbortSignal): InferCall {
    const identity = this.options.identity();
    return { ...stored, caller, identity, idempotencyKey: null, requestId: job.id, signal, respondAsync: false };
  }

  /** Writes progress now and then; what could not be written is not worth an error. */
  private reporter(id: string): (fraction: number, stage: string) => void {
    let next = 0;
    let last = "";
    return (fraction, stage) => {
      const now = performance.now();
      if (now < next && stage === last) return;
      next = now + PROGRESS_MS;
      last = stage;
      void this.table()
        .then((table) => table.progress(id, Math.min(1, Math.max(0, fraction)), stage))
        .catch(() => undefined);
    };
  }

  private async endAs(job: Job): Promise<void> {
    const document = await this.options.ledger.receipt(job.receiptId, job.keyHash);
    await this.finish(job, refusalCode(document));
  }

  private async finish(job: Job, code: string | null): Promise<void> {
    const state = code === null ? "answered" : code === "JOB_CANCELLED" ? "cancelled" : "refused";
    await (await this.table()).finish(job.id, { state, code, at: this.options.clock() });
    this.options.log({ level: "info", event: "job", job_id: job.id, receipt_id: job.receiptId, state, code });
  }
}
