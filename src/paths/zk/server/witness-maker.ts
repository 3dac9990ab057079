/** Witnesses of one model, made in a thread beside the gateway's event loop. */
import { Worker } from "node:worker_threads";
import { type CoreCode, TrisealError } from "../../../core/errors.ts";
import type { CheckedModel } from "../../../model/integer/integer-model.ts";
import type { Witness, WitnessCircuit } from "../compile/witness.ts";
import { zkError } from "../wire/codes.ts";
import { FIELD_BYTES } from "../wire/field.ts";

/** What the thread is started with. */
export interface WitnessStart {
  readonly circuit: WitnessCircuit;
  readonly checked: CheckedModel;
}

/** One run. The thread gets a copy of its own, which it zeroes. */
export interface WitnessRequest {
  readonly input: Int32Array;
  readonly salt: Uint8Array;
  readonly context: bigint;
}

/** What the thread answers: a witness, or why there is none. */
export type WitnessReply = { readonly witness: Witness } | { readonly code: string; readonly message: string };

/** What the thread may use. */
export interface WitnessLimits {
  /** Heap of the thread, and largest witness. */
  readonly memoryMib: number;
  /** Requests that may wait for the thread, besides the one that it works on. */
  readonly maxQueued: number;
}

interface Waiting {
  readonly run: WitnessRequest;
  readonly resolve: (witness: Witness) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes witnesses one after the other. The thread starts with the first request, and anew after one that was aborted or died. */
export class WitnessMaker {
  private readonly program: string;
  private readonly start: WitnessStart;
  private readonly limits: WitnessLimits;
  private readonly queue: Waiting[] = [];
  private running: Waiting | null = null;
  private thread: Worker | null = null;
  private closed = false;

  /** @param program the built `witness-thread`. */
  constructor(program: string, { circuit, checked }: WitnessStart, limits: WitnessLimits) {
    this.program = program;
    const { modelDigest, packing, weights, system } = circuit;
    this.start = { circuit: { modelDigest, packing, weights, system: { wires: system.wires } }, checked };
    this.limits = limits;
  }

  /**
   * The witness of `run`, as `generateWitness` makes it. The caller zeroes its file. An abort ends the thread that works on the
   * run, and rejects with the signal's reason; what the thread held is freed with it, not zeroed.
   * @throws TrisealError as `generateWitness`; `ZK_PROVER_OVERLOADED` where too many wait, `ZK_PROVER_MEMORY` beyond the memory
   *   limit, `ZK_PROVER_LOST` where the thread died or the maker is closed.
   */
  async make(run: WitnessRequest, signal: AbortSignal): Promise<Witness> {
    signal.throwIfAborted();
    if (this.closed) throw lost();
    if (this.start.circuit.system.wires * FIELD_BYTES > this.limits.memoryMib * 2 ** 20) throw this.tooLarge();
    if (this.running !== null && this.queue.length >= this.limits.maxQueued) {
      throw zkError("ZK_PROVER_OVERLOADED", "too many requests wait for their witness");
    }
    let waiting: Waiting | null = null;
    const abort = () => {
      if (waiting !== null) this.abandon(waiting, signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        waiting = { run, resolve, reject };
        this.queue.push(waiting);
        this.next();
      });
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends the thread. Requests in flight fail with `ZK_PROVER_LOST`. */
  async close(): Promise<void> {
    this.closed = true;
    const { thread } = this;
    for (const { reject } of this.queue.splice(0)) reject(lost());
    this.fail(lost());
    await thread?.terminate();
  }

  private next(): void {
    if (this.running !== null) return;
    const [waiting] = this.queue.splice(0, 1);
    if (waiting === undefined) {
      this.thread?.unref();
      return;
    }
    this.running = waiting;
    this.thread ??= this.startThread();
    this.thread.ref();
    this.thread.postMessage(waiting.run);
  }

  private startThread(): Worker {
    const thread = new Worker(this.program, {
      workerData: this.start,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: this.limits.memoryMib },
    });
    const isCurrent = () => this.thread === thread;
    thread.on("message", (reply: WitnessReply) => {
      if (isCurrent()) this.answered(reply);
    });
    thread.on("error", (error: NodeJS.ErrnoException) => {
      if (isCurrent()) this.fail(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? this.tooLarge() : lost());
    });
    thread.on("exit", () => {
      if (isCurrent()) this.fail(lost());
    });
    return thread;
  }

  private answered(reply: WitnessReply): void {
    const { running } = this;
    this.running = null;
    if ("witness" in reply) running?.resolve(reply.witness);
    else running?.reject(new TrisealError(reply.code as CoreCode, reply.message));
    this.next();
  }

  /** The thread is gone, or to go: the request that it works on fails, and the next one gets a new thread. */
  private fail(error: unknown): void {
    const { running, thread } = this;
    this.running = null;
    this.thread = null;
    void thread?.terminate();
    running?.reject(error);
    this.next();
  }

  private abandon(waiting: Waiting, reason: unknown): void {
    if (this.running === waiting) return this.fail(reason);
    const at = this.queue.indexOf(waiting);
    if (at >= 0) this.queue.splice(at, 1);
    waiting.reject(reason);
  }

  private tooLarge(): TrisealError {
    return zkError("ZK_PROVER_MEMORY", `the witness needs more than ${this.limits.memoryMib} MiB`);
  }
}

function lost(): TrisealError {
  return zkError("ZK_PROVER_LOST", "the thread that makes witnesses is gone");
}
