/** Bytes of bodies that are in memory: what callers send while it is being answered, and answers until they are sent. */
import { TrisealError } from "../core/errors.ts";
import { Quota, type QuotaLimits } from "./quota.ts";

/** The sending side of a connection, as far as memory depends on it. */
export interface Outgoing {
  readonly destroyed: boolean;
  once(event: "close", listener: () => void): unknown;
}

/** Bytes that one request holds. */
export class HeldBytes {
  private readonly quota: Quota;
  private readonly tenant: string;
  private bytes = 0;

  constructor(quota: Quota, tenant: string) {
    this.quota = quota;
    this.tenant = tenant;
  }

  /** Refuses `count` more bytes where there is no room for them. Takes nothing. @throws TrisealError `OVERLOADED`, `TOO_MANY_REQUESTS`. */
  assertRoom(count: number): void {
    const exceeded = this.quota.exceeded(this.tenant, count);
    if (exceeded === "total") throw new TrisealError("OVERLOADED", "the gateway holds as many bytes of bodies as it may");
    if (exceeded === "tenant")
      throw new TrisealError("TOO_MANY_REQUESTS", "this tenant has as many bytes of bodies here as it may");
  }

  /** Takes `count` more bytes. @throws as `assertRoom`. */
  take(count: number): void {
    this.assertRoom(count);
    this.keep(count);
  }

  /** Takes `count` more bytes, room or not: what was answered is sent. */
  keep(count: number): void {
    this.quota.take(this.tenant, count);
    this.bytes += count;
  }

  /** Gives everything back. */
  release(): void {
    this.quota.give(this.tenant, this.bytes);
    this.bytes = 0;
  }

  /** Gives everything back once `outgoing` is closed: its answer is sent, or nobody reads it. At once where there is no connection. */
  releaseAfter(outgoing: Outgoing | undefined): void {
    if (outgoing === undefined || outgoing.destroyed) this.release();
    else outgoing.once("close", () => this.release());
  }
}

/** All bodies of one gateway. Counts the bytes of bodies, not what parsing makes of them. */
export class BodyMemory {
  private readonly quota: Quota;

  constructor(limits: QuotaLimits) {
    this.quota = new Quota(limits);
  }

  /** The bytes of one request of `tenant`: none yet. */
  open(tenant: string): HeldBytes {
    return new HeldBytes(this.quota, tenant);
  }
}
