/**
 * The caller's SDK: appraises the service before API key or content leaves, seals by default, and hands an answer over only
 * once its receipt was verified against the exact request and response.
 */
import { encodeHex } from "../core/bytes.ts";
import type { Sha256Digest } from "../core/digest.ts";
import { type ErrorTable, isTrisealError } from "../core/errors.ts";
import { callerFacts } from "../core/oip.ts";
import { messageHeaders, messageType } from "../core/oip-body.ts";
import { inStage } from "../core/stage.ts";
import { holdsUntil } from "../core/time.ts";
import type { PathClient } from "../paths/path.ts";
import { receiptDigest } from "../receipt/index.ts";
import type { VerifyOptions } from "../verify/index.ts";
import { appraiseService, assertVerified } from "./appraise-service.ts";
import { awaitLegs } from "./await-legs.ts";
import type { Challenge, ChallengeCall } from "./challenge.ts";
import { assertBound, channelTo, type Fetch, parseBaseUrl } from "./channel.ts";
import type { TrisealClientOptions } from "./client-options.ts";
import type { EstablishedService, Received } from "./established-service.ts";
import {
  type Exchange,
  type InferenceCall,
  inferPath,
  mustSealAnew,
  SEAL_ANEW,
  startExchange,
  type WireRequest,
} from "./exchange.ts";
import { IntegerModels } from "./integer-models.ts";
import { judgeAnswer, judgeReceipt, type ReceiptJudge } from "./judge-answer.ts";
import { clearPathCodes, defaultPathClients } from "./path-clients.ts";
import { serviceCodes } from "./refusal.ts";
import { withRetries } from "./retry.ts";
import { type ResourceRequest, type ServiceAnswer, ServiceConnection } from "./service-connection.ts";
import { SessionSource } from "./session-source.ts";
import { SingleFlight } from "./single-flight.ts";
import {
  askChallenge,
  askResource,
  fetchDocument,
  type ServiceAccess,
  submitBytes,
  submitDocument,
  type VerifiedBytes,
  type WantedDocument,
} from "./submission.ts";
import { completeAnswer, type JudgedReceipt, type VerifiedAnswer } from "./verified-answer.ts";

export type { TrisealClientOptions } from "./client-options.ts";
export type { VerifiedAnswer } from "./verified-answer.ts";

/** A caller of one Triseal gateway. */
export class TrisealClient {
  private readonly options: TrisealClientOptions;
  private readonly url: URL;
  private readonly fetch: Fetch;
  private readonly pathClients: readonly PathClient[];
  private readonly codes: ErrorTable;
  private readonly maxAgeSeconds: number;
  private readonly establishing = new SingleFlight((signal) => this.appraise(signal));
  private readonly integerModels = new IntegerModels();
  private service: EstablishedService | null = null;
  private readonly access: ServiceAccess<EstablishedService> = {
    retrying: (signal, attempt) => this.retrying(signal, attempt),
    judged: (...received) => this.judged(...received),
    clock: () => this.options.clock(),
  };

  /** Connects to nothing yet. @throws TrisealError `CONFIG_INVALID` for a `baseUrl` that is none. */
  constructor(options: TrisealClientOptions) {
    this.options = options;
    this.url = parseBaseUrl(options.baseUrl);
    this.pathClients = options.pathClients ?? defaultPathClients;
    this.codes = serviceCodes([...this.pathClients.map((client) => client.codes), ...clearPathCodes]);
    this.maxAgeSeconds = options.maxSessionAgeSeconds ?? 3600;
    this.fetch = options.transport?.contact ?? options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  }

  /**
   * Runs one inference and verifies its receipt. Retries where the service says that this can help and where it cannot be
   * reached, always under one idempotency key and with the same bytes, so that an answer that was logged is given again
   * and not made again. Seals anew under that key only where the service refuses the envelope itself.
   * @throws TrisealError the service's code for a refusal, with `details.receiptId`; `SERVICE_UNREACHABLE` and
   *   `DEADLINE_EXCEEDED`; `IDEMPOTENCY_KEY_INVALID`; `TLS_KEY_MISMATCH` and `CHANNEL_NOT_BOUND` where something else than
   *   the appraised service could read what is sent; `SERVICE_ERROR` for a code that this version does not know;
   *   `VERIFICATION_FAILED` where service, session, answer or receipt do not
   *   verify under the trust file. Nothing of an unverified answer is returned. The reason of `signal` once that aborts.
   *   As `VerifiedAnswer.completed` for an answer whose receipt awaits legs, unless the call allows that.
   */
  async infer(call: InferenceCall): Promise<VerifiedAnswer> {
    const answer = await this.answer(call);
    return answer.pending.length === 0 || call.allowPending === true ? answer : answer.completed(call.signal);
  }

  private async answer(call: InferenceCall): Promise<VerifiedAnswer> {
    const exchange = await inStage(call.stages, "prepare", () => startExchange(call));
    const sealed = call.seal !== false;
    const work = {
      attempt: (signal: AbortSignal) => this.attempt(exchange, signal),
      isRetryable: (error: unknown) =>
        isTrisealError(error) && error.details["retryable"] === true && !(sealed && SEAL_ANEW.has(error.code)),
    };
    return withRetries(work, this.options.retry, call.signal);
  }

  /** Asks to submit what this caller makes itself. @throws TrisealError as `askChallenge`. */
  challenge(call: ChallengeCall): Promise<Challenge> {
    return askChallenge(this.access, call);
  }

  /** Submits what was made under a challenge, and verifies the receipt. @throws TrisealError as `submitDocument`. */
  submit(challenge: Challenge, document: Uint8Array, signal?: AbortSignal): Promise<VerifiedAnswer> {
    return submitDocument(this.access, challenge, document, signal);
  }

  /** As `submit`, with the answer in the path's own form. @throws TrisealError as `submitBytes`. */
  submitBytes(challenge: Challenge, document: Uint8Array, signal?: AbortSignal): Promise<VerifiedBytes> {
    return submitBytes(this.access, challenge, document, signal);
  }

  /** Asks for what a path keeps for its callers, or changes it. Nothing of the answer is verified. @throws TrisealError as `askResource`. */
  resource(address: string, request: ResourceRequest, signal?: AbortSignal): Promise<Uint8Array> {
    return askResource(this.access, address, request, signal);
  }

  /** A document that the service serves to its callers, believed by its digest alone. @throws TrisealError as `fetchDocument`. */
  document(address: string, wanted: WantedDocument, signal?: AbortSignal): Promise<Uint8Array> {
    return fetchDocument(this.access, address, wanted, signal);
  }

  /** Work with the appraised service that is repeated where its code says that this can help. What is sent goes in the clear. */
  private retrying<T>(
    signal: AbortSignal | undefined,
    attempt: (service: EstablishedService, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const work = {
      attempt: async (inTime: AbortSignal) => {
        const service = await this.established(inTime);
        assertBound(service.bound);
        return attempt(service, inTime);
      },
      isRetryable: (error: unknown) => isTrisealError(error) && error.details["retryable"] === true,
    };
    return withRetries(work, this.options.retry, signal);
  }

  /** The bundle of a receipt, as the service serves it. Appraises the service first; verifies nothing of the bundle. */
  async bundle(receiptId: string, signal?: AbortSignal): Promise<Uint8Array> {
    return this.fetchBundle(await this.established(signal), receiptId, signal);
  }

  /**
   * Appraises the service itself under a fresh nonce: keyset, signed report and trust entry (ACI section 9.1), and takes the
   * channel to it. Whoever asks meanwhile gets the same appraisal.
   * @throws TrisealError `VERIFICATION_FAILED`, `TLS_KEY_MISMATCH`, `CHANNEL_NOT_BOUND`.
   */
  async establish(signal?: AbortSignal): Promise<void> {
    await this.establishing.join(signal);
  }

  /** Appraises a session that a request to `model` could be sealed to now. Sends no API key. @throws TrisealError as `infer`. */
  async appraiseModel(model: string, signal = new AbortController().signal): Promise<void> {
    await (await this.established(signal)).sessions.current(model, signal);
  }

  private async established(signal?: AbortSignal): Promise<EstablishedService> {
    const { service } = this;
    if (service !== null && holdsUntil(service.usableUntil, this.options.clock())) return service;
    return this.establishing.join(signal);
  }

  private async appraise(signal: AbortSignal): Promise<EstablishedService> {
    const { options, url, fetch, codes, pathClients, maxAgeSeconds } = this;
    const { clock, apiKey, trust, transport = null } = options;
    const baseUrl = url.href.replace(/\/$/, "");
    const nonce = encodeHex(crypto.getRandomValues(new Uint8Array(32)));
    // No API key: whoever answers here is nobody yet.
    const contact = new ServiceConnection({ baseUrl, apiKey: null, fetch, codes });
    const report = await contact.getJson(`/v1/aci/attestation?nonce=${nonce}`, signal);
    const now = clock();
    const appraised = appraiseService(report, nonce, trust, now);
    const channel = channelTo(url, appraised.keyset, { fetch, transport });
    const connection = new ServiceConnection({ baseUrl, apiKey, fetch: channel.fetch, codes });
    const sessions = new SessionSource({ connection, trusted: appraised.trusted, pathClients, clock, maxAgeSeconds });
    const usableUntil = Math.min(appraised.keyset.not_after, now + maxAgeSeconds);
    this.service = { ...appraised, connection, sessions, bound: channel.bound, usableUntil };
    return this.service;
  }

  private fetchBundle({ connection }: EstablishedService, receiptId: string, signal?: AbortSignal): Promise<Uint8Array> {
    return connection.get(`/v1/receipts/${encodeURIComponent(receiptId)}/bundle`, signal).then(({ body }) => body);
  }

  /** Takes up an exchange where the last attempt left it. */
  private async attempt(exchange: Exchange, signal: AbortSignal): Promise<VerifiedAnswer> {
    // Each attempt may find workers that were started since the last one; attempts and their time are bounded.
    exchange.stale = false;
    // Kept for the whole attempt: the answer must come from the service that was appraised for it.
    const service = await this.established(signal);
    try {
      const { wire, answer } = await this.send(exchange, service, signal);
      const opened = await inStage(exchange.call.stages, "open", () => wire.open(answer.body));
      return await this.verified({ exchange, service, wire, answer }, opened, signal);
    } catch (error) {
      if (!isTrisealError(error, "TLS_KEY_MISMATCH") || exchange.repinned) throw error;
      // The service may have a new key: once, and only if its receipt key signs a report that lists it. Nothing was sent.
      exchange.repinned = true;
      this.dismiss(service);
      return this.attempt(exchange, signal);
    }
  }

  /** Appraises anew before the next request, unless that was done meanwhile. */
  private dismiss(service: EstablishedService): void {
    if (this.service === service) this.service = null;
  }

  private async send(
    exchange: Exchange,
    service: EstablishedService,
    signal: AbortSignal,
  ): Promise<{ readonly wire: WireRequest; readonly answer: ServiceAnswer }> {
    exchange.wire ??= await this.prepare(exchange, service, signal);
    const { wire, call, idempotencyKey } = exchange;
    const message = { body: wire.body, mediaType: wire.mediaType, headers: wire.headers ?? {}, idempotencyKey };
    try {
      const post = () => service.connection.post(inferPath(call.model), message, signal);
      exchange.answer ??= await inStage(call.stages, "http", post);
      return { wire, answer: exchange.answer };
    } catch (error) {
      if (!mustSealAnew(exchange, error)) throw error;
      if (isTrisealError(error, "WORKER_KEY_STALE")) service.sessions.forget(call.model);
      exchange.wire = null;
      return this.send(exchange, service, signal);
    }
  }

  private async prepare({ call, opened }: Exchange, service: EstablishedService, signal: AbortSignal): Promise<WireRequest> {
    if (call.seal === false) {
      assertBound(service.bound);
      const headers = messageHeaders(opened, messageType(opened));
      return { body: opened, mediaType: messageType(opened), headers, open: async (body) => body };
    }
    const { client, session } = await service.sessions.current(call.model, signal);
    const facts = callerFacts(call.parameters);
    const request = { model: call.model, facts, body: opened };
    return inStage(call.stages, "seal", () => client.prepare(request, session, this.options.clock()));
  }

  private async verified(received: Received, openedResponse: Uint8Array, signal: AbortSignal): Promise<VerifiedAnswer> {
    const { exchange, service, wire, answer } = received;
    const { receiptId } = answer;
    assertVerified(receiptId !== null, "the answer names no receipt");
    const look = (within: AbortSignal) => this.fetchBundle(service, receiptId, within);
    const judge = (shown: Uint8Array, allowPending: boolean, within: AbortSignal) => {
      const model = (digest: Sha256Digest) => this.integerModels.find(service.connection, exchange.call.model, digest, within);
      return judgeAnswer(shown, { exchange, wire, openedResponse, model }, this.judgeOf(service, receiptId, allowPending));
    };
    const bundle = await inStage(exchange.call.stages, "bundle", () => look(signal));
    // What is there is verified now, so that nothing is waited for that is refused already.
    const { receipt, ...first } = await judge(bundle, true, signal);
    this.noteKeyset(service, answer);
    const { pending } = first;
    if (pending.length === 0) return completeAnswer(first);
    const completed = async (caller?: AbortSignal): Promise<VerifiedAnswer> => {
      const { clock, retry = {} } = this.options;
      const assertComing = (within: AbortSignal) => service.connection.assertComing(answer.pendingJobs, within);
      const whole = await awaitLegs({ pending, look, assertComing, clock, retry, signal: caller });
      const { receipt: same, ...last } = await judge(whole, false, caller ?? new AbortController().signal);
      assertVerified(receiptDigest(same) === receiptDigest(receipt), "the service shows another receipt than before");
      return completeAnswer(last);
    };
    return { ...first, completed };
  }

  private judgeOf({ trusted }: EstablishedService, receiptId: string, allowPending: boolean): ReceiptJudge {
    return { trust: this.options.trust, service: trusted.name, receiptId, now: this.options.clock(), allowPending };
  }

  /** Fetches and verifies the receipt of an answer against what was sent and what came back. */
  private async judged(
    service: EstablishedService,
    answer: ServiceAnswer,
    shown: Pick<VerifyOptions, "request" | "response" | "opening">,
    signal: AbortSignal,
  ): Promise<JudgedReceipt> {
    const { receiptId } = answer;
    assertVerified(receiptId !== null, "the answer names no receipt");
    const bundle = await this.fetchBundle(service, receiptId, signal);
    const judged = await judgeReceipt(bundle, shown, this.judgeOf(service, receiptId, false));
    this.noteKeyset(service, answer);
    return judged;
  }

  /** A changed keyset is appraised anew before the next request (ACI section 5.2). */
  private noteKeyset(service: EstablishedService, { keysetDigest }: ServiceAnswer): void {
    if (keysetDigest !== service.keysetDigest) this.dismiss(service);
  }
}
