/** Asks witnesses to cosign the log's checkpoints, in rounds beside the appends and never in their way. */
import { TrisealError } from "../../core/errors.ts";
import { parseCheckpointText } from "../checkpoint.ts";
import { isKeyName, type NoteSignature, parseNote } from "../note.ts";
import { type Submission, type WitnessAddress, type WitnessFetch, WitnessPeer } from "./witness-peer.ts";

/** What the client needs of a log. */
export interface WitnessedSource {
  /** The latest checkpoint, signed by the log. */
  checkpoint(): string;
  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Stores verified cosignatures of one checkpoint, durably. */
  addCosignatures(noteText: string, lines: readonly NoteSignature[]): Promise<void>;
  /** Size of the largest checkpoint that was cosigned; 0 where none was. */
  cosignedSize(): number;
}

/** Waiting times before a witness that failed is asked again, in milliseconds; they double with every failure in a row. */
export interface WitnessBackoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Whom the client asks, and for which log. */
export interface WitnessClientOptions {
  readonly origin: string;
  readonly witnesses: readonly WitnessAddress[];
  /** How many witnesses must cosign one and the same checkpoint, at least 1. */
  readonly quorum: number;
  readonly log: WitnessedSource;
  /** After this time a round goes on without the witnesses that have not answered. */
  readonly roundTimeoutMs: number;
  /** By default 250 ms to 30 s. */
  readonly backoff?: WitnessBackoff;
  readonly fetch?: WitnessFetch;
  /** Told in one line what a witness, or the log (`witness` is then the origin), failed in. */
  readonly onFailure?: (witness: string, reason: string) => void;
}

/** Gets checkpoints cosigned. */
export interface WitnessClient {
  /** Asks for a round over the latest checkpoint; returns at once. Requests during a round make one further round. */
  request(): void;
  /** True as soon as a checkpoint with the quorum covers leaf `index`; false after `timeoutMs`, or when the client closes. */
  settled(index: number, timeoutMs: number): Promise<boolean>;
  /** Breaks off the round under way; resolves when nothing of the client runs any more. */
  close(): Promise<void>;
}

interface Waiter {
  readonly index: number;
  readonly finish: (settled: boolean) => void;
}

/** A witness that is asked, or rests after a failure. */
interface Seat {
  readonly peer: WitnessPeer;
  resting: boolean;
  /** How long it rests after the next failure, in milliseconds. */
  nextRestMs: number;
}

const DEFAULT_BACKOFF: WitnessBackoff = { firstMs: 250, maxMs: 30_000 };

function isHttpAddress(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}

function assertOptions({ origin, witnesses, quorum }: WitnessClientOptions): void {
  const keys = new Set(witnesses.map(({ publicKey }) => publicKey));
  const sound = witnesses.every(
    ({ name, url, publicKey }) => isKeyName(name) && /^[0-9a-f]{64}$/.test(publicKey) && isHttpAddress(url),
  );
  if (!isKeyName(origin) || !sound || keys.size !== witnesses.length) {
    throw new TrisealError("CONFIG_INVALID", "witnesses: expected names, http(s) addresses and distinct Ed25519 keys");
  }
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > witnesses.length) {
    throw new TrisealError("CONFIG_INVALID", `witnesses: the quorum must lie between 1 and ${witnesses.length}`);
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return `${error instanceof Error ? error.message : "unknown error"}${cause}`.split("\n", 1)[0] ?? "";
}

class WitnessRounds implements WitnessClient {
  private readonly options: WitnessClientOptions;
  private readonly backoff: WitnessBackoff;
  private readonly seats: readonly Seat[];
  private readonly closing = new AbortController();
  private readonly waiters = new Set<Waiter>();
  private readonly timers = new Set<NodeJS.Timeout>();
  /** Cosignatures of the checkpoint with this text, by seat; kept over rounds until the quorum is there. */
  private collected = { text: "", lines: new Map<Seat, NoteSignature>() };
  private wanted = false;
  private running: Promise<void> | null = null;

  constructor(options: WitnessClientOptions) {
    this.options = options;
    this.backoff = options.backoff ?? DEFAULT_BACKOFF;
    const fetch = options.fetch ?? ((address, init) => globalThis.fetch(address, init));
    this.seats = options.witnesses.map((witness) => ({
      peer: new WitnessPeer(witness, fetch),
      resting: false,
      nextRestMs: this.backoff.firstMs,
    }));
  }

  request(): void {
    if (this.closing.signal.aborted) return;
    this.wanted = true;
    this.running ??= this.runRounds();
  }

  settled(index: number, timeoutMs: number): Promise<boolean> {
    if (this.options.log.cosignedSize() > index) return Promise.resolve(true);
    if (this.closing.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.finish(false), timeoutMs);
      const waiter: Waiter = {
        index,
        finish: (settled) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve(settled);
        },
      };
      this.waiters.add(waiter);
      this.request();
    });
  }

  async close(): Promise<void> {
    this.closing.abort(new TrisealError("SHUTTING_DOWN", "the witness client was closed"));
    for (const timer of this.timers) clearTimeout(timer);
    for (const waiter of this.waiters) waiter.finish(false);
    await this.running;
  }

  private async runRounds(): Promise<void> {
    // Only after the caller's own step, so that `running` is set, and a batch of requests becomes one round.
    await Promise.resolve();
    while (this.wanted && !this.closing.signal.aborted) {
      this.wanted = false;
      try {
        await this.round();
      } catch (error) {
        this.fail(this.options.origin, error);
        this.later(this.backoff.maxMs, () => this.request());
      }
    }
    this.running = null;
  }

  private async round(): Promise<void> {
    const { log, quorum } = this.options;
    const submission = this.submission();
    if (submission.size > log.cosignedSize()) {
      if (this.collected.text !== submission.text) this.collected = { text: submission.text, lines: new Map() };
      const { lines } = this.collected;
      const asked = this.seats.filter((seat) => !seat.resting && !lines.has(seat));
      // Too few to reach the quorum: the end of a rest asks for the next round.
      if (lines.size + asked.length < quorum) return;
      const signal = AbortSignal.any([AbortSignal.timeout(this.options.roundTimeoutMs), this.closing.signal]);
      await Promise.all(asked.map((seat) => this.ask(seat, submission, signal)));
      if (lines.size < quorum) return;
      const ordered = this.seats.flatMap((seat) => lines.get(seat) ?? []);
      await log.addCosignatures(submission.noteText, ordered);
    }
    const size = log.cosignedSize();
    for (const waiter of this.waiters) if (waiter.index < size) waiter.finish(true);
  }

  private submission(): Submission {
    const { log, origin } = this.options;
    const noteText = log.checkpoint();
    const { text } = parseNote(noteText);
    const checkpoint = parseCheckpointText(text);
    if (checkpoint.origin !== origin) throw new TrisealError("CONFIG_INVALID", "witnesses: the log has another origin");
    const { size } = checkpoint;
    return { noteText, text, size, prove: (from) => log.consistencyProof(from, size) };
  }

  /** Never rejects: a failure puts the witness to rest. */
  private async ask(seat: Seat, submission: Submission, signal: AbortSignal): Promise<void> {
    try {
      const line = await seat.peer.cosign(submission, signal);
      this.collected.lines.set(seat, line);
      seat.nextRestMs = this.backoff.firstMs;
    } catch (error) {
      if (this.closing.signal.aborted) return;
      this.fail(seat.peer.witness.name, error);
      seat.resting = true;
      this.later(seat.nextRestMs, () => {
        seat.resting = false;
        this.request();
      });
      seat.nextRestMs = Math.min(seat.nextRestMs * 2, this.backoff.maxMs);
    }
  }

  private fail(who: string, error: unknown): void {
    this.options.onFailure?.(who, reasonOf(error));
  }

  private later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, delayMs);
    timer.unref();
    this.timers.add(timer);
  }
}

/**
 * A client that asks `witnesses` for the log at `origin`. It starts with the first request. Cosignatures reach the log only
 * when the quorum of them, verified under the configured keys, stands for one checkpoint.
 * @throws TrisealError `CONFIG_INVALID` for a quorum that cannot be reached, a key given twice, or an unusable address.
 */
export function createWitnessClient(options: WitnessClientOptions): WitnessClient {
  assertOptions(options);
  return new WitnessRounds(options);
}
