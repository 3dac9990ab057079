/** Several prover processes behind one queue, with cancellation, retry after a crash, and a memory limit. */
import { setTimeout as delay } from "node:timers/promises";
import { TrisealError } from "../../../core/errors.ts";
import { zkError } from "../wire/codes.ts";
import { type ProvenStatement, ProverProcess, type ProverProgram } from "./prover-process.ts";

/** Where a job stands. */
export type ProveStage = "queued" | "proving";

/** Proves witnesses of one circuit. Each prover verifies what it proved before it hands it over. */
export interface Prover {
  readonly kind: ProverProgram["kind"];
  /**
   * Proves a `.wtns` file. An abort ends the process that holds the job, and rejects with the signal's reason.
   * @throws TrisealError `ZK_WITNESS_INVALID`, `ZK_PROVER_OVERLOADED` where the queue is full, `ZK_PROVER_MEMORY`,
   *   `ZK_PROVER_LOST` where two processes in a row died of the job, `ZK_KEY_INVALID` where the key must not be used.
   */
  prove(
    witness: Uint8Array,
    options: { readonly signal: AbortSignal; readonly progress: (stage: ProveStage) => void },
  ): Promise<ProvenStatement>;
  /** Ends every process. Jobs in flight fail with `ZK_PROVER_LOST`. */
  close(): Promise<void>;
}

/** What a pool may use. */
export interface PoolLimits {
  /** Processes, each with the whole key in memory. */
  readonly workers: number;
  /** Resident memory of one process, checked ten times a second (Linux). */
  readonly memoryMib: number;
  /** Jobs that may wait. */
  readonly maxQueued: number;
}

const ATTEMPTS = 2;
const RESTART_PAUSE_MS = 200;

class ProverPool implements Prover {
  readonly kind: ProverProgram["kind"];
  private readonly program: ProverProgram;
  private readonly limits: PoolLimits;
  private readonly idle: ProverProcess[] = [];
  private readonly running = new Set<ProverProcess>();
  private readonly queue: (() => void)[] = [];
  private busy = 0;
  private closed = false;

  constructor(program: ProverProgram, limits: PoolLimits) {
    this.kind = program.kind;
    this.program = program;
    this.limits = limits;
  }

  /** Starts the first process, so that a key that must not be used is refused at once. */
  async warm(): Promise<void> {
    this.idle.push(await this.start());
  }

  async prove(
    witness: Uint8Array,
    { signal, progress }: { readonly signal: AbortSignal; readonly progress: (stage: ProveStage) => void },
  ): Promise<ProvenStatement> {
    await this.takeSeat(signal, progress);
    try {
      for (let attempt = 1; ; attempt++) {
        progress("proving");
        try {
          return await this.attempt(witness, signal);
        } catch (error) {
          signal.throwIfAborted();
          const lost = error instanceof TrisealError && error.code === "ZK_PROVER_LOST";
          if (!lost || attempt === ATTEMPTS || this.closed) throw error;
          await delay(RESTART_PAUSE_MS, undefined, { signal });
        }
      }
    } finally {
      this.leaveSeat();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.running, ...this.idle];
    for (const prover of all) prover.end();
    for (const wake of this.queue.splice(0)) wake();
    await Promise.all(all.map((prover) => prover.ended));
  }

  private start(): Promise<ProverProcess> {
    return ProverProcess.start(this.program, this.limits.memoryMib * 2 ** 20);
  }

  private async attempt(witness: Uint8Array, signal: AbortSignal): Promise<ProvenStatement> {
    signal.throwIfAborted();
    const prover = await this.takeProcess();
    this.running.add(prover);
    const end = () => prover.end();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted || this.closed) prover.end();
    try {
      return await prover.prove(witness);
    } finally {
      signal.removeEventListener("abort", end);
      this.running.delete(prover);
      if (prover.alive && !signal.aborted && !this.closed) this.idle.push(prover);
    }
  }

  private async takeProcess(): Promise<ProverProcess> {
    for (let prover = this.idle.pop(); prover !== undefined; prover = this.idle.pop()) {
      if (prover.alive) return prover;
    }
    if (this.closed) throw closedError();
    return this.start();
  }

  private async takeSeat(signal: AbortSignal, progress: (stage: ProveStage) => void): Promise<void> {
    signal.throwIfAborted();
    if (this.closed) throw closedError();
    if (this.busy < this.limits.workers) {
      this.busy++;
      return;
    }
    if (this.queue.length >= this.limits.maxQueued) throw zkError("ZK_PROVER_OVERLOADED", "the provers' queue is full");
    progress("queued");
    await this.waitForSeat(signal);
  }

  private waitForSeat(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.queue.splice(this.queue.indexOf(wake), 1);
        reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      const wake = () => {
        signal.removeEventListener("abort", leave);
        if (this.closed) return reject(closedError());
        this.busy++;
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.queue.push(wake);
    });
  }

  private leaveSeat(): void {
    this.busy--;
    this.queue.shift()?.();
  }
}

function closedError(): TrisealError {
  return zkError("ZK_PROVER_LOST", "the provers are shut down");
}

/**
 * Opens a pool of `program`, whose arguments name the key.
 * @throws TrisealError `ZK_KEY_INVALID` or `FORMAT_INVALID` for a key that must not be used, `ZK_PROVER_LOST` where the
 *   program does not start.
 */
export async function openProverPool(program: ProverProgram, limits: PoolLimits): Promise<Prover> {
  const pool = new ProverPool(program, limits);
  await pool.warm();
  return pool;
}
