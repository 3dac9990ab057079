/** One place of the worker pool: the supervised process, its client and its admission, which come and go together. */
import type { Sha256Digest } from "../../../core/digest.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { Clock } from "../../../core/time.ts";
import type { BackendFact } from "../../path.ts";
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

/** What every seat of a pool shares. */
export interface SeatOptions {
  readonly appraise: AppraiseWorker;
  readonly onSession: (document: JsonObject) => Promise<void>;
  readonly clock: Clock;
  readonly maxSessionAgeS: number;
  readonly maxAnswerBytes: number;
  readonly note: WriteNote;
  readonly times?: Partial<SupervisorTimes>;
}

interface Incarnation {
  readonly process: WorkerProcess;
  readonly client: WorkerClient;
  readonly conduct: Conduct;
  readonly admission: Admission;
}

/** A session of a live worker, with the way to send to it. */
export interface SeatedSession {
  readonly seat: WorkerSeat;
  readonly session: AdmittedSession;
  readonly client: WorkerClient;
  /** Of the process that the client reaches. */
  readonly conduct: Conduct;
}

/** A supervised worker that is admitted again whenever it starts anew. */
export class WorkerSeat {
  readonly name: string;
  /** Facts that rest on the operator's word. */
  readonly claimedFacts: readonly BackendFact[];
  /** Requests that this gateway has sent and not seen answered. */
  inFlight = 0;
  private readonly supervisor: Supervisor;
  private live: Incarnation | null = null;
  private downReason = "the worker is starting";

  /** @param onAdmitted called after each new session. */
  constructor(place: WorkerPlace, options: SeatOptions, onAdmitted: (session: AdmittedSession) => void) {
    this.name = place.name;
    this.claimedFacts = Object.entries(place.claims).map(([name, value]) => ({ name, origin: "claim", value }));
    const note = (event: string, text: string) => options.note(place.name, event, text);
    this.supervisor = new Supervisor(
      place,
      {
        onUp: (process) => {
          note("worker up", `pid ${process.pid}, provider ${process.provider}`);
          this.live = this.incarnate(process, options, onAdmitted);
        },
        onDown: (reason) => {
          note("worker down", reason);
          this.downReason = reason;
          this.end();
        },
        onLog: (line) => note("worker log", line),
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

  /** The session for new requests, or null where the worker is down or not admitted. */
  current(): SeatedSession | null {
    return this.seated(this.live?.admission.current() ?? null);
  }

  /** The session in force whose keyset has that digest. */
  byKeyset(digest: Sha256Digest): SeatedSession | null {
    return this.seated(this.live?.admission.byKeyset(digest) ?? null);
  }

  /** The session in force with that id. */
  bySession(id: string): SeatedSession | null {
    return this.seated(this.live?.admission.byId(id) ?? null);
  }

  /** Why there is no session, in one line. */
  get reason(): string {
    const failure = this.live?.admission.failure;
    if (this.live === null) return this.downReason;
    return failure === null || failure === undefined
      ? "the worker's evidence is being appraised"
      : `${failure.code}: ${failure.reason}`;
  }

  /** Ends worker, admission and connections; resolves once the process is gone. */
  async close(): Promise<void> {
    this.live?.admission.close();
    await this.supervisor.close();
    this.end();
  }

  private seated(session: AdmittedSession | null): SeatedSession | null {
    if (session === null || this.live === null) return null;
    const { client, conduct } = this.live;
    return { seat: this, session, client, conduct };
  }

  private incarnate(process: WorkerProcess, options: SeatOptions, onAdmitted: (session: AdmittedSession) => void): Incarnation {
    const client = new WorkerClient(process.address, options.maxAnswerBytes);
    const admission = new Admission({
      upstreamName: this.name,
      fetchEvidence: (nonce, signal) => client.evidence(nonce, EVIDENCE_TIMEOUT_MS, signal),
      appraise: options.appraise,
      onSession: options.onSession,
      clock: options.clock,
      maxAgeS: options.maxSessionAgeS,
      onAdmitted,
      onFailure: (code, reason) => options.note(this.name, "not admitted", `${code}: ${reason}`),
    });
    const conduct = new Conduct({
      isAlive: () => client.isAlive(ALIVE_TIMEOUT_MS),
      replace: (reason) => {
        // Another process may sit here by now.
        if (this.live?.client !== client) return;
        options.note(this.name, "worker replaced", reason);
        this.downReason = reason;
        this.end();
        this.supervisor.replace(process.pid, reason);
      },
    });
    admission.start();
    return { process, client, conduct, admission };
  }

  private end(): void {
    this.live?.admission.close();
    this.live?.client.close();
    this.live = null;
  }
}
