import { TrisealError } from "../core/errors.ts";
import { Quota, type QuotaLimits } from "./quota.ts";

/** Requests that are being answered: bounded, for each tenant too, and awaited at shutdown. */
export class InFlight {
  private readonly quota: Quota;
  private readonly waiting: (() => void)[] = [];
  draining = false;

  constructor(limits: QuotaLimits) {
    this.quota = new Quota(limits);
  }

  /** Runs `work` unless the gateway is draining or full. @throws TrisealError `SHUTTING_DOWN`, `OVERLOADED`, `TOO_MANY_REQUESTS`. */
  async run<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    const release = this.hold(tenant);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Counts a request until the returned function is called. @throws TrisealError as `run`. */
  hold(tenant: string): () => void {
    if (this.draining) throw new TrisealError("SHUTTING_DOWN", "the gateway is draining");
    const exceeded = this.quota.exceeded(tenant, 1);
    if (exceeded === "total") throw new TrisealError("OVERLOADED", `${this.quota.used} requests are in flight already`);
    if (exceeded === "tenant")
      throw new TrisealError("TOO_MANY_REQUESTS", "this tenant has as many requests in flight as it may");
    this.quota.take(tenant, 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.quota.give(tenant, 1);
      if (this.quota.used === 0) for (const resolve of this.waiting.splice(0)) resolve();
    };
  }

  /** Refuses new requests and resolves when the last one is answered. */
  drain(): Promise<void> {
    this.draining = true;
    return this.quota.used === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }
}
