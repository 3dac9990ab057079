/** Programs, compiled in a thread beside the gateway's event loop: each in its time, and those that a run waits for first. */
import { TrisealError } from "../../../core/errors.ts";
import { ThreadQueue, type ThreadRefusal } from "../../../process/thread-queue.ts";
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
export type CompileReply = CompiledBytes | ThreadRefusal;

/** What compiling may take. */
export interface CompileLimits extends CompileStart {
  /** Longest that one program may take. */
  readonly timeoutMs: number;
  /** Heap of the thread. */
  readonly memoryMib: number;
  /** Programs that may wait, besides the one that is being compiled. */
  readonly maxQueued: number;
}

/** Compiles programs. The thread starts with the first one, and anew after one that took too much. */
export class ProgramCompiler {
  private readonly queue: ThreadQueue<CompileRequest, CompiledBytes>;

  /** @param program the built `compile-thread`. */
  constructor(program: string, { mostPbs, timeoutMs, memoryMib, maxQueued }: CompileLimits) {
    const start: CompileStart = { mostPbs };
    const errors = {
      overloaded: () => new TrisealError("OVERLOADED", "too many programs wait to be compiled"),
      memory: () => fheError("FHE_COMPILE_LIMIT", `a program takes more than ${memoryMib} MiB to compile`),
      late: () => fheError("FHE_COMPILE_LIMIT", `a program takes longer than ${timeoutMs} ms to compile`),
      lost: () => new TrisealError("PATH_UNAVAILABLE", "the thread that compiles programs is gone"),
    };
    this.queue = new ThreadQueue({ program, start, memoryMib, maxQueued, timeoutMs, errors });
  }

  /**
   * Compiles a program: circuits, for which runs wait, before prices.
   * @throws TrisealError as `parseProgram` and `compileProgram`; `FHE_COMPILE_LIMIT` where it takes more time or memory than it may;
   *   `OVERLOADED` where too many wait, `PATH_UNAVAILABLE` once closed or where the thread died; the reason of `signal`, whose program
   *   waits no longer then.
   */
  async compile(request: CompileRequest, signal?: AbortSignal): Promise<CompiledBytes> {
    return this.queue.run(request, { ahead: request.clear !== null, ...(signal && { signal }) });
  }

  /** Ends the thread; whatever waits fails with `PATH_UNAVAILABLE`. */
  async close(): Promise<void> {
    await this.queue.close();
  }
}
