/** Work for a thread beside the event loop, one piece after the other, bounded in memory, number and time. */
import { Worker } from "node:worker_threads";
import { type CoreCode, TrisealError } from "../core/errors.ts";

/** What a thread answers where it has no result: a code of ours, which its caller declares. */
export interface ThreadRefusal {
  readonly code: string;
  readonly message: string;
}

/** What a queue is made of. */
export interface ThreadQueueOptions {
  /** The built module of the thread. It gets `start` as `workerData`, one message a piece of work, and answers each with one. */
  readonly program: string;
  readonly start: object;
  /** Heap of the thread. */
  readonly memoryMib: number;
  /** Pieces that may wait, besides the one that is worked on. */
  readonly maxQueued: number;
  /** Longest that one piece may take; null where its caller's signal ends it. */
  readonly timeoutMs: number | null;
  /** What is thrown where too many wait, where the thread takes too much memory or time, and where it is gone or the queue closed. */
  readonly errors: Readonly<Record<"overloaded" | "memory" | "late" | "lost", () => TrisealError>>;
}

/** How one piece stands in the queue. */
export interface Turn {
  readonly signal?: AbortSignal;
  /** Before all that are not, behind those that are. */
  readonly ahead?: boolean;
}

interface Waiting<Request, Result> {
  readonly request: Request;
  readonly ahead: boolean;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread with its queue. It starts with the first piece, and anew after one that was aborted, took too much, or died. */
export class ThreadQueue<Request, Result extends object> {
  private readonly options: ThreadQueueOptions;
  private readonly queue: Waiting<Request, Result>[] = [];
  private running: Waiting<Request, Result> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private thread: Worker | null = null;
  private closed = false;

  constructor(options: ThreadQueueOptions) {
    this.options = options;
  }

  /**
   * The thread's answer. An abort ends the thread that works on the piece, and rejects with the signal's reason; what the thread
   * held is freed with it, not zeroed.
   * @throws TrisealError the thread's code, or one of `errors`.
   */
  async run(request: Request, { signal, ahead = false }: Turn = {}): Promise<Result> {
    const { errors, maxQueued } = this.options;
    signal?.throwIfAborted();
    if (this.closed) throw errors.lost();
    if (this.running !== null && this.queue.length >= maxQueued) throw errors.overloaded();
    let waiting: Waiting<Request, Result> | null = null;
    const abort = () => {
      if (waiting !== null) this.abandon(waiting, signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        waiting = { request, ahead, resolve, reject };
        const behind = ahead ? this.queue.findIndex((other) => !other.ahead) : -1;
        this.queue.splice(behind < 0 ? this.queue.length : behind, 0, waiting);
        this.next();
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends the thread; whatever waits fails as lost. */
  async close(): Promise<void> {
    this.closed = true;
    const { thread } = this;
    const { lost } = this.options.errors;
    for (const { reject } of this.queue.splice(0)) reject(lost());
    this.fail(lost());
    await thread?.terminate();
  }

  private next(): void {
    if (this.running !== null) return;
    const waiting = this.queue.shift();
    if (waiting === undefined) {
      this.thread?.unref();
      return;
    }
    const { timeoutMs, errors } = this.options;
    this.running = waiting;
    if (timeoutMs !== null) this.timer = setTimeout(() => this.fail(errors.late()), timeoutMs);
    this.thread ??= this.startThread();
    this.thread.ref();
    this.thread.postMessage(waiting.request);
  }

  private startThread(): Worker {
    const { program, start, memoryMib, errors } = this.options;
    const limits = { maxOldGenerationSizeMb: memoryMib };
    const thread = new Worker(program, { workerData: start, env: {}, resourceLimits: limits });
    const isCurrent = () => this.thread === thread;
    thread.on("message", (reply: Result | ThreadRefusal) => {
      if (isCurrent()) this.answered(reply);
    });
    thread.on("error", (error: NodeJS.ErrnoException) => {
      if (isCurrent()) this.fail(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? errors.memory() : errors.lost());
    });
    thread.on("exit", () => {
      if (isCurrent()) this.fail(errors.lost());
    });
    return thread;
  }

  private end(): Waiting<Request, Result> | null {
    const { running } = this;
    this.running = null;
    clearTimeout(this.timer);
    return running;
  }

  private answered(reply: Result | ThreadRefusal): void {
    const ended = this.end();
    if ("code" in reply) ended?.reject(new TrisealError(reply.code as CoreCode, reply.message));
    else ended?.resolve(reply);
    this.next();
  }

  /** The thread is gone, or to go: what it works on fails, and what waits gets a new one. */
  private fail(error: unknown): void {
    const { thread } = this;
    const ended = this.end();
    this.thread = null;
    void thread?.terminate();
    ended?.reject(error);
    this.next();
  }

  private abandon(waiting: Waiting<Request, Result>, reason: unknown): void {
    if (this.running === waiting) return this.fail(reason);
    const at = this.queue.indexOf(waiting);
    if (at >= 0) this.queue.splice(at, 1);
    waiting.reject(reason);
  }
}
