/**
 * Admission: a worker's evidence is appraised and frozen as a session before the first byte of a request reaches it.
 * One `Admission` belongs to one worker process; a process that starts anew is admitted anew.
 */
import { encodeHex } from "../../../core/bytes.ts";
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import { type Clock, holdsUntil, type UnixSeconds, unixSeconds } from "../../../core/time.ts";
import { sessionId } from "../../../receipt/session.ts";
import type { BackendFact } from "../../path.ts";
import { parseWorkerEvidence, type WorkerKeyset, workerKeysetDigest } from "../wire/keyset.ts";
import { makeSessionDocument, type SessionClaims } from "./session-document.ts";

/** The result of appraising a worker's evidence package. */
export type WorkerAppraisal =
  | {
      readonly ok: true;
      readonly facts: readonly BackendFact[];
      /** The evidence counts until then, at most. */
      readonly expiresAt: UnixSeconds;
      /** Typed claims of the session; without them all six are `unknown`. */
      readonly claims?: SessionClaims;
    }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** Appraises the exact bytes of an evidence package that was asked for under `nonce` (64 hexadecimal digits). */
export type AppraiseWorker = (packageBytes: Uint8Array, nonce: string) => Promise<WorkerAppraisal>;

/** What an admission needs. */
export interface AdmissionOptions {
  readonly upstreamName: string;
  /** Asks the worker for its evidence under a nonce. */
  readonly fetchEvidence: (nonce: string, signal: AbortSignal) => Promise<Uint8Array>;
  readonly appraise: AppraiseWorker;
  /** Awaited before a session is used: the gateway logs the document. */
  readonly onSession: (document: JsonObject) => Promise<void>;
  readonly clock: Clock;
  /** Longest life of a session in seconds. */
  readonly maxAgeS: number;
  /** A session came into force. */
  readonly onAdmitted: (session: AdmittedSession) => void;
  /** A failed attempt, for the operator. */
  readonly onFailure: (code: string, reason: string) => void;
}

/** A worker's appraised evidence, in force until `expiresAt`. */
export interface AdmittedSession {
  readonly id: string;
  readonly document: JsonObject;
  readonly establishedAt: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly facts: readonly BackendFact[];
  readonly keyset: WorkerKeyset;
  readonly keysetDigest: Sha256Digest;
  readonly modelDigests: ReadonlySet<Sha256Digest>;
  readonly evidenceDigest: Sha256Digest;
}

/** A session with the moment of the monotonic clock, in milliseconds, beyond which it is not in force whatever the wall clock says. */
interface TimedSession {
  readonly session: AdmittedSession;
  readonly endsAtMs: number;
}

/** How often it is looked whether the wall clock was set: no timer of a length known beforehand sees that. */
const WATCH_MS = 1000;
/** Sessions of one process whose ids are kept: those of four weeks, where each is renewed after the usual 400 seconds. */
const MAX_REMEMBERED = 6000;
/** Waits before a failed attempt is repeated. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/** When a session is renewed: two thirds of the way leave room for several more attempts before it ends. */
function renewalOf({ establishedAt, expiresAt }: AdmittedSession): number {
  return establishedAt + ((expiresAt - establishedAt) * 2) / 3;
}

/** The admission of one worker process. */
export class Admission {
  private readonly options: AdmissionOptions;
  private readonly closing = new AbortController();
  /** Newest first. Renewal leaves the sessions before in force until they expire: requests were decided on them. */
  private sessions: readonly TimedSession[] = [];
  /** Ids of all sessions of this process, also of those that have ended, oldest first. */
  private readonly admittedIds = new Set<string>();
  private attempt: Promise<AdmittedSession> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private watch: NodeJS.Timeout | null = null;
  private failures = 0;
  private lastFailure: { readonly code: string; readonly reason: string } | null = null;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** The session to send new requests under, or null where none is in force. */
  current(): AdmittedSession | null {
    return this.live()[0] ?? null;
  }

  /** The newest session in force whose keyset has that digest. */
  byKeyset(digest: Sha256Digest): AdmittedSession | null {
    return this.live().find((session) => session.keysetDigest === digest) ?? null;
  }

  /** The session in force with that id. */
  byId(id: string): AdmittedSession | null {
    return this.live().find((session) => session.id === id) ?? null;
  }

  /** Whether a session of this process had that id, however long ago it ended: whoever answered under it may still run. */
  hasAdmitted(id: string): boolean {
    return this.admittedIds.has(id);
  }

  /** Why the last attempt failed; null after a success. */
  get failure(): { readonly code: string; readonly reason: string } | null {
    return this.lastFailure;
  }

  /**
   * Appraises the worker once more, or joins the appraisal in progress: there is one at a time. Schedules the next.
   * @throws TrisealError `UPSTREAM_NOT_VERIFIED` where the evidence does not pass, or the code of what failed.
   */
  async renew(): Promise<AdmittedSession> {
    this.attempt ??= this.admit().finally(() => {
      this.attempt = null;
    });
    return await this.attempt;
  }

  /** Keeps the worker admitted until `close`: appraises now, and again before each expiry. */
  start(): void {
    this.watch ??= setInterval(() => this.renewIfDue(), WATCH_MS).unref();
    this.renew().catch(() => {});
  }

  /** Ends the admission: no session of it is in force from now on. */
  close(): void {
    this.closing.abort(new TrisealError("SHUTTING_DOWN", "the worker is no longer used"));
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.watch !== null) clearInterval(this.watch);
    this.sessions = [];
  }

  /**
   * Sessions in force. Not those of the future, which a clock that was set back leaves: a receipt would be older than the
   * session that it cites. Nor those that have lasted their time by the monotonic clock.
   */
  private inForce(): readonly TimedSession[] {
    const now = this.options.clock();
    const elapsed = performance.now();
    return this.sessions.filter(
      ({ session, endsAtMs }) => session.establishedAt <= now && holdsUntil(session.expiresAt, now) && elapsed < endsAtMs,
    );
  }

  private live(): readonly AdmittedSession[] {
    return this.inForce().map(({ session }) => session);
  }

  /** A set clock can end a session early, or bring its renewal forward. After a failure the next attempt is scheduled already. */
  private renewIfDue(): void {
    if (this.attempt !== null || this.lastFailure !== null || this.closing.signal.aborted) return;
    const session = this.current();
    if (session === null || this.options.clock() >= renewalOf(session)) this.start();
  }

  private async admit(): Promise<AdmittedSession> {
    const started = performance.now();
    try {
      const session = await this.appraiseOnce();
      const lifetimeMs = (session.expiresAt - session.establishedAt) * 1000;
      this.sessions = [{ session, endsAtMs: started + lifetimeMs }, ...this.inForce()];
      this.remember(session.id);
      this.failures = 0;
      this.lastFailure = null;
      this.options.onAdmitted(session);
      this.schedule((renewalOf(session) - session.establishedAt) * 1000);
      return session;
    } catch (error) {
      this.noteFailure(error);
      throw error;
    }
  }

  private remember(id: string): void {
    this.admittedIds.add(id);
    const [oldest] = this.admittedIds;
    if (this.admittedIds.size > MAX_REMEMBERED && oldest !== undefined) this.admittedIds.delete(oldest);
  }

  private noteFailure(error: unknown): void {
    if (this.closing.signal.aborted) return;
    const code = isTrisealError(error) ? error.code : "INTERNAL";
    const reason = error instanceof Error ? error.message : "unknown";
    this.lastFailure = { code, reason };
    this.options.onFailure(code, reason);
    // Evidence that no longer passes ends what it admitted before; evidence that could not be had does not.
    if (code === "UPSTREAM_NOT_VERIFIED") this.sessions = [];
    this.schedule(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures++, 10)));
  }

  private schedule(milliseconds: number): void {
    if (this.closing.signal.aborted) return;
    if (this.timer !== null) clearTimeout(this.timer);
    // Timers hold at most 2^31-1 ms; an earlier renewal does no harm.
    this.timer = setTimeout(() => this.start(), Math.min(milliseconds, 2 ** 31 - 1));
    this.timer.unref();
  }

  private async appraiseOnce(): Promise<AdmittedSession> {
    const { options } = this;
    const nonce = encodeHex(crypto.getRandomValues(new Uint8Array(32)));
    const evidenceBytes = await options.fetchEvidence(nonce, this.closing.signal);
    const appraisal = await options.appraise(evidenceBytes, nonce);
    if (!appraisal.ok) {
      throw new TrisealError("UPSTREAM_NOT_VERIFIED", appraisal.reason, { details: { appraisal: appraisal.code } });
    }
    const evidence = parseWorkerEvidence(evidenceBytes);
    const establishedAt = options.clock();
    const expiresAt = unixSeconds(Math.min(appraisal.expiresAt, evidence.keyset.notAfter, establishedAt + options.maxAgeS));
    const keysetDigest = workerKeysetDigest(evidence.keyset);
    // Whatever the appraiser looked at: these keys are used, and this nonce was asked for.
    if (evidence.statement.keysetDigest !== keysetDigest || evidence.statement.nonce !== nonce) {
      throw new TrisealError("UPSTREAM_NOT_VERIFIED", "the evidence is for another keyset or another challenge");
    }
    if (expiresAt <= establishedAt) throw new TrisealError("UPSTREAM_NOT_VERIFIED", "the evidence has already expired");
    const claims = appraisal.claims ?? {};
    const document = makeSessionDocument({
      upstreamName: options.upstreamName,
      establishedAt,
      expiresAt,
      claims,
      evidenceBytes,
      evidence,
    });
    await options.onSession(document);
    this.closing.signal.throwIfAborted();
    return {
      id: sessionId(document),
      document,
      establishedAt,
      expiresAt,
      facts: appraisal.facts,
      keyset: evidence.keyset,
      keysetDigest,
      modelDigests: new Set(evidence.statement.modelDigests),
      evidenceDigest: digestOf(evidenceBytes),
    };
  }
}
