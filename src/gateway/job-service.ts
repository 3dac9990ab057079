/** Requests that are answered later, and legs that follow an answer: accepted with a durable leaf, found, stopped. */
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { unixSeconds } from "../core/time.ts";
import type { Job, JobTable } from "../store/index.ts";
import type { AcceptableCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobOptions, jobDocument, newJobId } from "./job.ts";
import type { JobRunner } from "./job-runner.ts";
import type { GatewayOptions } from "./options.ts";
import type { PendingRecord } from "./record.ts";
import { encodeCall } from "./stored-call.ts";

/** The response to a job's request, as it would have been sent at once. */
export type JobResult = Pick<InferResult, "receiptId" | "status" | "mediaType" | "body" | "pending">;

/** Media type of a job's document, and of a supplement. */
const JSON_TYPE = "application/json";

/** The jobs of one gateway, as callers see them. */
export class JobService implements JobAcceptor {
  private readonly options: GatewayOptions;
  private readonly jobs: JobOptions;
  private readonly runner: JobRunner;

  constructor(options: GatewayOptions, jobs: JobOptions, runner: JobRunner) {
    this.options = options;
    this.jobs = jobs;
    this.runner = runner;
  }

  /**
   * Accepts a request: 202 with the job's document, once its leaf is durable.
   * @throws TrisealError `OVERLOADED` where the tenant has too many open jobs, `LOG_UNAVAILABLE`, `STORE_UNAVAILABLE`.
   */
  async accept({ call, receiptId, path, keyed, deadlineAt: wanted }: AcceptableCall): Promise<InferResult> {
    const { clock, ledger } = this.options;
    const { caller } = call;
    await this.assertRoom(caller.tenant.id);
    const acceptedAt = clock();
    const deadlineAt = wanted ?? unixSeconds(acceptedAt + this.jobs.limits.deadlineSeconds);
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
    await this.enqueue(path, job.id);
    return this.acceptedResult(record.id, {
      ...record,
      leafIndex,
      parentId: null,
      state: "queued",
      progress: 0,
      stage: "",
      attempts: 0,
      finishedAt: null,
      code: null,
    });
  }

  async assertRoom(tenant: string): Promise<void> {
    const { maxOpenPerTenant } = this.jobs.limits;
    // Rows are written behind the log, and those on their way count.
    await this.options.ledger.indexed();
    if ((await (await this.table()).openOf(tenant)) >= maxOpenPerTenant)
      throw new TrisealError("OVERLOADED", `${maxOpenPerTenant} jobs of this tenant are open already`);
  }

  follow(legs: PendingRecord["legs"]): void {
    for (const { path, jobId } of legs) void this.enqueue(path, jobId);
  }

  /** The 202 of a job that a repeated request was accepted as. @throws TrisealError `JOB_UNKNOWN`. */
  async repeat(leafIndex: number, keyHash: string): Promise<InferResult> {
    const accepted = await this.options.ledger.acceptedJob(leafIndex);
    const job = await this.find(accepted?.job.id ?? "", keyHash);
    return { ...this.acceptedResult(job.id, job), replayed: true };
  }

  /** A job of the API key that made it. @throws TrisealError `JOB_UNKNOWN`, the same for a job of somebody else; `STORE_UNAVAILABLE`. */
  async find(id: string, keyHash: string): Promise<Job> {
    const job = /^job-[0-9a-f]{32}$/.test(id) ? await this.row(id) : null;
    if (job === null || job.keyHash !== keyHash) throw new TrisealError("JOB_UNKNOWN", "no such job for this key");
    return job;
  }

  /**
   * The response to a job's request; of a job that completes a receipt, its supplement.
   * @throws TrisealError `JOB_UNKNOWN`, `JOB_NOT_ENDED`, `RECEIPT_UNKNOWN` once it was deleted; the code of a leg that did not come.
   */
  async result(id: string, keyHash: string): Promise<JobResult> {
    const job = await this.find(id, keyHash);
    const { receiptId, code } = job;
    if (job.state === "queued" || job.state === "running") throw new TrisealError("JOB_NOT_ENDED", `the job is ${job.state}`);
    const status = code === null ? 200 : (this.options.codes[code]?.status ?? 500);
    if (job.parentId === null) return { receiptId, status, ...(await this.options.ledger.response(receiptId, keyHash)) };
    if (code !== null) throw new TrisealError(code as "INTERNAL", `the ${job.path} leg did not come`);
    const supplement = encodeJcs(await this.options.ledger.receipt(receiptId, keyHash));
    return { receiptId, status, mediaType: JSON_TYPE, body: supplement, pending: [] };
  }

  /** Stops a job, with a receipt that says so where it answers a request. One that has ended stays as it is. @throws TrisealError `JOB_UNKNOWN`. */
  async cancel(id: string, keyHash: string): Promise<Job> {
    const job = await this.find(id, keyHash);
    const cancelled = new TrisealError("JOB_CANCELLED", "the caller cancelled the job");
    await this.runner.stop(job, cancelled);
    return this.find(id, keyHash);
  }

  private acceptedResult(id: string, job: Job): InferResult {
    const body = new TextEncoder().encode(JSON.stringify(jobDocument(job)));
    return {
      status: 202,
      mediaType: JSON_TYPE,
      body,
      receiptId: job.receiptId,
      jobId: id,
      code: null,
      replayed: false,
      pending: [],
    };
  }

  /** A job's row. That of a leg which follows an answer is written behind the answer. */
  private async row(id: string): Promise<Job | null> {
    const table = await this.table();
    const known = await table.find(id);
    if (known !== null) return known;
    await this.options.ledger.indexed();
    return table.find(id);
  }

  private async table(): Promise<JobTable> {
    return (await this.jobs.store).table;
  }

  /** The leaf stands: a queue or a database that fails now delays the job until the next sweep, and loses nothing. */
  private async enqueue(path: string, id: string): Promise<void> {
    try {
      await this.options.ledger.indexed();
      await (await this.jobs.store).queue.enqueue(path, id);
    } catch {
      // found again by the sweep
    }
  }
}
