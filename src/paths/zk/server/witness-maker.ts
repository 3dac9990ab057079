/** Witnesses of one model, made in a thread beside the gateway's event loop. */
import type { TrisealError } from "../../../core/errors.ts";
import type { CheckedModel } from "../../../model/integer/integer-model.ts";
import { ThreadQueue, type ThreadRefusal } from "../../../process/thread-queue.ts";
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
export type WitnessReply = { readonly witness: Witness } | ThreadRefusal;

/** What the thread may use. */
export interface WitnessLimits {
  /** Heap of the thread, and largest witness. */
  readonly memoryMib: number;
  /** Requests that may wait for the thread, besides the one that it works on. */
  readonly maxQueued: number;
}

/** Makes witnesses one after the other. The thread starts with the first request, and anew after one that was aborted or died. */
export class WitnessMaker {
  private readonly queue: ThreadQueue<WitnessRequest, { readonly witness: Witness }>;
  private readonly needsBytes: number;
  private readonly memoryMib: number;

  /** @param program the built `witness-thread`. */
  constructor(program: string, { circuit, checked }: WitnessStart, { memoryMib, maxQueued }: WitnessLimits) {
    const { modelDigest, packing, weights, system } = circuit;
    const start: WitnessStart = { circuit: { modelDigest, packing, weights, system: { wires: system.wires } }, checked };
    const lost = () => zkError("ZK_PROVER_LOST", "the thread that makes witnesses is gone");
    const errors = {
      overloaded: () => zkError("ZK_PROVER_OVERLOADED", "too many requests wait for their witness"),
      memory: () => this.tooLarge(),
      late: lost,
      lost,
    };
    this.queue = new ThreadQueue({ program, start, memoryMib, maxQueued, timeoutMs: null, errors });
    this.needsBytes = system.wires * FIELD_BYTES;
    this.memoryMib = memoryMib;
  }

  /**
   * The witness of `run`, as `generateWitness` makes it. The caller zeroes its file. An abort ends the thread that works on the
   * run, and rejects with the signal's reason; what the thread held is freed with it, not zeroed.
   * @throws TrisealError as `generateWitness`; `ZK_PROVER_OVERLOADED` where too many wait, `ZK_PROVER_MEMORY` beyond the memory
   *   limit, `ZK_PROVER_LOST` where the thread died or the maker is closed.
   */
  async make(run: WitnessRequest, signal: AbortSignal): Promise<Witness> {
    signal.throwIfAborted();
    if (this.needsBytes > this.memoryMib * 2 ** 20) throw this.tooLarge();
    return (await this.queue.run(run, { signal })).witness;
  }

  /** Ends the thread. Requests in flight fail with `ZK_PROVER_LOST`. */
  async close(): Promise<void> {
    await this.queue.close();
  }

  private tooLarge(): TrisealError {
    return zkError("ZK_PROVER_MEMORY", `the witness needs more than ${this.memoryMib} MiB`);
  }
}
