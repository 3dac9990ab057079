/** An inference request through the gateway: parse, decide, run, receipt. Every way out of it is coded; every decided one is logged. */
import { encodeHex, utf8 } from "../core/bytes.ts";
import type { Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { inStage } from "../core/stage.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import type { InferOptions, PathAnswer, PathId, ServedModel } from "../paths/path.ts";
import { candidateOf, type Decision, decide, type Fact, factsFromCaller } from "../policy/index.ts";
import type { KeyUse } from "../store/receipt-index.ts";
import { type Decided, decided, newReceiptId, ReceiptWriter, type ReceivedRequest } from "./exchange.ts";
import { logFault } from "./fault.ts";
import { KeyClaims, type KeyedRequest, keyedRequest } from "./idempotency.ts";
import type { InferCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobAnswer, shouldRetry, stopReason } from "./job.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { essence, type ParsedCall, parseCall } from "./parse-call.ts";
import { codedError, PROBLEM_TYPE, problemOf } from "./problem.ts";

/** `error` with the digest of what left the gateway, so that no refusal denies it: also where it failed after the answer came. */
function withForwarded(error: TrisealError, forwarded: Sha256Digest | null): TrisealError {
  if (forwarded === null || "forwardedDigest" in error.details) return error;
  const { code, message, cause, details } = error;
  return new TrisealError(code as "INTERNAL", message, {
    cause,
    details: { ...details, forwarded: true, forwardedDigest: forwarded },
  });
}

/** Answers inference requests. */
export class InferService {
  private readonly options: GatewayOptions;
  /** Paths whose answers cite an attested session. */
  private readonly attestedPaths: ReadonlySet<PathId>;
  private readonly claims = new KeyClaims();
  private jobs: JobAcceptor | null = null;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.attestedPaths = new Set(options.paths.filter((path) => path.attestedUpstream).map((path) => path.id));
  }

  /** Says who takes requests that are answered later. */
  useJobs(jobs: JobAcceptor): void {
    this.jobs = jobs;
  }

  /** Answers the request of a job. @throws TrisealError where it should be tried again, and `LOG_UNAVAILABLE`. */
  async answerJob(call: InferCall, job: JobAnswer): Promise<InferResult> {
    const parsed = parseCall(call, this.options);
    if (job.refusal !== null) return this.refuse(job.receiptId, call, parsed.received, null, job.refusal, null);
    return this.answer(call, parsed, null, job);
  }

  /**
   * Answers or refuses one request, with a receipt that is durable when this resolves. Under an idempotency key, the
   * first answer, or the first refusal that no retry can change, is what every repeat of the same bytes gets.
   * @throws TrisealError where no receipt is due: an unparsable body or key, `LOG_UNAVAILABLE`, or `IDEMPOTENCY_IN_FLIGHT`,
   *   which says nothing about the request but that another copy of it is being decided.
   */
  async infer(call: InferCall): Promise<InferResult> {
    const { caller, path, body } = call;
    const request = { tenant: caller.tenant.id, path, mediaType: essence(call.mediaType), body };
    const keyed = keyedRequest(call.idempotencyKey, request);
    if (keyed === null) return this.answer(call, parseCall(call, this.options), null);
    const used = await this.options.ledger.keyUse(keyed.keyHash);
    if (used !== null) return this.repeat(call, keyed, used);
    // No await from here to `hold`: between look and claim nobody else may come.
    const holder = this.claims.holder(keyed.keyHash);
    if (holder === keyed.requestHash)
      throw new TrisealError("IDEMPOTENCY_IN_FLIGHT", "the first request under this idempotency key is being answered");
    const parsed = parseCall(call, this.options);
    if (holder !== null) return this.refuse(newReceiptId(), call, parsed.received, null, keyReused(), null);
    return this.claims.hold(keyed, () => this.answerOnce(call, parsed, keyed));
  }

  /** Answers a request that holds its key, unless another one held it and was answered since the first look. */
  private async answerOnce(call: InferCall, parsed: ParsedCall, keyed: KeyedRequest): Promise<InferResult> {
    const used = await this.options.ledger.keyUse(keyed.keyHash);
    return used === null ? this.answer(call, parsed, keyed) : this.repeat(call, keyed, used);
  }

  /** What a key gets that was used up before. Nothing here uses it again. */
  private async repeat(call: InferCall, keyed: KeyedRequest, used: KeyUse): Promise<InferResult> {
    const same = used.requestHash === keyed.requestHash;
    const stored = same ? await this.options.ledger.storedResponse(used) : null;
    if (stored === "job" && this.jobs !== null) return this.jobs.repeat(used.leafIndex, call.caller.keyHash);
    if (stored !== null && stored !== "job") return { ...stored, jobId: null, code: null, replayed: true };
    const gone = "the request was answered before, and the stored answer was deleted";
    const error = same ? new TrisealError("IDEMPOTENCY_EXPIRED", gone) : keyReused();
    return this.refuse(newReceiptId(), call, parseCall(call, this.options).received, null, error, null);
  }

  private async answer(
    call: InferCall,
    parsed: ParsedCall,
    keyed: KeyedRequest | null,
    job: JobAnswer | null = null,
  ): Promise<InferResult> {
    const id = job?.receiptId ?? newReceiptId();
    let made: Decided | null = null;
    let forwarded: Sha256Digest | null = null;
    try {
      const model = this.model(call);
      parsed.checkTensors(model);
      const bound = await inStage(call.stages, "policy", () => this.decide(parsed, model));
      made = bound;
      const later = call.respondAsync && bound.decision.effect !== "deny" ? (bound.decision.chosen[0]?.path ?? null) : null;
      if (later !== null && this.jobs !== null) return await this.jobs.accept({ call, receiptId: id, path: later, keyed });
      const { path, answer } = await this.run(parsed, model, bound, {
        ...call,
        ...(job === null ? {} : { progress: job.progress }),
      });
      forwarded = answer.forwardedDigest;
      const servedAt = this.servedAt(bound);
      const sign = () => this.writer(call).answer(id, parsed.received, bound, path, answer, servedAt);
      const exchange = await inStage(call.stages, "sign", sign);
      const usedKey = keyed === null ? null : { ...keyed, status: 200 };
      await inStage(call.stages, "log", () => this.options.ledger.logExchange(exchange, usedKey));
      const { mediaType, body } = answer;
      return { status: 200, mediaType, body, receiptId: id, jobId: null, code: null, replayed: false };
    } catch (error) {
      const stopped = job === null ? null : stopReason(call.signal);
      const coded = withForwarded(stopped ?? codedError(error), forwarded);
      if (job !== null && shouldRetry(coded, job, this.options.codes)) throw coded;
      return this.refuse(id, call, parsed.received, made, coded, keyed);
    }
  }

  /** Receipts a refusal. It uses up the key in `keyed` unless a retry can succeed. */
  private async refuse(
    id: string,
    call: InferCall,
    received: ReceivedRequest,
    made: Decided | null,
    error: TrisealError,
    keyed: KeyedRequest | null,
  ): Promise<InferResult> {
    if (error.code === "LOG_UNAVAILABLE") throw error;
    const { codes, ledger, log } = this.options;
    logFault(log, error, call.requestId);
    const problem = problemOf(error, codes, "oip", call.requestId, id);
    const body = utf8(JSON.stringify(problem.body));
    const { status } = problem;
    const usedKey = keyed === null || problem.retryable ? null : { ...keyed, status };
    await ledger.logExchange(this.writer(call).refusal(id, received, made, error, body, this.servedAt(made)), usedKey);
    return { status, mediaType: PROBLEM_TYPE, body, receiptId: id, jobId: null, code: error.code, replayed: false };
  }

  private writer({ identity }: InferCall): ReceiptWriter {
    return new ReceiptWriter(identity, this.attestedPaths);
  }

  /** The time of a receipt: a clock that stepped back must not date it before its decision. */
  private servedAt(made: Decided | null): UnixSeconds {
    const now = this.options.clock();
    return made !== null && made.decision.at > now ? made.decision.at : now;
  }

  private model({ modelName, modelVersion }: InferCall): CatalogModel {
    const model = this.options.models.find((candidate) => candidate.name === modelName);
    if (model === undefined) throw new TrisealError("MODEL_UNKNOWN", `no model \`${modelName.slice(0, 64)}\``);
    if (modelVersion !== null && modelVersion !== model.version) {
      throw new TrisealError("MODEL_UNKNOWN", `model \`${model.name}\` has version ${model.version} only`);
    }
    return model;
  }

  private decide(parsed: ParsedCall, model: CatalogModel): Decided {
    const active = this.options.policy();
    if ("unavailable" in active) throw new TrisealError("POLICY_UNAVAILABLE", active.unavailable);
    const at = this.options.clock();
    if (at < active.notBefore || !holdsUntil(active.notAfter, at))
      throw new TrisealError("POLICY_UNAVAILABLE", "the signed policy is not in force now");
    const { received } = parsed;
    if (parsed.facts.seal === "caller" && received.sealedBy !== "caller") {
      throw new TrisealError("REQUEST_NOT_SEALED", "the request asks to be refused unless the caller sealed it");
    }
    const sealedBody = received.sealedBy === "caller" ? received.body : undefined;
    const paths = parsed.sealedFor === null ? this.options.paths : [parsed.sealedFor];
    const candidates = paths.flatMap((path) => path.backends(model, sealedBody, at)).map(candidateOf);
    const nonce = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
    const facts = [...factsFromCaller(parsed.facts), ...this.gatewayFacts(received, model)];
    return decided(active, decide(active.policy, { at, nonce, facts, candidates }));
  }

  private gatewayFacts({ caller, sealedBy, body }: ReceivedRequest, model: ServedModel): readonly Fact[] {
    const { tenant } = caller;
    const serving = this.options.paths.filter((path) => path.models().some((served) => served.digest === model.digest));
    const values: Readonly<Record<string, Fact["value"] | null>> = {
      "request.sealed": sealedBy === "caller" ? "caller" : "gateway",
      "request.bytes": body.length,
      "tenant.id": tenant.id,
      "tenant.tier": tenant.tier,
      "tenant.jurisdiction": tenant.jurisdiction,
      "model.name": model.name,
      "model.version": model.version,
      "model.digest": model.digest,
      "model.paths": serving.map((path) => path.id),
    };
    return Object.entries(values).flatMap(([name, value]) =>
      value === null ? [] : [{ name, origin: "gateway" as const, value }],
    );
  }

  private async run(
    parsed: ParsedCall,
    model: ServedModel,
    made: Decided,
    { signal, stages, progress }: InferOptions,
  ): Promise<{ path: string; answer: PathAnswer }> {
    const { decision } = made;
    if (decision.effect === "deny") throw new TrisealError(decision.code ?? "POLICY_DENIED", decision.reason);
    const [chosen, ...others] = decision.chosen;
    const path = this.options.paths.find((candidate) => candidate.id === chosen?.path);
    // Several paths for one request need jobs: an answer without one of its required legs would be less than policy asks.
    if (chosen === undefined || path === undefined || others.length > 0) {
      throw new TrisealError("PATH_UNAVAILABLE", "this gateway answers on one path per request");
    }
    const answer = await path.infer(
      {
        model,
        backendId: chosen.backendId,
        sessionId: chosenSession(decision, chosen),
        context: { modelDigest: model.digest, decisionDigest: made.decisionDigest, nonce: decision.nonce },
        facts: parsed.facts,
        sealedBy: parsed.received.sealedBy,
        body: parsed.received.body,
      },
      { signal, ...(stages === undefined ? {} : { stages }), ...(progress === undefined ? {} : { progress }) },
    );
    return { path: path.id, answer };
  }
}

function keyReused(): TrisealError {
  return new TrisealError("IDEMPOTENCY_KEY_REUSED", "this idempotency key was used for other bytes");
}

/** The session among the chosen backend's facts: the answer must come from it and no later one. */
function chosenSession(decision: Decision, chosen: Decision["chosen"][number]): string | null {
  const candidate = decision.candidates.find(({ id, path }) => id === chosen.backendId && path === chosen.path);
  const value = candidate?.facts.find(({ name }) => name === "backend.session_id")?.value;
  return typeof value === "string" ? value : null;
}
