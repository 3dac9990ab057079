/** An inference request through the gateway: parse, decide, run, receipt. Every way out of it is coded; every decided one is logged. */
import { encodeHex, utf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import { inStage } from "../core/stage.ts";
import { holdsUntil, type UnixSeconds, unixSeconds } from "../core/time.ts";
import type { PathAnswer, PathId, ServedModel } from "../paths/path.ts";
import { candidateOf, type Decision, decide, type Fact, factsFromCaller, type PathRoles, pathRoles } from "../policy/index.ts";
import type { KeyUse } from "../store/receipt-index.ts";
import { type Decided, decided, newReceiptId, ReceiptWriter, type ReceivedRequest } from "./exchange.ts";
import { logFault } from "./fault.ts";
import { withForwarded } from "./forwarded.ts";
import { KeyClaims, type KeyedRequest, keyedRequest } from "./idempotency.ts";
import type { InferCall, InferResult, JobAcceptor } from "./infer-call.ts";
import { type JobAnswer, newJobId, shouldRetry, stoppedAs } from "./job.ts";
import type { PendingLegs } from "./ledger.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { essence, type ParsedCall, parseCall } from "./parse-call.ts";
import { codedError, PROBLEM_TYPE, problemOf } from "./problem.ts";
import type { DecidedRequest, PathRunner } from "./run-paths.ts";
import { encodeCall } from "./stored-call.ts";

/** A response that is no job's, for the first time. */
const sent = { jobId: null, code: null, replayed: false, pending: [] } as const;

/** Answers inference requests. */
export class InferService {
  private readonly options: GatewayOptions;
  /** Paths whose answers cite an attested session. */
  private readonly attestedPaths: ReadonlySet<PathId>;
  private readonly runner: PathRunner;
  private readonly claims = new KeyClaims();
  private jobs: JobAcceptor | null = null;

  constructor(options: GatewayOptions, runner: PathRunner) {
    this.options = options;
    this.runner = runner;
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
    if (stored !== null && stored !== "job") return { ...sent, ...stored, replayed: true };
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
      const servedAt = this.servedAt(made);
      const sign = () => this.writer(call).answer(id, parsed.received, made, { answer, legs, pending }, servedAt);
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

  /** What each path of an allowing decision does. Where nothing can wait, all of it is done before the answer leaves. @throws TrisealError the denial. */
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
    if (error.code === "LOG_UNAVAILABLE") throw error;
    const { codes, ledger, log } = this.options;
    logFault(log, error, call.requestId);
    const problem = problemOf(error, codes, "oip", call.requestId, id);
    const body = utf8(JSON.stringify(problem.body));
    const { status } = problem;
    const usedKey = keyed === null || problem.retryable ? null : { ...keyed, status };
    await ledger.logExchange(this.writer(call).refusal(id, received, made, error, body, this.servedAt(made)), usedKey);
    return { ...sent, status, mediaType: PROBLEM_TYPE, body, receiptId: id, code: error.code };
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

function keyReused(): TrisealError {
  return new TrisealError("IDEMPOTENCY_KEY_REUSED", "this idempotency key was used for other bytes");
}
