/** Does the jobs of one gateway: takes them from the queue, ends them in time, and goes on with those that were left behind. */
import { TrisealError } from "../core/errors.ts";
import type { Job, JobQueue, JobTable } from "../store/index.ts";
import type { Caller } from "./authenticate.ts";
import type { ReceiptCompleter } from "./complete-receipt.ts";
import type { InferService } from "./infer.ts";
import type { InferCall } from "./infer-call.ts";
import { type JobAttempt, type JobOptions, refusalCode } from "./job.ts";
import type { GatewayOptions } from "./options.ts";
import { parseStoredCall, type StoredCall } from "./stored-call.ts";

/** Progress is written to the database this often at most, in milliseconds. */
const PROGRESS_MS = 250;
/** Jobs that a lost queue entry left behind are queued anew this often, in milliseconds. */
const SWEEP_MS = 30_000;
/** Longest time that a timer holds, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Who does what jobs are about. */
export interface JobWork {
  /** Answers requests. */
  readonly infer: InferService;
  /** Brings legs that receipts await. */
  readonly completer: ReceiptCompleter;
}

/** The jobs that run in this process. */
export class JobRunner {
  private readonly options: GatewayOptions;
  private readonly jobs: JobOptions;
  private readonly work: JobWork;
  /** Jobs that run, with what stops them. */
  private readonly running = new Map<string, AbortController>();
  private sweeping: ReturnType<typeof setInterval> | null = null;

  constructor(options: GatewayOptions, jobs: JobOptions, work: JobWork) {
    this.options = options;
    this.jobs = jobs;
    this.work = work;
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

  /** Ends a job for `reason`, unless it has ended. */
  async stop({ id, state }: Job, reason: TrisealError): Promise<void> {
    const running = this.running.get(id);
    if (running !== undefined) running.abort(reason);
    else if (state === "queued") await this.run(id, reason);
  }

  private async table(): Promise<JobTable> {
    return (await this.jobs.store).table;
  }

  private async queue(): Promise<JobQueue> {
    return (await this.jobs.store).queue;
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
      else await this.attempt(job, controller, refusal);
    } finally {
      this.running.delete(id);
    }
  }

  private async attempt(job: Job, controller: AbortController, refusal: TrisealError | null): Promise<void> {
    const late = new TrisealError("DEADLINE_EXCEEDED", "the job's deadline passed");
    const left = job.deadlineAt - this.options.clock();
    const timer = setTimeout(() => controller.abort(late), Math.min(Math.max(0, left) * 1000, MAX_TIMER_MS));
    const attempt: JobAttempt = {
      refusal: refusal ?? (left <= 0 ? late : null),
      mayRetry: job.attempts < this.jobs.limits.maxAttempts,
      progress: this.reporter(job.id),
    };
    try {
      const { signal } = controller;
      const code = await (job.parentId === null
        ? this.answer(job, signal, attempt)
        : this.work.completer.complete(job, signal, attempt));
      await this.finish(job, code);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Answers a request. Returns the code of a refusal, or null. */
  private async answer(job: Job, signal: AbortSignal, attempt: JobAttempt): Promise<string | null> {
    const accepted = await this.options.ledger.acceptedJob(job.leafIndex);
    // Nothing can be answered or receipted any more: the key of the request was deleted.
    if (accepted?.call == null) return "JOB_EXPIRED";
    const tenant = this.options.tenants.get(job.keyHash);
    const withdrawn = tenant === undefined ? new TrisealError("AUTH_INVALID", "the API key was withdrawn") : null;
    const caller: Caller = { tenant: tenant ?? { id: job.tenant, tier: null, jurisdiction: null }, keyHash: job.keyHash };
    const refusal = attempt.refusal ?? withdrawn;
    const call = this.callOf(parseStoredCall(accepted.call), caller, job, signal);
    return (await this.work.infer.answerJob(call, { ...attempt, receiptId: job.receiptId, refusal })).code;
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
