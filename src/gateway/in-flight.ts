import { TrisealError } from "../core/errors.ts";

/** Requests that are being answered: bounded, and awaited at shutdown. */
export class InFlight {
  private readonly limit: number;
  private readonly waiting: (() => void)[] = [];
  private count = 0;
  draining = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Runs `work` unless the gateway is draining or full. @throws TrisealError `SHUTTING_DOWN`, `OVERLOADED`. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.draining) throw new TrisealError("SHUTTING_DOWN", "the gateway is draining");
    if (this.count >= this.limit) throw new TrisealError("OVERLOADED", `${this.limit} requests are in flight already`);
    this.count++;
    try {
      return await work();
    } finally {
      this.count--;
      if (this.count === 0) for (const resolve of this.waiting.splice(0)) resolve();
    }
  }

  /** Refuses new requests and resolves when the last one is answered. */
  drain(): Promise<void> {
    this.draining = true;
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }
}
