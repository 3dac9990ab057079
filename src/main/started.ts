/** Everything that was started, in the order in which it is to be stopped: the last first. */
export class Started {
  private readonly closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.closers.unshift(close);
  }

  /** Stops everything; a second call does nothing. */
  async close(): Promise<void> {
    for (const close of this.closers.splice(0)) await close();
  }
}
