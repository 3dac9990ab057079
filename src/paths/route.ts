/** Addresses that a path offers beside inference, below `/v1/<path id>/`. Part of the seam (`path.ts`). */
import type { BindingContext } from "../core/binding.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { CallerFacts } from "../core/oip.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { Backend, InferOptions, ServedModel } from "./backend.ts";
import type { PathAnswer } from "./leg.ts";

/** An address of a path's own, below `/v1/<path id>/`. The gateway authenticates and bounds whatever arrives there. */
export type PathRoute = DocumentRoute | ResourceRoute | ChallengeRoute | SubmissionRoute;

/** `GET /v1/<path id>/<address>/<name>`: a document for whoever holds an API key. Decided by no policy, receipted by nobody. */
export interface DocumentRoute {
  readonly kind: "document";
  /** Lower-case letters, digits and hyphens. */
  readonly address: string;
  /** The document of that name, at most 128 characters; null where there is none. */
  find(name: string): RouteDocument | null;
}

/** A document that can be read. Room for it is found before it is. */
export interface RouteDocument {
  readonly byteLength: number;
  readonly mediaType: string;
  /** @throws TrisealError where it is no longer the document of that name. */
  read(): Promise<Uint8Array>;
}

/** Methods that a resource may take. `GET` answers `HEAD`, too: the body is dropped then. */
export type ResourceMethod = "GET" | "POST" | "PATCH";

/**
 * `/v1/<path id>/<address>` and `/v1/<path id>/<address>/<name>`: what a path keeps for its callers. Decided by no policy, receipted
 * by nobody: whoever may do what is for the path to say, by the caller that it is given.
 */
export interface ResourceRoute {
  readonly kind: "resource";
  readonly address: string;
  readonly methods: readonly ResourceMethod[];
  readonly maxBodyBytes: number;
  /** Names of the request headers that it reads, in lower case. It is given no other. */
  readonly headers: readonly string[];
  /** @throws TrisealError with a code of core or of the path. */
  answer(call: ResourceCall): Promise<ResourceAnswer>;
}

/** One request to a resource, by the holder of an API key. */
export interface ResourceCall {
  readonly tenant: string;
  /** SHA-256 of the API key, 64 hexadecimal digits. */
  readonly principal: string;
  readonly method: ResourceMethod | "HEAD";
  /** What stands behind the address, at most 128 characters; null where nothing does. */
  readonly name: string | null;
  readonly query: Readonly<Record<string, string>>;
  /** Of those that the route reads; a header that was not sent is missing. */
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for `GET` and `HEAD`. */
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** What a resource answers. */
export interface ResourceAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | ByteStream;
}

/** Bytes that are read while they are sent: never in memory as a whole. */
export interface ByteStream {
  readonly byteLength: number;
  /** Called once, where the bytes are wanted. Nothing is opened before the first of them is; a stream that is cancelled closes. */
  readonly open: () => ReadableStream<Uint8Array>;
}

/**
 * `POST /v1/<path id>/<address>`: asks to be allowed to submit what the caller makes on its own machine. Policy decides then;
 * the gateway answers with the decision and its nonce, once, for five minutes at most, to the API key that asked.
 */
export interface ChallengeRoute {
  readonly kind: "challenge";
  readonly address: string;
  readonly maxBodyBytes: number;
  /** What will be submitted: policies read it as `request.submits`. */
  readonly submits: string;
  /**
   * The kind of work that whoever asks here asks for: policies read it as `request.kind`. A caller that states another kind is
   * refused with `REQUEST_MALFORMED`. Absent: whatever the caller states.
   */
  readonly workKind?: (modelName: string, tenant: string) => string;
  /** What a body asks for. @throws TrisealError where it asks for nothing; then there is no receipt. */
  parse(body: Uint8Array): { readonly modelName: string; readonly facts: CallerFacts };
  /** What that caller may submit about that model. @throws TrisealError with a code of core or of the path. */
  offer(modelName: string, tenant: string): SubmissionOffer | Promise<SubmissionOffer>;
}

/** What policy decides on before anything is made, and what the caller needs to make it. */
export interface SubmissionOffer {
  readonly model: ServedModel;
  /** The caller's own machine as a candidate: only facts that hold of it. */
  readonly backend: Backend;
  /** What the answer says beside nonce, decision and expiry. */
  readonly terms: JsonObject;
}

/** `POST /v1/<path id>/<address>`: what a caller made under a challenge. Answered once, with a receipt. */
export interface SubmissionRoute {
  readonly kind: "submission";
  readonly address: string;
  readonly maxBodyBytes: number;
  /** As that of its challenges: no other challenge counts here. */
  readonly submits: string;
  /** The challenge that a body names, and the model. @throws TrisealError where it names none; then there is no receipt. */
  parse(body: Uint8Array): { readonly nonce: string; readonly modelDigest: Sha256Digest };
  /** Checks what was submitted, and answers. @throws TrisealError with a code of core or of the path. */
  accept(submission: Submission, options: InferOptions): Promise<PathAnswer>;
}

/** What was submitted, with the decision that it was made under. */
export interface Submission {
  readonly model: ServedModel;
  readonly context: BindingContext;
  /** What the caller stated when it asked for the challenge. */
  readonly facts: CallerFacts;
  readonly tenant: string;
  /** SHA-256 of the API key that asked for the challenge, and submits; 64 hexadecimal digits. */
  readonly principal: string;
  /** The first second at which the challenge no longer holds. */
  readonly exp: UnixSeconds;
  readonly body: Uint8Array;
}
