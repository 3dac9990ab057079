/** The queue of jobs: pg-boss on the store's database, polled, and woken at once by jobs of this process. */
import PgBoss from "pg-boss";
import { TrisealError } from "../core/errors.ts";
import { answered } from "./answered.ts";
import type { StoreDatabase } from "./database.ts";

/** Does one job. Rejects to have it done again, as often as the queue allows. */
export type JobHandler = (jobId: string, signal: AbortSignal) => Promise<void>;

/** How the jobs of one path are taken. */
export interface QueueOptions {
  /** Jobs that this process does at one time. */
  readonly concurrency: number;
  /** How often a job is started at most. */
  readonly maxAttempts: number;
  /** After so many seconds an attempt counts as lost, for example because its process died, and the job is taken anew. */
  readonly attemptSeconds: number;
}

/** Longest wait of a worker for a job of another process, in seconds: the shortest that pg-boss polls. */
const POLL_SECONDS = 0.5;
/** At shutdown, jobs under way get so long, in milliseconds. */
const STOP_MS = 5000;

/** The queues of one database. */
export class JobQueue {
  private readonly boss: PgBoss;
  private readonly workers = new Map<string, string[]>();
  private closing: Promise<void> | null = null;

  private constructor(boss: PgBoss) {
    this.boss = boss;
  }

  /** Opens the queue and makes its tables. @throws TrisealError `STORE_UNAVAILABLE`. */
  static async open(database: StoreDatabase): Promise<JobQueue> {
    const boss = new PgBoss({
      db: {
        executeSql: async (text, values) => {
          const { rows } = await database.execute(text, values);
          return { rows: [...rows] };
        },
      },
      schedule: false,
    });
    // A failed poll or maintenance round is repeated with the next one.
    boss.on("error", () => undefined);
    await answered(boss.start());
    return new JobQueue(boss);
  }

  /** Takes jobs of `path` from now on. */
  async work(path: string, options: QueueOptions, handle: JobHandler): Promise<void> {
    const expiration = { expireInSeconds: options.attemptSeconds, retryLimit: options.maxAttempts - 1 };
    await answered(this.boss.createQueue(path, { name: path, policy: "standard", ...expiration }));
    await answered(this.boss.updateQueue(path, { name: path, policy: "standard", ...expiration }));
    const take = () =>
      this.boss.work<{ readonly jobId: string }>(path, { batchSize: 1, pollingIntervalSeconds: POLL_SECONDS }, async (jobs) => {
        for (const { data } of jobs) await handle(data.jobId, AbortSignal.timeout(options.attemptSeconds * 1000));
      });
    const ids: string[] = [];
    for (let worker = 0; worker < options.concurrency; worker++) ids.push(await answered(take()));
    this.workers.set(path, ids);
  }

  /** Queues a job; a worker of this process takes it at once. @throws TrisealError `STORE_UNAVAILABLE`. */
  async enqueue(path: string, jobId: string): Promise<void> {
    const sent = await answered(this.boss.send(path, { jobId }));
    if (sent === null) throw new TrisealError("STORE_UNAVAILABLE", "the queue did not take the job");
    for (const worker of this.workers.get(path) ?? []) this.boss.notifyWorker(worker);
  }

  /** Takes no further jobs, and waits a while for those under way. A second call waits for the first. */
  close(): Promise<void> {
    this.closing ??= this.boss.stop({ close: false, graceful: true, timeout: STOP_MS });
    return this.closing;
  }
}
