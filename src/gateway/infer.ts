/** An inference request through the gateway: parse, decide, run, receipt. Every way out of it is coded; every decided one is logged. */
import { TrisealError } from "../core/errors.ts";
import { inStage } from "../core/stage.ts";
import { type UnixSeconds, unixSeconds } from "../core/time.ts";
import type { PathAnswer } from "../paths/path.ts";
import { candidateOf, type Decision, type PathRoles, pathRoles } from "../policy/index.ts";
import { answerOnce } from "./answer-once.ts";
import { decideRequest } from "./decide-request.ts";
import { type Decided, newReceiptId, type ReceivedRequest } from "./exchange.ts";
import { withForwarded } from "./forwarded.ts";
import { type KeyClaims, type KeyedRequest, keyedRequest } from "./idempotency.ts";
import type { InferCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobAnswer, newJobId, shouldRetry, stoppedAs } from "./job.ts";
import type { PendingLegs } from "./ledger.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { essence, type ParsedCall, parseCall } from "./parse-call.ts";
import { codedError } from "./problem.ts";
import { receiptRefusal, receiptWriter, servedAt } from "./receipted-refusal.ts";
import type { DecidedRequest, PathRunner } from "./run-paths.ts";
import { encodeCall } from "./stored-call.ts";

/** A response that is no job's, for the first time. */
const sent = { jobId: null, code: null, replayed: false, pending: [] } as const;

/** Answers inference requests. */
export class InferService {
  private readonly options: GatewayOptions;
  private readonly claims: KeyClaims;
  private readonly runner: PathRunner;
  private jobs: JobAcceptor | null = null;

  constructor(options: GatewayOptions, claims: KeyClaims, runner: PathRunner) {
    this.options = options;
    this.claims = claims;
    this.runner = runner;
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
          : { ...sent, ...stored, replayed: true },
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
    try {
      const model = this.model(call);
      parsed.checkTensors(model);
      const bound = await inStage(call.stages, "policy", () => this.decide(parsed, model));
      made = bound;
      const roles = this.rolesOf(bound.decision);
      const later = job === null ? this.laterOf(call, roles) : null;
      if (later === null) return await this.answerNow(id, call, { parsed, model, made: bound }, roles, keyed, job);
      const deadlineAt = deadlineOf(bound.decision, roles);
      return await later.accept({ call, receiptId: id, path: roles.answers, keyed, deadlineAt });
    } catch (error) {
      const coded = job === null ? codedError(error) : stoppedAs(codedError(error), call.signal);
      if (job !== null && shouldRetry(coded, job, this.options.codes)) throw coded;
      return this.refuse(id, call, parsed.received, made, coded, keyed);
    }
  }

  /** Runs the paths, and logs the receipt with every leg that is there and the promise of those that follow. */
  private async answerNow(
    id: string,
    call: InferCall,
    request: DecidedRequest & { readonly parsed: ParsedCall; readonly made: Decided },
    roles: PathRoles,
    keyed: KeyedRequest | null,
    job: JobAnswer | null,
  ): Promise<InferResult> {
    const { parsed, made } = request;
    if (roles.follow.length > 0) await this.jobs?.assertRoom(call.caller.tenant.id);
    const options = { ...call, ...(job === null ? {} : { progress: job.progress }) };
    const { answer, legs } = await this.runner.run(request, roles, options, { receipt_id: id });
    const pending = pendingLegs(call, made.decision, roles, answer);
    try {
      const writer = receiptWriter(this.options, call.identity);
      const at = servedAt(this.options, made);
      const sign = () => writer.answer(id, parsed.received, made, { answer, legs, pending }, at);
      const exchange = await inStage(call.stages, "sign", sign);
      const usedKey = keyed === null ? null : { ...keyed, status: 200 };
      await inStage(call.stages, "log", () => this.options.ledger.logExchange(exchange, usedKey));
    } catch (error) {
      throw withForwarded(error, answer.forwardedDigest);
    }
    const awaited = pending?.legs ?? [];
    this.jobs?.follow(awaited);
    const { mediaType, body } = answer;
    return { ...sent, status: 200, mediaType, body, receiptId: id, pending: awaited };
  }

  /**
   * What each path of an allowing decision does. Where nothing can wait, all of it is done before the answer leaves.
   * @throws TrisealError the denial.
   */
  private rolesOf({ effect, obligations, code, reason }: Decision): PathRoles {
    if (effect === "deny" || obligations === null) throw new TrisealError(code ?? "POLICY_DENIED", reason);
    return pathRoles(this.jobs === null ? { ...obligations, async: [] } : obligations);
  }

  /** Who takes a request that is answered later, as caller or policy want; null for one that is answered now. */
  private laterOf({ respondAsync }: InferCall, { waitsSeconds }: PathRoles): JobAcceptor | null {
    return respondAsync || waitsSeconds !== null ? this.jobs : null;
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
    return { ...sent, status, mediaType, body, receiptId: id, code: error.code };
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
}

/** The moment by which a request that waits by policy must be answered; null where only the caller wants to wait. */
function deadlineOf({ at }: Decision, { waitsSeconds }: PathRoles): UnixSeconds | null {
  return waitsSeconds === null ? null : unixSeconds(at + waitsSeconds);
}

/** The legs that follow an answer, each with the job that brings it; null where none does. */
function pendingLegs(call: InferCall, { at }: Decision, { follow }: PathRoles, { leg }: PathAnswer): PendingLegs | null {
  if (follow.length === 0) return null;
  const legs = follow.map(({ path, deadlineSeconds }) => ({
    jobId: newJobId(),
    receiptId: newReceiptId(),
    path,
    deadlineAt: unixSeconds(at + deadlineSeconds),
  }));
  return { legs, states: leg.states, call: encodeCall(call) };
}
