/**
 * What callers make on their own machines: decided before it is made (a challenge), checked and receipted when it is submitted.
 * Knows no path: what is submitted, and how it is checked, is said by the path's routes.
 */
import type { Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import type { CallerFacts } from "../core/oip.ts";
import { JSON_TYPE } from "../core/oip-body.ts";
import { unixSeconds } from "../core/time.ts";
import type { ChallengeRoute, InferencePath, PathAnswer, SubmissionRoute } from "../paths/path.ts";
import { candidateOf } from "../policy/index.ts";
import { answerOnce } from "./answer-once.ts";
import type { Caller } from "./authenticate.ts";
import { type Challenge, type ChallengePurpose, Challenges } from "./challenges.ts";
import { decideRequest, policyInForce } from "./decide-request.ts";
import { type Decided, newReceiptId, type ReceivedRequest } from "./exchange.ts";
import { type KeyClaims, type KeyedRequest, keyedRequest } from "./idempotency.ts";
import type { SignedExchange } from "./ledger.ts";
import type { GatewayOptions } from "./options.ts";
import { essence } from "./parse-call.ts";
import { codedError } from "./problem.ts";
import { receiptRefusal, receiptWriter, servedAt } from "./receipted-refusal.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** One request to a path's own address. */
export interface RouteCall {
  readonly caller: Caller;
  /** The address without its query. */
  readonly address: string;
  readonly mediaType: string;
  readonly body: Uint8Array;
  /** The `Idempotency-Key` header, or null. */
  readonly idempotencyKey: string | null;
  readonly requestId: string;
  readonly identity: ServiceIdentity;
  readonly signal: AbortSignal;
}

/** What goes back. */
export interface RouteResult {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  /** Null for a challenge: the receipt is that of its submission. */
  readonly receiptId: string | null;
  /** Code of a refusal; null for an answer, and for a repeat of what was sent before. */
  readonly code: string | null;
  readonly replayed: boolean;
}

/** Longest name of a model in a receipt. */
const MAX_MODEL_NAME = 128;

/** Answers challenges and submissions. */
export class SubmissionService {
  private readonly options: GatewayOptions;
  private readonly claims: KeyClaims;
  private readonly challenges: Challenges;

  constructor(options: GatewayOptions, claims: KeyClaims) {
    this.options = options;
    this.claims = claims;
    this.challenges = new Challenges(options.limits.maxChallengesPerTenant);
  }

  /**
   * Decides what the caller may make, and opens a challenge for it. A refusal has a receipt; a challenge has none, and is
   * another one each time, whatever `Idempotency-Key` says.
   * @throws TrisealError as the route's `parse`; `LOG_UNAVAILABLE`.
   */
  async challenge(path: InferencePath, route: ChallengeRoute, call: RouteCall): Promise<RouteResult> {
    const { modelName, facts: stated } = route.parse(call.body);
    const facts = withWorkKind(route.workKind?.(modelName, call.caller.tenant.id), stated);
    // The body names a model and facts, which anyone can guess.
    const received = receivedBy(call, modelName, true);
    let made: Decided | null = null;
    try {
      const { model, backend, terms } = await route.offer(modelName, call.caller.tenant.id);
      const at = this.options.clock();
      const { submits } = route;
      const undecided = { received, facts, model, at, candidates: [candidateOf(backend)], submits };
      made = await decideRequest(this.options, undecided);
      const { decision, decisionDigest } = made;
      if (decision.effect === "deny") throw new TrisealError(decision.code ?? "POLICY_DENIED", decision.reason);
      const { tenant, keyHash } = call.caller;
      const exp = unixSeconds(at + this.options.limits.challengeSeconds);
      this.challenges.add({ path: path.id, submits, keyHash, tenant: tenant.id, model, facts, made, exp }, at);
      const named = { nonce: decision.nonce, model: model.name, modelDigest: model.digest };
      const body = encodeJcs({ v: 1, ...named, decisionDigest, decision, exp, terms });
      return { status: 200, mediaType: JSON_TYPE, body, receiptId: null, code: null, replayed: false };
    } catch (error) {
      return this.refuse(call, received, made, codedError(error), null);
    }
  }

  /**
   * Answers a submission, under an idempotency key as everywhere.
   * @throws TrisealError where no receipt is due: a body that names no challenge, `LOG_UNAVAILABLE`, `IDEMPOTENCY_IN_FLIGHT`,
   *   `IDEMPOTENCY_KEY_INVALID`.
   */
  async submit(path: InferencePath, route: SubmissionRoute, call: RouteCall): Promise<RouteResult> {
    const { caller, address, body } = call;
    const request = { tenant: caller.tenant.id, path: address, mediaType: essence(call.mediaType), body };
    const purpose = { path: path.id, submits: route.submits, keyHash: caller.keyHash };
    return answerOnce({ ledger: this.options.ledger, claims: this.claims }, keyedRequest(call.idempotencyKey, request), {
      parse: () => {
        const { nonce, modelDigest } = route.parse(body);
        const received = receivedBy(call, this.nameOf(nonce, purpose, modelDigest), false);
        return {
          answer: (keyed) => this.answer(path, route, call, { nonce, purpose, received }, keyed),
          refuse: (error) => this.refuse(call, received, null, error, null),
        };
      },
      // Nothing that is submitted becomes a job.
      repeat: async (stored) => (stored === "job" ? null : { ...stored, code: null, replayed: true }),
    });
  }

  private async answer(
    path: InferencePath,
    route: SubmissionRoute,
    call: RouteCall,
    named: { readonly nonce: string; readonly purpose: ChallengePurpose; readonly received: ReceivedRequest },
    keyed: KeyedRequest | null,
  ): Promise<RouteResult> {
    const { received } = named;
    let taken: Challenge | null = null;
    try {
      taken = this.take(named.nonce, named.purpose);
      const { model, facts, made } = taken;
      const context = { modelDigest: model.digest, decisionDigest: made.decisionDigest, nonce: made.decision.nonce };
      const { tenant, keyHash: principal, exp } = taken;
      const submission = { model, context, facts, tenant, principal, exp, body: call.body };
      const answer = await route.accept(submission, { signal: call.signal });
      const receiptId = await this.log(path, call, { received, made, answer }, keyed);
      const { mediaType, body } = answer;
      return { status: 200, mediaType, body, receiptId, code: null, replayed: false };
    } catch (error) {
      return await this.failed(call, received, taken, codedError(error), keyed);
    }
  }

  /** Logs the receipt of an answer, and has the path settle what depends on it. */
  private async log(
    path: InferencePath,
    call: RouteCall,
    of: { readonly received: ReceivedRequest; readonly made: Decided; readonly answer: PathAnswer },
    keyed: KeyedRequest | null,
  ): Promise<string> {
    const { received, made, answer } = of;
    const receiptId = newReceiptId();
    const sign = () => {
      const writer = receiptWriter(this.options, call.identity);
      const legs = [{ path: path.id, leg: answer.leg }];
      return writer.answer(receiptId, received, made, { answer, legs, pending: null }, servedAt(this.options, made));
    };
    let exchange: SignedExchange;
    try {
      exchange = sign();
    } catch (error) {
      await answer.settle?.(false);
      throw error;
    }
    // Where this fails, the next start may find the leaf all the same: nothing is settled then.
    await this.options.ledger.logExchange(exchange, keyed === null ? null : { ...keyed, status: 200 });
    await answer.settle?.(true);
    return receiptId;
  }

  /** A retry can only succeed under the same challenge: it is open again where one is worth it. */
  private async failed(
    call: RouteCall,
    received: ReceivedRequest,
    taken: Challenge | null,
    error: TrisealError,
    keyed: KeyedRequest | null,
  ): Promise<RouteResult> {
    if (taken !== null && this.options.codes[error.code]?.retryable === true) this.challenges.giveBack(taken);
    return this.refuse(call, received, taken?.made ?? null, error, keyed);
  }

  /** Uses the challenge up. It ends with the policy that was decided by. */
  private take(nonce: string, purpose: ChallengePurpose): Challenge {
    const now = this.options.clock();
    const { statementBytes } = policyInForce(this.options, now);
    const challenge = this.challenges.take(nonce, purpose, now);
    if (challenge.made.active.statementBytes !== statementBytes)
      throw new TrisealError("CHALLENGE_EXPIRED", "another policy is in force than when the challenge was decided");
    return challenge;
  }

  /** The model as the receipt names it: by its digest where no challenge says which it is. */
  private nameOf(nonce: string, purpose: ChallengePurpose, digest: Sha256Digest): string {
    return this.challenges.find(nonce, purpose)?.model.name ?? digest;
  }

  private async refuse(
    call: RouteCall,
    received: ReceivedRequest,
    made: Decided | null,
    error: TrisealError,
    keyed: KeyedRequest | null,
  ): Promise<RouteResult> {
    const receiptId = newReceiptId();
    const { requestId, identity } = call;
    const refused = { receiptId, requestId, identity, received, made, keyed, protocol: "aci" } as const;
    const { status, mediaType, body } = await receiptRefusal(this.options, refused, error);
    return { status, mediaType, body, receiptId, code: error.code, replayed: false };
  }
}

/** What the caller stated, with the kind of work that the address stands for. */
function withWorkKind(workKind: string | undefined, facts: CallerFacts): CallerFacts {
  if (workKind === undefined) return facts;
  if (facts.kind !== undefined && facts.kind !== workKind)
    throw new TrisealError("REQUEST_MALFORMED", `\`kind\` is \`${workKind}\` here`);
  return { ...facts, kind: workKind };
}

function receivedBy({ caller, address, body }: RouteCall, model: string, guessable: boolean): ReceivedRequest {
  const named = { endpoint: address.slice(0, 512), model: model.slice(0, MAX_MODEL_NAME) };
  return { caller, ...named, body, sealedBy: "none", guessable };
}
