/** One place of the worker pool: the worker that holds it, and those that it replaced while they drain. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { BackendFact } from "../../path.ts";
import type { AdmittedSession } from "./admission.ts";
import { pause } from "./pause.ts";
import { type SeatOptions, SeatWorker, type WorkerPlace, type WorkerSession } from "./seat-worker.ts";

const DEFAULT_DRAIN_MS = 5000;

/** A session of a live worker, with the seat that it belongs to. */
export interface SeatedSession extends WorkerSession {
  readonly seat: WorkerSeat;
}

/** A place with a name, which outlives the workers that hold it. */
export class WorkerSeat {
  readonly name: string;
  /** Facts that rest on the operator's word. */
  readonly claimedFacts: readonly BackendFact[];
  private readonly place: WorkerPlace;
  private readonly options: SeatOptions;
  private readonly onAdmitted: (session: AdmittedSession) => void;
  private readonly closing = new AbortController();
  private worker: SeatWorker;
  /** The successor while it starts. */
  private coming: SeatWorker | null = null;
  /** Replaced: they get no new requests but those that callers sealed to them. */
  private readonly leaving = new Set<SeatWorker>();
  /** Replaced, and past their time: they finish what they hold. */
  private readonly ending = new Set<SeatWorker>();

  /** @param onAdmitted called after each new session of any worker of this seat. */
  constructor(place: WorkerPlace, options: SeatOptions, onAdmitted: (session: AdmittedSession) => void) {
    this.name = place.name;
    this.claimedFacts = Object.entries(place.claims).map(([name, value]) => ({ name, origin: "claim", value }));
    this.place = place;
    this.options = options;
    this.onAdmitted = onAdmitted;
    this.worker = new SeatWorker(place, options, onAdmitted);
  }

  /** Process ids of all workers of this seat. */
  get pids(): readonly number[] {
    return this.workers().flatMap((worker) => worker.pid ?? []);
  }

  /** Whether the worker is up, whoever admitted it. */
  get isUp(): boolean {
    return this.worker.isUp || [...this.leaving].some((worker) => worker.isUp);
  }

  /** The session for new requests, or null where the worker is down or not admitted. */
  current(): SeatedSession | null {
    return this.seated(this.worker.current());
  }

  /** The session in force whose keyset has that digest, of a draining worker, too. */
  byKeyset(digest: Sha256Digest): SeatedSession | null {
    return this.first((worker) => worker.byKeyset(digest));
  }

  /** The session in force with that id, of a draining worker, too. */
  bySession(id: string): SeatedSession | null {
    return this.first((worker) => worker.bySession(id));
  }

  /** Why there is no session: our own words and a code. */
  get reason(): string {
    return this.worker.reason;
  }

  /** Ends whichever worker answered under that session, also one that drains. */
  contradicted(sessionId: string, reason: string): void {
    for (const worker of this.workers()) worker.contradicted(sessionId, reason);
  }

  /** Appraises the evidence of all workers now. */
  reappraise(): void {
    for (const worker of [this.worker, ...this.leaving]) worker.reappraise();
  }

  /**
   * Puts a new process in the place of the worker: starts and admits it, gives it the new requests, lets the old one answer
   * what callers sealed to it for `drainMs`, and ends that once it holds nothing. Resolves when the old process is gone.
   * @throws TrisealError `UPSTREAM_NOT_VERIFIED` where the new process is not admitted: the old one stays as it was.
   */
  async restart(): Promise<void> {
    if (this.coming !== null) throw new TrisealError("OVERLOADED", `worker \`${this.name}\` is being replaced already`);
    const successor = new SeatWorker(this.place, this.options, this.onAdmitted);
    this.coming = successor;
    try {
      await successor.admitted();
    } catch (error) {
      await successor.close();
      throw error;
    } finally {
      this.coming = null;
    }
    const old = this.worker;
    this.worker = successor;
    old.retire();
    this.leaving.add(old);
    await pause(this.options.drainMs ?? DEFAULT_DRAIN_MS, this.closing.signal);
    this.leaving.delete(old);
    this.ending.add(old);
    // Each request has its own deadline, so that this ends.
    await old.idle();
    await old.close();
    this.ending.delete(old);
  }

  /** Ends all workers; resolves once their processes are gone. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.workers().map((worker) => worker.close()));
  }

  private workers(): readonly SeatWorker[] {
    return [this.worker, ...(this.coming === null ? [] : [this.coming]), ...this.leaving, ...this.ending];
  }

  private seated(found: WorkerSession | null): SeatedSession | null {
    return found === null ? null : { ...found, seat: this };
  }

  private first(find: (worker: SeatWorker) => WorkerSession | null): SeatedSession | null {
    for (const worker of [this.worker, ...this.leaving]) {
      const found = find(worker);
      if (found !== null) return this.seated(found);
    }
    return null;
  }
}
