/**
 * The caller's SDK: appraises the service before any content leaves (the API key goes with every call), seals by default,
 * and hands an answer over only once its receipt was verified against the exact request and response.
 */
import { encodeHex, utf8 } from "../core/bytes.ts";
import { digestOf } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { callerFacts, type InferenceResponse, parseInferenceResponse } from "../core/oip.ts";
import { inStage, type Stages } from "../core/stage.ts";
import type { Clock } from "../core/time.ts";
import type { AppraisedSession, PathClient, PreparedRequest } from "../paths/path.ts";
import { decodeReport, keysetDigest, parseBundle, reportData, sessionId } from "../receipt/index.ts";
import { pathSection, revokedBy, type Trust, type TrustedService } from "../trust/trust-file.ts";
import { type Verdict, verifyBundle } from "../verify/index.ts";
import { defaultPathClients } from "./path-clients.ts";
import { type RetryOptions, withRetries } from "./retry.ts";
import { type Fetch, type ServiceAnswer, ServiceConnection } from "./service-connection.ts";

/** How a client is set up. */
export interface TrisealClientOptions {
  /** Origin of the gateway, such as `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** What this caller trusts; `parseTrust` reads it from a file. */
  readonly trust: Trust;
  readonly clock: Clock;
  /** The web's `fetch` by default. */
  readonly fetch?: Fetch;
  /** Clients of the paths to seal for; all shipped ones by default. */
  readonly pathClients?: readonly PathClient[];
  /** How `infer` retries. */
  readonly retry?: RetryOptions;
}

/** One inference. */
export interface InferenceCall {
  readonly model: string;
  /** OIP input tensors: `name`, `shape`, `datatype`, `data`. */
  readonly inputs: readonly JsonObject[];
  /** OIP parameters: the caller's facts (`classification`, `value_usd`, `kind`, `assurance`, `seal`) and the model's own. */
  readonly parameters?: JsonObject;
  /** Names of the wanted outputs; all by default. */
  readonly outputs?: readonly string[];
  /** Whether to seal to an appraised worker, so that the gateway sees nothing. True by default. */
  readonly seal?: boolean;
  /**
   * `Idempotency-Key` of this call, 1 to 128 visible ASCII characters; 128 random bits by default. A second call under
   * one key is refused (`IDEMPOTENCY_KEY_REUSED`), because every call has other bytes: it is for a caller that must not
   * be answered twice, even across its own restart.
   */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** Told of the stages `prepare`, `seal`, `http`, `open`, `bundle` and `verify` of this call; for measurements. */
  readonly stages?: Stages;
}

/** An answer whose receipt verified. */
export interface VerifiedAnswer {
  readonly response: InferenceResponse;
  readonly receiptId: string;
  /** The bundle, to be kept: an auditor verifies it offline. */
  readonly bundle: Uint8Array;
  readonly verdict: Verdict;
}

/** One call on its way. What was sent is kept with its opener, so that a retry sends the same bytes again. */
interface Exchange {
  readonly call: InferenceCall;
  readonly opened: Uint8Array;
  readonly id: string;
  readonly idempotencyKey: string;
  wire: PreparedRequest | null;
  answer: ServiceAnswer | null;
  /** Whether the key that was sealed to was called stale before in this attempt. */
  stale: boolean;
  /** How often it was sealed anew because a worker had opened the last envelope, or that had expired. */
  reseals: number;
}

/** Refusals that only another envelope can help; the gateway gives them only where nothing is stored under the key. */
const SEAL_ANEW: ReadonlySet<string> = new Set(["WORKER_KEY_STALE", "SEALED_REPLAYED", "SEALED_EXPIRED"]);

/** Most envelopes of one call after the first, a stale key's replacement apart. */
const MAX_RESEALS = 3;

/** The gateway as it was appraised. */
interface AppraisedService {
  readonly keysetDigest: string;
  readonly trusted: TrustedService;
}

/** An answer with all that it must fit. */
interface Received {
  readonly exchange: Exchange;
  readonly service: AppraisedService;
  readonly wire: PreparedRequest;
  readonly answer: ServiceAnswer;
}

/** A caller of one Triseal gateway. */
export class TrisealClient {
  private readonly connection: ServiceConnection;
  private readonly options: TrisealClientOptions;
  private readonly pathClients: readonly PathClient[];
  private service: AppraisedService | null = null;
  private readonly sessions = new Map<
    string,
    { readonly client: PathClient; readonly session: AppraisedSession; readonly expiresAt: number }
  >();

  constructor(options: TrisealClientOptions) {
    this.options = options;
    this.pathClients = options.pathClients ?? defaultPathClients;
    const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.connection = new ServiceConnection({ baseUrl: options.baseUrl.replace(/\/$/, ""), apiKey: options.apiKey, fetch });
  }

  /**
   * Runs one inference and verifies its receipt. Retries where the service says that this can help and where it cannot be
   * reached, always under one idempotency key and with the same bytes, so that an answer that was logged is given again
   * and not made again. Seals anew under that key only where the service refuses the envelope itself.
   * @throws TrisealError the service's code for a refusal, with `details.receiptId`; `SERVICE_UNREACHABLE` and
   *   `DEADLINE_EXCEEDED`; `IDEMPOTENCY_KEY_INVALID`; `VERIFICATION_FAILED` where service, session, answer or receipt do not
   *   verify under the trust file. Nothing of an unverified answer is returned. The reason of `signal` once that aborts.
   */
  async infer(call: InferenceCall): Promise<VerifiedAnswer> {
    const id = randomHex();
    const { idempotencyKey = randomHex() } = call;
    if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey))
      throw new TrisealError("IDEMPOTENCY_KEY_INVALID", "the idempotency key is not 1 to 128 visible ASCII characters");
    const sending = { wire: null, answer: null, stale: false, reseals: 0 };
    const opened = await inStage(call.stages, "prepare", () => encodeBody(call, id));
    const exchange: Exchange = { call, id, opened, idempotencyKey, ...sending };
    const sealed = call.seal !== false;
    const work = {
      attempt: (signal: AbortSignal) => this.attempt(exchange, signal),
      isRetryable: (error: unknown) =>
        isTrisealError(error) && error.details["retryable"] === true && !(sealed && SEAL_ANEW.has(error.code)),
    };
    return withRetries(work, this.options.retry, call.signal);
  }

  /** The bundle of a receipt, as the service serves it. Verifies nothing. */
  async bundle(receiptId: string, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.connection.get(`/v1/receipts/${encodeURIComponent(receiptId)}/bundle`, signal)).body;
  }

  /**
   * Appraises the service itself under a fresh nonce: keyset, report binding and trust entry (ACI section 9.1).
   * @throws TrisealError `VERIFICATION_FAILED`.
   */
  async establish(signal?: AbortSignal): Promise<void> {
    await this.appraiseService(signal);
  }

  private async appraiseService(signal?: AbortSignal): Promise<AppraisedService> {
    const nonce = encodeHex(crypto.getRandomValues(new Uint8Array(32)));
    const report = decodeReport(await this.connection.getJson(`/v1/aci/attestation?nonce=${nonce}`, signal), "report");
    const { workload_keyset: keyset, report_data: bound, tee_type: type } = report.attestation;
    const digest = keysetDigest(keyset);
    assertVerified(
      report.workload_keyset_digest === digest && bound === encodeHex(reportData(digest, nonce)),
      "the report does not bind its keyset",
    );
    assertVerified(this.options.clock() < keyset.not_after, "the service's keyset has expired");
    const keys = new Set(keyset.receipt_signing_keys.filter((key) => key.algo === "ed25519").map((key) => key.public_key));
    const trusted = this.options.trust.services.filter((service) => service.gateway.keys.some((key) => keys.has(key.publicKey)));
    const [service] = trusted;
    assertVerified(trusted.length === 1 && service !== undefined, "the trust file names no such gateway");
    assertVerified(!service.revoked.keys.some((key) => keys.has(key.publicKey)), "a key of the gateway is revoked");
    assertVerified(
      type === "triseal-none" && service.gateway.teeTypes.some((entry) => entry.accept === type),
      `gateway attestation ${type} is not accepted`,
    );
    this.sessions.clear();
    this.service = { keysetDigest: digest, trusted: service };
    return this.service;
  }

  /** Takes up an exchange where the last attempt left it. */
  private async attempt(exchange: Exchange, signal: AbortSignal): Promise<VerifiedAnswer> {
    // Each attempt may find workers that were started since the last one; attempts and their time are bounded.
    exchange.stale = false;
    // Kept for the whole attempt, whatever other calls learn: the answer must come from the service that was appraised for it.
    const service = this.service ?? (await this.appraiseService(signal));
    const { wire, answer } = await this.send(exchange, service, signal);
    const opened = await inStage(exchange.call.stages, "open", () => wire.open(answer.body));
    return this.verified({ exchange, service, wire, answer }, opened, signal);
  }

  private async send(
    exchange: Exchange,
    service: AppraisedService,
    signal: AbortSignal,
  ): Promise<{ readonly wire: PreparedRequest; readonly answer: ServiceAnswer }> {
    exchange.wire ??= await this.prepare(exchange, service, signal);
    const { wire, call, idempotencyKey } = exchange;
    const message = { body: wire.body, mediaType: wire.mediaType, idempotencyKey };
    try {
      const post = () => this.connection.post(inferPath(call.model), message, signal);
      exchange.answer ??= await inStage(call.stages, "http", post);
      return { wire, answer: exchange.answer };
    } catch (error) {
      if (!this.mustSealAnew(exchange, error)) throw error;
      exchange.wire = null;
      return this.send(exchange, service, signal);
    }
  }

  /** Whether a new envelope can help now. A stale key, once in an attempt: the new sessions are appraised exactly as at first contact. */
  private mustSealAnew(exchange: Exchange, error: unknown): boolean {
    if (exchange.call.seal === false || !isTrisealError(error) || !SEAL_ANEW.has(error.code)) return false;
    if (error.code !== "WORKER_KEY_STALE") return ++exchange.reseals <= MAX_RESEALS;
    if (exchange.stale) return false;
    exchange.stale = true;
    this.sessions.delete(exchange.call.model);
    return true;
  }

  private async prepare({ call, opened }: Exchange, service: AppraisedService, signal: AbortSignal): Promise<PreparedRequest> {
    if (call.seal === false) return { body: opened, mediaType: "application/json", open: async (body) => body };
    const { client, session } = await this.session(call.model, service, signal);
    const facts = callerFacts(call.parameters);
    const request = { model: call.model, facts, body: opened };
    return inStage(call.stages, "seal", () => client.prepare(request, session, this.options.clock()));
  }

  /** An appraised session for the model, from the cache while it is current. */
  private async session(
    model: string,
    service: AppraisedService,
    signal: AbortSignal,
  ): Promise<{ client: PathClient; session: AppraisedSession }> {
    const cached = this.sessions.get(model);
    if (cached !== undefined && this.options.clock() < cached.expiresAt) return cached;
    const list = await this.connection.getJson(`/v1/aci/sessions?model=${encodeURIComponent(model)}`, signal);
    const entries = Array.isArray(list["sessions"]) ? (list["sessions"] as readonly JsonValue[]) : [];
    // No worker is up, or none has the model: a worker that starts again changes the first.
    const details = { retryable: entries.length === 0 };
    let reason = "the service lists no session for this model";
    for (const entry of entries.slice(0, 16)) {
      const id =
        typeof entry === "object" && entry !== null && !Array.isArray(entry) ? (entry as JsonObject)["session_id"] : null;
      if (typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id)) continue;
      const document = await this.connection.getJson(`/v1/aci/sessions/${id}`, signal);
      const judged = await this.appraise(id, document, service);
      if (typeof judged === "string") reason = judged;
      else {
        this.sessions.set(model, judged);
        return judged;
      }
    }
    throw new TrisealError("VERIFICATION_FAILED", `no session to seal to: ${reason}`, { details });
  }

  /** The session if a path's client passes it, or why not. */
  private async appraise(
    id: string,
    document: JsonObject,
    { trusted }: AppraisedService,
  ): Promise<{ client: PathClient; session: AppraisedSession; expiresAt: number } | string> {
    const expiresAt = document["expires_at"];
    const now = this.options.clock();
    if (sessionId(document) !== id || typeof expiresAt !== "number" || expiresAt <= now)
      return "a session is not current or not under its own id";
    let reason = "no path can use the session";
    for (const client of this.pathClients) {
      const inputs = {
        trust: pathSection(trusted, client.id),
        revoked: revokedBy(trusted),
        at: { seconds: now, basis: "assertion" as const },
        now,
      };
      const checks = await client.appraiseSession(document, inputs);
      const failed = checks.find((check) => check.status !== "pass");
      if (checks.length > 0 && failed === undefined) return { client, session: { id, document }, expiresAt };
      reason = failed === undefined ? reason : `${failed.code}: ${failed.message}`;
    }
    return reason;
  }

  private async verified(received: Received, openedResponse: Uint8Array, signal: AbortSignal): Promise<VerifiedAnswer> {
    const { exchange, service, wire, answer } = received;
    const { call, opened, id } = exchange;
    const { receiptId } = answer;
    assertVerified(receiptId !== null, "the answer names no receipt");
    const bundle = await inStage(call.stages, "bundle", () => this.bundle(receiptId, signal));
    const options = { now: this.options.clock(), at: null, request: opened, response: openedResponse, allowPending: false };
    const verdict = await inStage(call.stages, "verify", () => verifyBundle(bundle, this.options.trust, options));
    assertVerified(verdict.outcome === "accepted", `the receipt was refused: ${verdict.code}`);
    assertVerified(verdict.service === service.trusted.name, "the receipt is another service's than the one that was appraised");
    const { receipt } = parseBundle(bundle);
    const [first] = receipt.event_log;
    const sameRequest = first?.type === "request.received" && first.body_hash === digestOf(wire.body);
    assertVerified(
      receipt.receipt_id === receiptId && receipt.model === call.model && sameRequest,
      "the receipt is about another request",
    );
    const response = parseInferenceResponse(openedResponse);
    assertVerified(response.id === id && response.modelName === call.model, "the answer is about another request");
    // A changed keyset is appraised anew before the next request (ACI section 5.2).
    if (answer.keysetDigest !== this.service?.keysetDigest) this.service = null;
    return { response, receiptId, bundle, verdict };
  }
}

/** 128 random bits. */
function randomHex(): string {
  return encodeHex(crypto.getRandomValues(new Uint8Array(16)));
}

function encodeBody(call: InferenceCall, id: string): Uint8Array {
  const outputs = call.outputs?.map((name) => ({ name }));
  const { inputs, parameters } = call;
  return utf8(
    JSON.stringify({
      id,
      ...(parameters === undefined ? {} : { parameters }),
      inputs,
      ...(outputs === undefined ? {} : { outputs }),
    }),
  );
}

function inferPath(model: string): string {
  return `/v2/models/${encodeURIComponent(model)}/infer`;
}

function assertVerified(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TrisealError("VERIFICATION_FAILED", otherwise);
}
