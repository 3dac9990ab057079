/** The tee path of the gateway: a pool of attested workers behind the interface that every path has. */
import { digestOfBody, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { factsDigest } from "../../../core/oip.ts";
import { inStage } from "../../../core/stage.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import type {
  Backend,
  BoundRequest,
  InferencePath,
  InferOptions,
  PathAnswer,
  Readiness,
  SealedReader,
  ServedModel,
  SessionRecord,
} from "../../path.ts";
import { teeError } from "../wire/codes.ts";
import { parseEnvelope, parseEnvelopeOfType, SEALED_TYPES, type SealedEnvelope } from "../wire/envelope.ts";
import { encodeFrame } from "../wire/frame.ts";
import type { AdmittedSession } from "./admission.ts";
import { checkAnswer } from "./check-answer.ts";
import { type Outgoing, openChecked, withForwarded } from "./open-answer.ts";
import { sealToSession } from "./seal-to-session.ts";
import type { SeatOptions, WorkerPlace } from "./seat-worker.ts";
import { type SeatedSession, WorkerSeat } from "./worker-seat.ts";

/** Sessions that are kept to be shown; receipts of older ones have theirs in the store. */
const MAX_SESSIONS_KEPT = 256;

/** What the tee path needs. */
export interface TeePathOptions extends SeatOptions {
  readonly workers: readonly WorkerPlace[];
  /** The models of the gateway; a worker serves those whose digests its evidence states. */
  readonly models: readonly ServedModel[];
  /** How long one request may take inside a worker. */
  readonly requestTimeoutMs: number;
}

/** The tee path, with what only its composition root and its tests ask for. */
export interface TeePath extends InferencePath {
  /** Resolves once a worker is admitted. @throws the reason of `signal`. */
  admitted(signal: AbortSignal): Promise<void>;
  /** Process ids of the workers that run now. */
  pids(): readonly number[];
  /**
   * Replaces every worker by a new process, one after the other, and refuses no request for it. Resolves when the old ones are gone.
   * @throws TrisealError `UPSTREAM_NOT_VERIFIED` where a new process is not admitted: the worker before it and those after stay.
   */
  restart(): Promise<void>;
  /** Appraises all workers now: what they are judged by has changed. */
  reappraise(): void;
}

class TeeInference implements TeePath {
  readonly id = "tee";
  readonly attestedUpstream = true;
  /** A worker signs what it ran, and runs what it was asked: it confirms no answer that it did not give. */
  readonly confirmer = null;
  readonly sealed: SealedReader = {
    mediaTypes: Object.values(SEALED_TYPES),
    read: (body, mediaType) => {
      const envelope = parseEnvelopeOfType(body, mediaType);
      this.envelopes.set(body, envelope);
      return envelope;
    },
  };
  /** Envelopes by the body that they stand in: one request asks three times, and no body changes once it has arrived. */
  private readonly envelopes = new WeakMap<Uint8Array, SealedEnvelope>();
  private readonly options: TeePathOptions;
  private readonly seats: readonly WorkerSeat[];
  private readonly kept: AdmittedSession[] = [];
  private readonly waiting = new Set<() => void>();
  private closing = false;

  constructor(options: TeePathOptions) {
    if (new Set(options.workers.map((place) => place.name)).size !== options.workers.length) {
      throw new TrisealError("CONFIG_INVALID", "two workers have one name");
    }
    this.options = options;
    this.seats = options.workers.map((place) => new WorkerSeat(place, options, (session) => this.keep(session)));
  }

  models(): readonly ServedModel[] {
    return this.options.models;
  }

  backends(model: ServedModel, sealedBody?: Uint8Array, at = this.options.clock()): readonly Backend[] {
    const holder = sealedBody === undefined ? null : this.holderOf(sealedBody);
    const chosen = (holder === null ? this.seats.flatMap((seat) => seat.current() ?? []) : [holder])
      .filter(({ session }) => session.modelDigests.has(model.digest))
      .sort((left, right) => left.worker.inFlight - right.worker.inFlight);
    return chosen.map((seated) => this.backend(seated, at));
  }

  async ready(): Promise<Readiness> {
    if (this.closing) return { ready: false, reason: "the path is closing" };
    if (this.seats.some((seat) => seat.current() !== null)) return { ready: true };
    const reasons = this.seats.map((seat) => `worker \`${seat.name}\`: ${seat.reason}`);
    return { ready: false, reason: reasons.join("; ") || "no worker is configured" };
  }

  async admitted(signal: AbortSignal): Promise<void> {
    while (!(await this.ready()).ready) {
      signal.throwIfAborted();
      if (this.closing) throw new TrisealError("SHUTTING_DOWN", "the path is closing");
      await new Promise<void>((resolve) => {
        const done = () => {
          this.waiting.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        this.waiting.add(done);
        signal.addEventListener("abort", done);
      });
    }
  }

  async infer(request: BoundRequest, { signal, stages }: InferOptions): Promise<PathAnswer> {
    const admitted = stages?.("admission");
    const envelope = request.sealedBy === "caller" ? this.envelopeOf(request.body) : null;
    if (envelope !== null) assertDecided(envelope, request);
    const seated = this.choose(request, envelope?.keysetDigest ?? null);
    // From here on: a worker that is replaced meanwhile waits for this request.
    const release = seated.worker.hold();
    admitted?.();
    try {
      return await this.send(request, envelope, seated, { signal, ...(stages === undefined ? {} : { stages }) });
    } finally {
      release();
    }
  }

  private async send(
    request: BoundRequest,
    envelope: SealedEnvelope | null,
    { session, client, conduct }: SeatedSession,
    { signal, stages }: InferOptions,
  ): Promise<PathAnswer> {
    const seal = () =>
      envelope === null
        ? this.seal(request, session)
        : { envelope: request.body, mediaType: SEALED_TYPES[envelope.form], sealed: null };
    const outgoing = await inStage(stages, "gateway seal", seal);
    const envelopeDigest = digestOfBody(outgoing.envelope);
    if (signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
    let arrived = false;
    try {
      const forward = () => client.infer(this.frame(request, outgoing.envelope), this.options.requestTimeoutMs, signal);
      const frame = await inStage(stages, "worker", forward);
      arrived = true;
      const asked = { context: request.context, facts: request.facts, envelopeDigest, keyset: session.keyset };
      const check = () => openChecked(request, session, outgoing, checkAnswer(frame, asked));
      const answer = await inStage(stages, "check answer", check);
      conduct.answered();
      return answer;
    } catch (error) {
      conduct.failed(error, arrived);
      throw withForwarded(error, envelopeDigest);
    }
  }

  contradicted(backend: string, sessionId: string | null, reason: string): void {
    const seat = this.seats.find((item) => backendId(item) === backend);
    if (sessionId !== null) seat?.contradicted(sessionId, reason);
  }

  sessions(): readonly SessionRecord[] {
    const current = new Set(this.seats.flatMap((seat) => seat.current()?.session.id ?? []));
    return this.kept.map((session) => ({
      id: session.id,
      document: session.document,
      models: this.options.models.filter((model) => session.modelDigests.has(model.digest)).map((model) => model.name),
      current: current.has(session.id),
    }));
  }

  pids(): readonly number[] {
    return this.seats.flatMap((seat) => seat.pids);
  }

  async restart(): Promise<void> {
    // One at a time: there must be memory for one more worker, not for twice as many.
    for (const seat of this.seats) await seat.restart();
  }

  reappraise(): void {
    for (const seat of this.seats) seat.reappraise();
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.seats.map((seat) => seat.close()));
    for (const done of this.waiting) done();
  }

  private keep(session: AdmittedSession): void {
    this.kept.unshift(session);
    this.kept.length = Math.min(this.kept.length, MAX_SESSIONS_KEPT);
    for (const done of this.waiting) done();
  }

  private backend({ seat, session }: SeatedSession, at: UnixSeconds): Backend {
    const shown = [
      { name: "evidence_age_seconds", origin: "evidence", value: at - session.establishedAt },
      { name: "session_id", origin: "evidence", value: session.id },
    ] as const;
    return { id: backendId(seat), path: this.id, facts: [...session.facts, ...shown, ...seat.claimedFacts] };
  }

  /** @throws TrisealError `SEALED_MALFORMED`. */
  private envelopeOf(body: Uint8Array): SealedEnvelope {
    const known = this.envelopes.get(body) ?? parseEnvelope(body);
    this.envelopes.set(body, known);
    return known;
  }

  private holderOf(sealedBody: Uint8Array): SeatedSession | null {
    try {
      const { keysetDigest } = this.envelopeOf(sealedBody);
      return this.seats.flatMap((seat) => seat.byKeyset(keysetDigest) ?? [])[0] ?? null;
    } catch {
      // What is malformed is refused when it is to be sent, with its own code.
      return null;
    }
  }

  /** The session to send under: of the backend that policy chose, and for a sealed body the one that it is sealed to. */
  private choose(request: BoundRequest, keysetDigest: Sha256Digest | null): SeatedSession {
    const seat = this.seats.find((item) => backendId(item) === request.backendId);
    if (seat === undefined) throw new TrisealError("PATH_UNAVAILABLE", "the chosen worker is not of this path");
    if (!seat.isUp) throw teeError("WORKER_LOST", `worker \`${seat.name}\` is down`);
    const open = keysetDigest === null ? seat.current() : seat.byKeyset(keysetDigest);
    const decided = request.sessionId === null ? open : seat.bySession(request.sessionId);
    const seated = keysetDigest === null || decided?.session.keysetDigest === keysetDigest ? decided : null;
    if (seated === null && keysetDigest !== null) {
      throw teeError("WORKER_KEY_STALE", "the chosen worker is not admitted with the keyset that the request is sealed to");
    }
    if (seated === null) {
      throw new TrisealError("UPSTREAM_NOT_VERIFIED", `worker \`${seat.name}\` is not admitted: ${seat.reason}`);
    }
    if (!seated.session.modelDigests.has(request.model.digest)) {
      throw new TrisealError("MODEL_UNKNOWN", `the chosen worker does not hold model \`${request.model.name}\``);
    }
    return seated;
  }

  private async seal(request: BoundRequest, session: AdmittedSession): Promise<Outgoing> {
    const sealed = await sealToSession(request, session, this.options.clock());
    return { envelope: sealed.body, mediaType: sealed.mediaType, sealed };
  }

  private frame(request: BoundRequest, envelope: Uint8Array): Uint8Array {
    const { decisionDigest, nonce, modelDigest } = request.context;
    return encodeFrame({ v: 1, decisionDigest, nonce, modelDigest, deadlineMs: this.options.requestTimeoutMs }, envelope);
  }
}

function backendId(seat: WorkerSeat): string {
  return `tee:${seat.name}`;
}

/** Policy decided on the clear part of the envelope; nothing else may be forwarded under that decision. */
function assertDecided(envelope: SealedEnvelope, request: BoundRequest): void {
  if (envelope.model !== request.model.name) {
    throw teeError("SEALED_MALFORMED", "the envelope names another model than the address");
  }
  if (factsDigest(envelope.facts) !== factsDigest(request.facts)) {
    throw teeError("SEALED_FACTS_MISMATCH", "the decided facts are not those of the envelope");
  }
}

/** Starts the workers and returns the path at once; `ready` and `admitted` say when requests can be sent. */
export function createTeePath(options: TeePathOptions): TeePath {
  return new TeeInference(options);
}
