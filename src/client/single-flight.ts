/** One piece of work for all who ask for it at the same time. */

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Rejects with the signal's reason as soon as that aborts, whatever becomes of `result`. */
async function orAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  let leave = () => {};
  const left = new Promise<null>((resolve) => {
    leave = () => resolve(null);
  });
  signal.addEventListener("abort", leave, { once: true });
  try {
    const first = await Promise.race([result.then((value) => ({ value })), left]);
    if (first !== null) return first.value;
    signal.throwIfAborted();
    return await result;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** Work of which no two runs overlap: whoever comes while it runs waits for that run. */
export class SingleFlight<T> {
  private readonly work: (signal: AbortSignal) => Promise<T>;
  private flight: Flight<T> | null = null;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.work = work;
  }

  /**
   * What the run in progress gives, or a new one. One caller's abort ends the wait of that caller; the run itself is aborted
   * once nobody waits for it.
   */
  async join(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    this.flight ??= this.start();
    const flight = this.flight;
    flight.waiting++;
    try {
      return await orAborted(flight.result, signal);
    } finally {
      if (--flight.waiting === 0) this.end(flight);
    }
  }

  private start(): Flight<T> {
    const controller = new AbortController();
    return { result: this.work(controller.signal), controller, waiting: 0 };
  }

  private end(flight: Flight<T>): void {
    if (this.flight === flight) this.flight = null;
    flight.controller.abort();
  }
}
