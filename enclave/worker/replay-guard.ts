/** Remembers what was opened until it expires, in bounded memory (receipt/SPEC.md section 3.2). */

/** What the guard says to an envelope: the first use, a second one, no room left, or older than it can vouch for. */
export type ReplayVerdict = "fresh" | "replayed" | "full" | "forgotten";

/** A bounded memory of encapsulated keys, which callers name by their digests: those of the hybrid suite are long. */
export class ReplayGuard {
  private readonly buckets = new Map<number, Set<string>>();
  private readonly capacity: number;
  private count = 0;
  /** Envelopes that expire at or before this second are no longer remembered. */
  private horizon = -1;

  /** @param capacity most envelopes remembered at one time. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Envelopes remembered now. */
  get size(): number {
    return this.count;
  }

  /** Whether `enc` was claimed and is still remembered. */
  has(enc: string, until: number): boolean {
    return this.buckets.get(until)?.has(enc) ?? false;
  }

  /**
   * Claims `enc` until the second `until`; only the first claim is `fresh`. A clock that was set back does not make the
   * guard accept what it has forgotten: that is `forgotten`.
   * @param until the same value for every copy of one envelope: it comes from its authenticated `exp`.
   */
  claim(enc: string, until: number, now: number): ReplayVerdict {
    this.forget(now);
    if (until <= this.horizon) return "forgotten";
    if (this.has(enc, until)) return "replayed";
    if (this.count >= this.capacity) return "full";
    const bucket = this.buckets.get(until) ?? new Set<string>();
    bucket.add(enc);
    this.buckets.set(until, bucket);
    this.count++;
    return "fresh";
  }

  private forget(now: number): void {
    if (now - 1 <= this.horizon) return;
    this.horizon = now - 1;
    for (const [until, bucket] of this.buckets) {
      if (until > this.horizon) continue;
      this.count -= bucket.size;
      this.buckets.delete(until);
    }
  }
}
