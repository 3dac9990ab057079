/** Sessions of an appraised service that a request may be sealed to: chosen, appraised, kept while they are young enough. */
import { TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { type Clock, holdsUntil } from "../core/time.ts";
import type { AppraisedSession, PathClient } from "../paths/path.ts";
import { sessionId } from "../receipt/index.ts";
import { pathSection, revokedBy, type TrustedService } from "../trust/trust-file.ts";
import type { ServiceConnection } from "./service-connection.ts";

/** A session that passed, with the path's client that can seal to it. */
export interface UsableSession {
  readonly client: PathClient;
  readonly session: AppraisedSession;
  /** Seconds since the epoch from which on it has to be appraised anew. */
  readonly usableUntil: number;
}

/** Whose sessions, and how they are judged. */
export interface SessionSourceOptions {
  readonly connection: ServiceConnection;
  readonly trusted: TrustedService;
  readonly pathClients: readonly PathClient[];
  readonly clock: Clock;
  /** Age in seconds, from `established_at`, at which a session is used no more. */
  readonly maxAgeSeconds: number;
}

/** Most sessions of one list that are looked at. */
const MAX_CANDIDATES = 16;

/** The sessions of one appraised service. */
export class SessionSource {
  private readonly options: SessionSourceOptions;
  private readonly kept = new Map<string, UsableSession>();

  constructor(options: SessionSourceOptions) {
    this.options = options;
  }

  /** Forgets what was appraised for a model: its key is gone. */
  forget(model: string): void {
    this.kept.delete(model);
  }

  /**
   * An appraised session for the model. The documents are public: no API key is sent for them.
   * @throws TrisealError `VERIFICATION_FAILED` where none passes; `details.retryable` where none is listed.
   */
  async current(model: string, signal: AbortSignal): Promise<UsableSession> {
    const known = this.kept.get(model);
    if (known !== undefined && holdsUntil(known.usableUntil, this.options.clock())) return known;
    const { connection } = this.options;
    const list = await connection.getJson(`/v1/aci/sessions?model=${encodeURIComponent(model)}`, signal);
    const entries = Array.isArray(list["sessions"]) ? (list["sessions"] as readonly JsonValue[]) : [];
    let reason = "the service lists no session for this model";
    for (const entry of entries.slice(0, MAX_CANDIDATES)) {
      const id = isJsonObject(entry) ? entry["session_id"] : null;
      if (typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id)) continue;
      const judged = await this.appraise(id, await connection.getJson(`/v1/aci/sessions/${id}`, signal));
      if (typeof judged === "string") reason = judged;
      else {
        this.kept.set(model, judged);
        return judged;
      }
    }
    // No worker is up, or none has the model: a worker that starts again changes the first.
    const details = { retryable: entries.length === 0 };
    throw new TrisealError("VERIFICATION_FAILED", `no session to seal to: ${reason}`, { details });
  }

  /** The session if a path's client passes it, or why not. */
  private async appraise(id: string, document: JsonObject): Promise<UsableSession | string> {
    const { clock, maxAgeSeconds, pathClients, trusted } = this.options;
    const { expires_at: expiresAt, established_at: establishedAt } = document;
    const now = clock();
    if (sessionId(document) !== id || typeof expiresAt !== "number" || typeof establishedAt !== "number")
      return "a session is not under its own id, or without its period";
    if (!holdsUntil(expiresAt, now)) return "a session has expired";
    if (!holdsUntil(establishedAt + maxAgeSeconds, now)) return `a session is older than ${maxAgeSeconds} seconds`;
    let reason = "no path can use the session";
    for (const client of pathClients) {
      const inputs = {
        trust: pathSection(trusted, client.id),
        revoked: revokedBy(trusted),
        at: { seconds: now, basis: "assertion" as const },
        now,
      };
      const checks = await client.appraiseSession(document, inputs);
      const failed = checks.find((check) => check.status !== "pass");
      // `establishedAt` is the operator's word: counted from now, too, so that one in the future gains nothing.
      const usableUntil = Math.min(expiresAt, establishedAt + maxAgeSeconds, now + maxAgeSeconds);
      if (checks.length > 0 && failed === undefined) return { client, session: { id, document }, usableUntil };
      reason = failed === undefined ? reason : `${failed.code}: ${failed.message}`;
    }
    return reason;
  }
}
