/** An inference request as it comes in, what goes back, and who takes one that is answered later. */
import type { Stages } from "../core/stage.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { Caller } from "./authenticate.ts";
import type { PendingRecord, UsedKey } from "./record.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** One request as it came in. */
export interface InferCall {
  readonly caller: Caller;
  /** The address without its query. */
  readonly path: string;
  readonly modelName: string;
  readonly modelVersion: string | null;
  readonly mediaType: string;
  readonly body: Uint8Array;
  /** The header `Inference-Header-Content-Length`, or null. */
  readonly jsonLength: string | null;
  /** The `Idempotency-Key` header, or null. */
  readonly idempotencyKey: string | null;
  readonly requestId: string;
  /** Who signs the receipt. */
  readonly identity: ServiceIdentity;
  readonly signal: AbortSignal;
  /** Told of the stages of this request; for measurements. */
  readonly stages?: Stages;
  /** Whether the caller asks for 202 and an answer later (`Prefer: respond-async`, RFC 7240 section 4.1). */
  readonly respondAsync: boolean;
}

/** What goes back to the caller. */
export interface InferResult {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly receiptId: string;
  /** The job that the request became; null for an answer. */
  readonly jobId: string | null;
  /** Code of a refusal; null for an answer, and for a repeat of what was sent before. */
  readonly code: string | null;
  /** Whether this is the stored response to an earlier request. */
  readonly replayed: boolean;
  /** Legs that the receipt awaits, with the jobs that bring them. */
  readonly pending: PendingRecord["legs"];
}

/** A request that passed policy and may wait. */
export interface AcceptableCall {
  readonly call: InferCall;
  readonly receiptId: string;
  readonly path: string;
  readonly keyed: Omit<UsedKey, "status"> | null;
  /** When policy wants it ended, or null: then the operator's limit holds. */
  readonly deadlineAt: UnixSeconds | null;
}

/** Takes requests that are answered later, and legs that follow an answer. */
export interface JobAcceptor {
  /** 202 for a request, once its leaf is durable. */
  accept(acceptable: AcceptableCall): Promise<InferResult>;
  /** @throws TrisealError `OVERLOADED` where a tenant has as many open jobs as it may; `STORE_UNAVAILABLE`. */
  assertRoom(tenant: string): Promise<void>;
  /** Has the legs brought that a logged receipt awaits. Never rejects: what cannot be queued now is found by the next sweep. */
  follow(legs: PendingRecord["legs"]): void;
  /** The 202 of a job that a repeated request was accepted as. */
  repeat(leafIndex: number, keyHash: string): Promise<InferResult>;
}
