/** One request from its first parsed byte to its signed receipt, answered or refused. */
import { encodeHex } from "../core/bytes.ts";
import { digestOf, digestOfBody, type Sha256Digest } from "../core/digest.ts";
import type { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { Leg, PathAnswer, PathId } from "../paths/path.ts";
import { type Decision, encodeDecision } from "../policy/index.ts";
import { type Receipt, signReceipt } from "../receipt/index.ts";
import type { Caller } from "./authenticate.ts";
import type { CitedStatement } from "./cited-statement.ts";
import type { PendingLegs, SignedExchange } from "./ledger.ts";
import type { ActivePolicy } from "./options.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** What is known of a request once it could be parsed. */
export interface ReceivedRequest {
  readonly caller: Caller;
  readonly endpoint: string;
  readonly model: string;
  readonly body: Uint8Array;
  readonly sealedBy: "caller" | "none";
  /** Whether the body's digest can be guessed from a small input. */
  readonly guessable: boolean;
}

/** A decision with the policy that made it. */
export interface Decided {
  readonly active: ActivePolicy;
  readonly decision: Decision;
  readonly decisionBytes: Uint8Array;
  readonly decisionDigest: Sha256Digest;
  /** The statement that it also rests on; null where the request cites none. */
  readonly statement: CitedStatement | null;
}

/** A decision with its bytes and digest. */
export function decided(active: ActivePolicy, decision: Decision, statement: CitedStatement | null = null): Decided {
  const decisionBytes = encodeDecision(decision);
  return { active, decision, decisionBytes, decisionDigest: digestOf(decisionBytes), statement };
}

/** An answer with the legs of all paths that confirmed it, and those that are still to come. */
export interface AnsweredExchange {
  readonly answer: PathAnswer;
  /** In the order of the obligations. The first is the answer's own. */
  readonly legs: readonly { readonly path: PathId; readonly leg: Leg }[];
  readonly pending: PendingLegs | null;
}

type Sealer = "caller" | "gateway";

function sealerOf(request: ReceivedRequest): Sealer {
  return request.sealedBy === "caller" ? "caller" : "gateway";
}

/** The `leg.sealed` event of a leg that is there. */
export function finalLeg(path: PathId, sealedBy: Sealer, leg: Leg): JsonObject {
  return {
    type: "leg.sealed",
    path,
    leg_digest: digestOf(leg.bytes),
    leg_media_type: leg.mediaType,
    evidence_digest: leg.evidenceDigest,
    evidence_media_type: leg.evidenceMediaType,
    status: "final",
    sealed_by: sealedBy,
    ...(leg.requestGuessable ? { digest: "guessable" } : {}),
  };
}

/** The `leg.sealed` event of a leg that is to come: about the same request as `answered`. */
function pendingLeg(path: PathId, request: ReceivedRequest, answered: Leg, deadline: number): JsonObject {
  const guessable = answered.requestGuessable ? { digest: "guessable" } : {};
  return { type: "leg.sealed", path, status: "pending", sealed_by: sealerOf(request), deadline, ...guessable };
}

/** A new receipt id: 128 random bits. */
export function newReceiptId(): string {
  return `rcpt-${encodeHex(crypto.getRandomValues(new Uint8Array(16)))}`;
}

/** Makes the receipts of one gateway. */
export class ReceiptWriter {
  private readonly identity: ServiceIdentity;
  /** Paths whose answers cite an attested session. */
  private readonly attestedPaths: ReadonlySet<PathId>;

  constructor(identity: ServiceIdentity, attestedPaths: ReadonlySet<PathId>) {
    this.identity = identity;
    this.attestedPaths = attestedPaths;
  }

  /** The exchange of an answer, with all the legs that are there and those that its receipt awaits. */
  answer(
    id: string,
    request: ReceivedRequest,
    made: Decided,
    { answer, legs, pending }: AnsweredExchange,
    servedAt: UnixSeconds,
  ): SignedExchange {
    const session = answer.leg.sessionId;
    const required = this.requiresUpstream(made);
    const upstream =
      session === null
        ? { result: "failed", required, model_id: request.model, reason: "NO_ATTESTED_UPSTREAM" }
        : { result: "verified", required, model_id: request.model, session_id: session };
    const awaited = (pending?.legs ?? []).map(({ path, deadlineAt }) => pendingLeg(path, request, answer.leg, deadlineAt));
    const events = [
      ...this.opening(request, made),
      { type: "request.forwarded", body_hash: answer.forwardedDigest },
      { type: "upstream.verified", ...upstream },
      ...legs.map(({ path, leg }) => finalLeg(path, sealerOf(request), leg)),
      ...awaited,
      { type: "response.returned", body_hash: digestOfBody(answer.body) },
    ];
    const receipt = this.sign(id, request, events, servedAt);
    const blobs = legs.flatMap(({ leg }) => [leg.bytes, ...(leg.blobs ?? [])]);
    return this.exchange(request, receipt, made, blobs, session, { body: answer.body, mediaType: answer.mediaType }, pending);
  }

  /** The exchange of a refusal; `body` is the error body that the caller gets. */
  refusal(
    id: string,
    request: ReceivedRequest,
    made: Decided | null,
    error: TrisealError,
    body: Uint8Array,
    servedAt: UnixSeconds,
  ): SignedExchange {
    const forwarded = error.details["forwardedDigest"];
    const denied = made?.decision.effect === "deny";
    const events = [
      ...this.opening(request, made),
      ...(typeof forwarded === "string" ? [{ type: "request.forwarded", body_hash: forwarded }] : []),
      {
        type: "upstream.verified",
        result: "failed",
        required: this.requiresUpstream(made),
        model_id: request.model,
        reason: error.code,
      },
      { type: "request.refused", code: error.code, rule_id: denied ? (made.decision.ruleIds[0] ?? null) : null },
      { type: "response.returned", body_hash: digestOf(body) },
    ];
    const receipt = this.sign(id, request, events, servedAt);
    return this.exchange(request, receipt, made, [], null, { body, mediaType: "application/problem+json" }, null);
  }

  private requiresUpstream(made: Decided | null): boolean {
    return (made?.decision.obligations?.all ?? []).some((path) => this.attestedPaths.has(path));
  }

  private opening(request: ReceivedRequest, made: Decided | null): readonly JsonObject[] {
    const { reportDigest, dev } = this.identity;
    const received = {
      type: "request.received",
      body_hash: digestOfBody(request.body),
      ...(request.guessable ? { digest: "guessable" } : {}),
    };
    const described = { type: "service.described", report_digest: reportDigest, ...(dev ? { mode: "dev" } : {}) };
    if (made === null) return [received, described];
    const policy = {
      type: "policy.decided",
      policy_digest: made.decision.policyDigest,
      statement_digest: digestOfBody(made.active.statementBytes),
      decision_digest: made.decisionDigest,
      rule_ids: made.decision.ruleIds,
      effect: made.decision.effect,
    };
    return [received, described, ...(made.statement === null ? [] : [made.statement.event]), policy];
  }

  private sign(id: string, request: ReceivedRequest, events: readonly JsonObject[], servedAt: UnixSeconds): Receipt {
    const { keysetDigest, signer } = this.identity;
    return signReceipt(
      {
        receiptId: id,
        chatId: null,
        model: request.model,
        keysetDigest,
        endpoint: request.endpoint,
        method: "POST",
        servedAt,
        events,
      },
      signer,
    );
  }

  private exchange(
    request: ReceivedRequest,
    receipt: Receipt,
    made: Decided | null,
    legs: readonly Uint8Array[],
    session: string | null,
    response: NonNullable<SignedExchange["response"]>,
    pending: PendingLegs | null,
  ): SignedExchange {
    const { caller } = request;
    const policyCites = made === null ? [] : [made.decision.policyDigest, digestOfBody(made.active.statementBytes)];
    return {
      receipt,
      blobs: [...(made === null ? [] : [made.decisionBytes, ...(made.statement?.blobs ?? [])]), ...legs],
      cites: [this.identity.reportDigest, ...policyCites],
      session,
      tenant: caller.tenant.id,
      keyHash: caller.keyHash,
      response,
      pending,
    };
  }
}
