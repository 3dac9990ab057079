/** One supervised worker of a seat: its process, its client and its admission, which come and go together. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { Clock } from "../../../core/time.ts";
import { Admission, type AdmittedSession, type AppraiseWorker } from "./admission.ts";
import { Conduct } from "./conduct.ts";
import { Supervisor, type SupervisorTimes, type WorkerCommand, type WorkerProcess } from "./supervisor.ts";
import { WorkerClient } from "./worker-client.ts";

/** How long a worker may take to report evidence. */
const EVIDENCE_TIMEOUT_MS = 30_000;

/** How long a worker that was silent may take to say that it is there. */
const ALIVE_TIMEOUT_MS = 2000;

/** One worker as the operator configures it. */
export interface WorkerPlace extends WorkerCommand {
  /** Unique among the workers of the gateway; the ACI session calls it `upstream_name`. */
  readonly name: string;
  /** What the operator claims about it, such as its jurisdiction. */
  readonly claims: Readonly<Record<string, string | number | boolean>>;
}

/** One line for the operator; never content of a request. */
export type WriteNote = (worker: string, event: string, text: string) => void;

/** What every worker of a pool shares. */
export interface SeatOptions {
  readonly appraise: AppraiseWorker;
  readonly onSession: (document: JsonObject) => Promise<void>;
  readonly clock: Clock;
  readonly maxSessionAgeS: number;
  readonly maxAnswerBytes: number;
  readonly note: WriteNote;
  readonly times?: Partial<SupervisorTimes>;
  /** How long a replaced worker goes on answering what callers sealed to it, in milliseconds; 5,000 by default. */
  readonly drainMs?: number;
}

interface Incarnation {
  readonly client: WorkerClient;
  readonly conduct: Conduct;
  readonly admission: Admission;
}

/** A session of a live worker, with the way to send to it. */
export interface WorkerSession {
  readonly worker: SeatWorker;
  readonly session: AdmittedSession;
  readonly client: WorkerClient;
  /** Of the process that the client reaches. */
  readonly conduct: Conduct;
}

/** A supervised worker that is admitted again whenever it starts anew. */
export class SeatWorker {
  private readonly name: string;
  private readonly options: SeatOptions;
  private readonly onAdmitted: (session: AdmittedSession) => void;
  private readonly supervisor: Supervisor;
  private readonly firstAdmission: Promise<void>;
  private settle: { resolve(): void; reject(error: TrisealError): void } = { resolve: () => {}, reject: () => {} };
  private readonly idleWaiters: (() => void)[] = [];
  private live: Incarnation | null = null;
  private hasFallen = false;
  private retired = false;
  private held = 0;

  /** @param onAdmitted called after each new session. */
  constructor(place: WorkerPlace, options: SeatOptions, onAdmitted: (session: AdmittedSession) => void) {
    this.name = place.name;
    this.options = options;
    this.onAdmitted = onAdmitted;
    this.firstAdmission = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.firstAdmission.catch(() => undefined);
    this.supervisor = new Supervisor(
      place,
      {
        onUp: (process) => this.up(process),
        onDown: (reason) => this.down(reason),
        onLog: (line) => this.note("worker log", line),
      },
      options.times,
    );
  }

  /** Process id of the worker; null while none runs. */
  get pid(): number | null {
    return this.supervisor.pid;
  }

  /** Whether the worker is up, whoever admitted it. */
  get isUp(): boolean {
    return this.live !== null;
  }

  /** Requests that this gateway has sent and not seen answered. */
  get inFlight(): number {
    return this.held;
  }

  /** The session for new requests, or null where the worker is down or not admitted. */
  current(): WorkerSession | null {
    return this.seated(this.live?.admission.current() ?? null);
  }

  /** The session in force whose keyset has that digest. */
  byKeyset(digest: Sha256Digest): WorkerSession | null {
    return this.seated(this.live?.admission.byKeyset(digest) ?? null);
  }

  /** The session in force with that id. */
  bySession(id: string): WorkerSession | null {
    return this.seated(this.live?.admission.byId(id) ?? null);
  }

  /** Ends the process for good, and starts another, where it answered under that session and another path contradicts it. */
  contradicted(sessionId: string, reason: string): void {
    if (this.live?.admission.hasAdmitted(sessionId) === true) this.live.conduct.contradicted(reason);
  }

  /** Why there is no session: our own words and a code, nothing that the worker or its evidence said. */
  get reason(): string {
    if (this.live === null) return this.hasFallen ? "WORKER_LOST" : "the worker is starting";
    return this.live.admission.failure?.code ?? "the worker's evidence is being appraised";
  }

  /** Counts a request as sent until `release` is called. */
  hold(): () => void {
    this.held++;
    return () => {
      this.held--;
      if (this.held === 0) for (const resolve of this.idleWaiters.splice(0)) resolve();
    };
  }

  /** Resolves once no request is held. */
  idle(): Promise<void> {
    return this.held === 0 ? Promise.resolve() : new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Resolves with the first session. @throws TrisealError at the first failure of start or appraisal: `WORKER_LOST` comes as `UPSTREAM_NOT_VERIFIED`. */
  admitted(): Promise<void> {
    return this.firstAdmission;
  }

  /** Appraises the worker's evidence now: what it was judged by has changed. Failures reach the operator's log. */
  reappraise(): void {
    this.live?.admission.start();
  }

  /** From now on a process that ends is not started again. */
  retire(): void {
    this.retired = true;
  }

  /** Ends worker, admission and connections; resolves once the process is gone. */
  async close(): Promise<void> {
    this.fail("SHUTTING_DOWN", "the worker is no longer used");
    this.live?.admission.close();
    await this.supervisor.close();
    this.end();
  }

  private note(event: string, text: string): void {
    this.options.note(this.name, event, text);
  }

  private fail(code: string, reason: string): void {
    const text = `the new process of worker \`${this.name}\` was not admitted: ${code}: ${reason}`;
    this.settle.reject(new TrisealError("UPSTREAM_NOT_VERIFIED", text));
  }

  private up(process: WorkerProcess): void {
    this.note("worker up", `pid ${process.pid}, provider ${process.provider}`);
    const client = new WorkerClient(process.address, this.options.maxAnswerBytes);
    const admission = new Admission({
      upstreamName: this.name,
      fetchEvidence: (nonce, signal) => client.evidence(nonce, EVIDENCE_TIMEOUT_MS, signal),
      appraise: this.options.appraise,
      onSession: this.options.onSession,
      clock: this.options.clock,
      maxAgeS: this.options.maxSessionAgeS,
      onAdmitted: (session) => {
        this.onAdmitted(session);
        this.settle.resolve();
      },
      onFailure: (code, reason) => {
        this.note("not admitted", `${code}: ${reason}`);
        this.fail(code, reason);
      },
    });
    const conduct = new Conduct({
      isAlive: () => client.isAlive(ALIVE_TIMEOUT_MS),
      replace: (reason) => {
        // Another process may be here by now.
        if (this.live?.client !== client) return;
        this.note("worker replaced", reason);
        this.hasFallen = true;
        this.end();
        this.supervisor.replace(process.pid, reason);
      },
    });
    this.live = { client, conduct, admission };
    admission.start();
  }

  private down(reason: string): void {
    this.note("worker down", reason);
    this.hasFallen = true;
    this.fail("WORKER_LOST", reason);
    this.end();
    if (this.retired) void this.supervisor.close();
  }

  private seated(session: AdmittedSession | null): WorkerSession | null {
    if (session === null || this.live === null) return null;
    const { client, conduct } = this.live;
    return { worker: this, session, client, conduct };
  }

  private end(): void {
    this.live?.admission.close();
    this.live?.client.close();
    this.live = null;
  }
}
