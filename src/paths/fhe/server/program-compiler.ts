/** Programs, compiled in a thread beside the gateway's event loop: each in its time, and those that a run waits for first. */
import { Worker } from "node:worker_threads";
import { type CoreCode, TrisealError } from "../../../core/errors.ts";
import { fheError } from "../wire/codes.ts";

/** What the thread is started with. */
export interface CompileStart {
  /** Most bootstraps of a program: one that needs more is given up on early. */
  readonly mostPbs: number;
}

/** One program to compile. */
export interface CompileRequest {
  /** Its digest. */
  readonly name: string;
  readonly document: Uint8Array;
  /** Values of the clear inputs, for the circuit; null for the price alone. */
  readonly clear: ReadonlyMap<string, string> | null;
}

/** A circuit with its price; without one where the price alone was asked for. */
export interface CompiledBytes {
  readonly bytes: Uint8Array | null;
  readonly pbs: number;
  readonly depth: number;
}

/** What the thread answers. */
export type CompileReply = CompiledBytes | { readonly code: string; readonly message: string };

/** What compiling may take. */
export interface CompileLimits extends CompileStart {
  /** Longest that one program may take. */
  readonly timeoutMs: number;
  /** Heap of the thread. */
  readonly memoryMib: number;
  /** Programs that may wait, besides the one that is being compiled. */
  readonly maxQueued: number;
}

interface Waiting {
  readonly request: CompileRequest;
  readonly resolve: (made: CompiledBytes) => void;
  readonly reject: (error: unknown) => void;
}

/** Compiles programs. The thread starts with the first one, and anew after one that took too much. */
export class ProgramCompiler {
  private readonly program: string;
  private readonly limits: CompileLimits;
  private readonly queue: Waiting[] = [];
  private running: (Waiting & { readonly timer: NodeJS.Timeout }) | null = null;
  private thread: Worker | null = null;
  private closed = false;

  /** @param program the built `compile-thread`. */
  constructor(program: string, limits: CompileLimits) {
    this.program = program;
    this.limits = limits;
  }

  /**
   * Compiles a program.
   * @throws TrisealError as `parseProgram` and `compileProgram`; `FHE_COMPILE_LIMIT` where it takes more time or memory than it may;
   *   `OVERLOADED` where too many wait, `PATH_UNAVAILABLE` once closed or where the thread died; the reason of `signal`, whose program
   *   waits no longer then.
   */
  async compile(request: CompileRequest, signal?: AbortSignal): Promise<CompiledBytes> {
    signal?.throwIfAborted();
    if (this.closed) throw lost();
    if (this.running !== null && this.queue.length >= this.limits.maxQueued)
      throw new TrisealError("OVERLOADED", "too many programs wait to be compiled");
    return new Promise((resolve, reject) => {
      const waiting = { request, resolve, reject };
      signal?.addEventListener("abort", () => this.leave(waiting, signal.reason), { once: true });
      const firstPrice = this.queue.findIndex((other) => other.request.clear === null);
      if (request.clear === null || firstPrice < 0) this.queue.push(waiting);
      else this.queue.splice(firstPrice, 0, waiting);
      this.next();
    });
  }

  /** Ends the thread; whatever waits fails with `PATH_UNAVAILABLE`. */
  async close(): Promise<void> {
    this.closed = true;
    const { thread } = this;
    for (const { reject } of this.queue.splice(0)) reject(lost());
    this.fail(lost());
    await thread?.terminate();
  }

  /** What is being compiled is compiled to its end, as it may be wanted again; it is bounded by its time. */
  private leave(waiting: Waiting, reason: unknown): void {
    const place = this.queue.indexOf(waiting);
    if (place >= 0) this.queue.splice(place, 1);
    waiting.reject(reason);
  }

  private next(): void {
    if (this.running !== null) return;
    const waiting = this.queue.shift();
    if (waiting === undefined) {
      this.thread?.unref();
      return;
    }
    const { timeoutMs } = this.limits;
    const late = () => this.fail(tooMuch(`a program takes longer than ${timeoutMs} ms to compile`));
    this.running = { ...waiting, timer: setTimeout(late, timeoutMs) };
    this.thread ??= this.startThread();
    this.thread.ref();
    this.thread.postMessage(waiting.request);
  }

  private startThread(): Worker {
    const { mostPbs, memoryMib } = this.limits;
    const start: CompileStart = { mostPbs };
    const thread = new Worker(this.program, {
      workerData: start,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMib },
    });
    const isCurrent = () => this.thread === thread;
    thread.on("message", (reply: CompileReply) => {
      if (isCurrent()) this.answered(reply);
    });
    thread.on("error", (error: NodeJS.ErrnoException) => {
      const full = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      if (isCurrent()) this.fail(full ? tooMuch(`a program takes more than ${memoryMib} MiB to compile`) : lost());
    });
    thread.on("exit", () => {
      if (isCurrent()) this.fail(lost());
    });
    return thread;
  }

  private answered(reply: CompileReply): void {
    const { running } = this;
    this.running = null;
    clearTimeout(running?.timer);
    if ("code" in reply) running?.reject(new TrisealError(reply.code as CoreCode, reply.message));
    else running?.resolve(reply);
    this.next();
  }

  /** The thread is gone, or to go: what it works on fails, and what waits gets a new one. */
  private fail(error: unknown): void {
    const { running, thread } = this;
    this.running = null;
    this.thread = null;
    clearTimeout(running?.timer);
    void thread?.terminate();
    running?.reject(error);
    this.next();
  }
}

function lost(): TrisealError {
  return new TrisealError("PATH_UNAVAILABLE", "the thread that compiles programs is gone");
}

function tooMuch(message: string): TrisealError {
  return fheError("FHE_COMPILE_LIMIT", message);
}
