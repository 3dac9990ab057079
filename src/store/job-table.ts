/** Jobs: requests that were accepted with 202, and legs that receipts await. What was accepted stands in the log; this is where it is. */
import { type Insertable, type Kysely, type Selectable, sql } from "kysely";
import { TrisealError } from "../core/errors.ts";
import { answered } from "./answered.ts";
import type { JobTable as JobRow, Tables } from "./schema.ts";

/** The states of a job. The last three are final. */
export const JOB_STATES = ["queued", "running", "answered", "refused", "cancelled"] as const;

/** State of a job. */
export type JobState = (typeof JOB_STATES)[number];

/** States from which a job moves on. */
const OPEN: readonly JobState[] = ["queued", "running"];

/** A job when it is accepted. Times are seconds since the epoch. */
export interface AcceptedJob {
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the API key that may read it, 64 hexadecimal digits. */
  readonly keyHash: string;
  readonly path: string;
  readonly model: string;
  readonly acceptedAt: number;
  readonly deadlineAt: number;
  /** Leaf of its `request.accepted` document, or of the receipt that awaits its leg. */
  readonly leafIndex: number;
  /** Id of the receipt, or of the supplement, that it ends with. */
  readonly receiptId: string;
  /** The receipt that it completes; null where it answers a request. */
  readonly parentId: string | null;
}

/** A job as it stands. */
export interface Job extends AcceptedJob {
  readonly state: JobState;
  /** From 0 to 1; what the path reports, which is not always proportional to time. */
  readonly progress: number;
  /** What it does now, in a few words; empty before it runs. */
  readonly stage: string;
  readonly finishedAt: number | null;
  /** Code of a refusal; null for an answer and while the job goes on. */
  readonly code: string | null;
  /** How often it was started. */
  readonly attempts: number;
}

/** How a job ended. */
export interface JobEnd {
  readonly state: "answered" | "refused" | "cancelled";
  readonly code: string | null;
  /** Seconds since the epoch. */
  readonly at: number;
}

/** The rows of jobs when they are accepted. */
export function acceptedRows(shard: string, jobs: readonly AcceptedJob[]): Insertable<JobRow>[] {
  return jobs.map((job) => ({
    id: job.id,
    shard,
    tenant: job.tenant,
    key_hash: job.keyHash,
    path: job.path,
    model: job.model,
    state: "queued",
    stage: "",
    progress: 0,
    attempts: 0,
    accepted_at: job.acceptedAt,
    deadline_at: job.deadlineAt,
    finished_at: null,
    leaf_index: job.leafIndex,
    receipt_id: job.receiptId,
    parent_id: job.parentId,
    code: null,
  }));
}

/** The jobs of one log; the receipt index adds them, with the leaves that accepted them. Every method throws TrisealError `STORE_UNAVAILABLE` where the database does not answer. */
export class JobTable {
  private readonly db: Kysely<Tables>;
  private readonly shard: string;

  constructor(db: Kysely<Tables>, shard: string) {
    this.db = db;
    this.shard = shard;
  }

  /** A job by its id, or null. */
  async find(id: string): Promise<Job | null> {
    const row = await answered(this.mine().where("id", "=", id).executeTakeFirst());
    return row === undefined ? null : jobOf(row);
  }

  /** Jobs that have no end yet, oldest first. */
  async open(): Promise<readonly Job[]> {
    const rows = this.mine().where("state", "in", [...OPEN]);
    return (await answered(rows.orderBy("leaf_index").execute())).map(jobOf);
  }

  /** Number of jobs of a tenant that have no end yet. */
  async openOf(tenant: string): Promise<number> {
    const count = sql<number | string>`count(*)`.as("count");
    const rows = this.db.selectFrom("jobs").select(count).where("shard", "=", this.shard).where("tenant", "=", tenant);
    return Number((await answered(rows.where("state", "in", [...OPEN]).executeTakeFirst()))?.count ?? 0);
  }

  /** Moves an open job to `running` and counts the attempt. Null where it ended meanwhile. */
  async start(id: string): Promise<Job | null> {
    const update = this.db
      .updateTable("jobs")
      .set({ state: "running", progress: 0, stage: "", attempts: sql<number>`attempts + 1` });
    const mine = update
      .where("id", "=", id)
      .where("shard", "=", this.shard)
      .where("state", "in", [...OPEN]);
    const row = await answered(mine.returningAll().executeTakeFirst());
    return row === undefined ? null : jobOf(row);
  }

  /** Notes how far a running job is. */
  async progress(id: string, progress: number, stage: string): Promise<void> {
    const update = this.db.updateTable("jobs").set({ progress, stage }).where("id", "=", id);
    await answered(update.where("shard", "=", this.shard).where("state", "=", "running").execute());
  }

  /** Ends a job. The first end stands; false where it had one. */
  async finish(id: string, { state, code, at }: JobEnd): Promise<boolean> {
    const done = state === "answered" ? { progress: 1 } : {};
    const update = this.db
      .updateTable("jobs")
      .set({ state, code, finished_at: at, ...done })
      .where("id", "=", id);
    const mine = update.where("shard", "=", this.shard).where("state", "in", [...OPEN]);
    return (await answered(mine.returning("id").executeTakeFirst())) !== undefined;
  }

  private mine() {
    return this.db.selectFrom("jobs").selectAll().where("shard", "=", this.shard);
  }
}

function jobOf(row: Selectable<JobRow>): Job {
  const state = JOB_STATES.find((known) => known === row.state);
  if (state === undefined) throw new TrisealError("STORE_UNAVAILABLE", "a job is in a state that this version does not know");
  return {
    id: row.id,
    tenant: row.tenant,
    keyHash: row.key_hash,
    path: row.path,
    model: row.model,
    receiptId: row.receipt_id,
    parentId: row.parent_id,
    state,
    progress: Number(row.progress),
    stage: row.stage,
    attempts: Number(row.attempts),
    acceptedAt: Number(row.accepted_at),
    deadlineAt: Number(row.deadline_at),
    leafIndex: Number(row.leaf_index),
    finishedAt: row.finished_at === null ? null : Number(row.finished_at),
    code: row.code === null ? null : row.code,
  };
}
