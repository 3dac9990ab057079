/** A bounded amount of something, of which no tenant gets more than its share. */

/** How much there is. */
export interface QuotaLimits {
  readonly total: number;
  readonly perTenant: number;
}

/** Amounts that tenants hold now. */
export class Quota {
  private readonly limits: QuotaLimits;
  private readonly held = new Map<string, number>();
  private sum = 0;

  constructor(limits: QuotaLimits) {
    this.limits = limits;
  }

  /** What all tenants hold together. */
  get used(): number {
    return this.sum;
  }

  /** Which bound `amount` more would break for `tenant`, or null. Takes nothing. */
  exceeded(tenant: string, amount: number): "total" | "tenant" | null {
    if (this.sum + amount > this.limits.total) return "total";
    return (this.held.get(tenant) ?? 0) + amount > this.limits.perTenant ? "tenant" : null;
  }

  /** Takes `amount`, whatever the bounds say: `exceeded` asks them. */
  take(tenant: string, amount: number): void {
    this.sum += amount;
    this.held.set(tenant, (this.held.get(tenant) ?? 0) + amount);
  }

  /** Gives back what was taken. */
  give(tenant: string, amount: number): void {
    this.sum -= amount;
    const left = (this.held.get(tenant) ?? 0) - amount;
    if (left === 0) this.held.delete(tenant);
    else this.held.set(tenant, left);
  }
}
