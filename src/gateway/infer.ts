/** An inference request through the gateway: parse, decide, run, receipt. Every way out of it is coded; every decided one is logged. */
import type { Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { inStage } from "../core/stage.ts";
import type { InferOptions, PathAnswer, ServedModel } from "../paths/path.ts";
import { candidateOf, type Decision } from "../policy/index.ts";
import { answerOnce } from "./answer-once.ts";
import { decideRequest } from "./decide-request.ts";
import { type Decided, newReceiptId, type ReceivedRequest } from "./exchange.ts";
import { type KeyClaims, type KeyedRequest, keyedRequest } from "./idempotency.ts";
import type { InferCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobAnswer, shouldRetry, stopReason } from "./job.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { essence, type ParsedCall, parseCall } from "./parse-call.ts";
import { codedError } from "./problem.ts";
import { receiptRefusal, receiptWriter, servedAt } from "./receipted-refusal.ts";

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
  private readonly claims: KeyClaims;
  private jobs: JobAcceptor | null = null;

  constructor(options: GatewayOptions, claims: KeyClaims) {
    this.options = options;
    this.claims = claims;
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
    const { ledger } = this.options;
    return answerOnce({ ledger, claims: this.claims }, keyedRequest(call.idempotencyKey, request), {
      parse: () => {
        const parsed = parseCall(call, this.options);
        return {
          answer: (keyed) => this.answer(call, parsed, keyed),
          refuse: (error) => this.refuse(newReceiptId(), call, parsed.received, null, error, null),
        };
      },
      repeat: async (stored, used) =>
        stored === "job"
          ? ((await this.jobs?.repeat(used.leafIndex, caller.keyHash)) ?? null)
          : { ...stored, jobId: null, code: null, replayed: true },
    });
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
      const writer = receiptWriter(this.options, call.identity);
      const sign = () => writer.answer(id, parsed.received, bound, path, answer, servedAt(this.options, bound));
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
    const { requestId, identity } = call;
    const refused = { receiptId: id, requestId, identity, received, made, keyed, protocol: "oip" } as const;
    const { status, mediaType, body } = await receiptRefusal(this.options, refused, error);
    return { status, mediaType, body, receiptId: id, jobId: null, code: error.code, replayed: false };
  }

  private model({ modelName, modelVersion }: InferCall): CatalogModel {
    const model = this.options.models.find((candidate) => candidate.name === modelName);
    if (model === undefined) throw new TrisealError("MODEL_UNKNOWN", `no model \`${modelName.slice(0, 64)}\``);
    if (modelVersion !== null && modelVersion !== model.version) {
      throw new TrisealError("MODEL_UNKNOWN", `model \`${model.name}\` has version ${model.version} only`);
    }
    return model;
  }

  private decide(parsed: ParsedCall, model: CatalogModel): Promise<Decided> {
    const at = this.options.clock();
    const { received, facts } = parsed;
    const sealedBody = received.sealedBy === "caller" ? received.body : undefined;
    const paths = parsed.sealedFor === null ? this.options.paths : [parsed.sealedFor];
    const candidates = paths.flatMap((path) => path.backends(model, sealedBody, at)).map(candidateOf);
    return decideRequest(this.options, { received, facts, model, at, candidates, submits: null });
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

/** The session among the chosen backend's facts: the answer must come from it and no later one. */
function chosenSession(decision: Decision, chosen: Decision["chosen"][number]): string | null {
  const candidate = decision.candidates.find(({ id, path }) => id === chosen.backendId && path === chosen.path);
  const value = candidate?.facts.find(({ name }) => name === "backend.session_id")?.value;
  return typeof value === "string" ? value : null;
}
