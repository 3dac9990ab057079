/** Work that is done one after the other for each tenant: what it found out holds until it is done. */

/** The turns of one kind of work. One tenant's work keeps no other waiting. */
export class TenantTurns {
  /** The end of what is being done, by tenant. */
  private readonly ends = new Map<string, Promise<void>>();

  /** Does `work` once all earlier work of the tenant has ended, well or not. Settles as it does. */
  run<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.ends.get(tenant) ?? Promise.resolve()).then(work);
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    this.ends.set(tenant, ended);
    void ended.then(() => {
      if (this.ends.get(tenant) === ended) this.ends.delete(tenant);
    });
    return turn;
  }
}
