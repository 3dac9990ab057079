/**
 * The seam between Triseal and its paths: one small interface per role. A path is one folder that implements them;
 * nothing outside names a path, apart from the lists of the composition roots.
 */
import type { BindingContext } from "../core/binding.ts";
import type { Check } from "../core/check.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { ErrorTable } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { CallerFacts } from "../core/oip.ts";
import type { Stages } from "../core/stage.ts";
import type { TensorSpec } from "../core/tensor.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { AppraisalInputs, PathId } from "./appraiser.ts";
import type { ConfirmingLeg, PathAnswer } from "./leg.ts";

export type * from "./appraiser.ts";
export * from "./leg.ts";

/** A fact about a backend, with the party that vouches for it: appraised evidence, or only the operator's claim. */
export interface BackendFact {
  /** Name under `backend.`, as policies write it. */
  readonly name: string;
  readonly origin: "evidence" | "claim";
  readonly value: string | number | boolean;
}

/** One live candidate that can answer for a model on a path. */
export interface Backend {
  /** Unique among all backends of the gateway. */
  readonly id: string;
  readonly path: PathId;
  readonly facts: readonly BackendFact[];
}

/** A model as the gateway knows it from a path. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly digest: Sha256Digest;
  /** The tensors that it may answer with. */
  readonly outputs: readonly TensorSpec[];
}

/** A request that policy has decided and that is bound to that decision. */
export interface BoundRequest {
  readonly model: ServedModel;
  readonly backendId: string;
  /** The attested session that policy decided on; null where the backend states none. Nothing else may serve the request. */
  readonly sessionId: string | null;
  readonly context: BindingContext;
  readonly facts: CallerFacts;
  /** Who sealed `body`: `caller`: it is a sealed envelope, forwarded as it is; `none`: it is an OIP body in the clear. */
  readonly sealedBy: "caller" | "none";
  readonly body: Uint8Array;
}

/** Whether a path can answer now. `reason` is one line for the operator. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** An attested upstream, frozen as an ACI session document (spec section 8). */
export interface SessionRecord {
  readonly id: string;
  readonly document: JsonObject;
  readonly models: readonly string[];
  /** Whether requests may be sent to it now. */
  readonly current: boolean;
}

/** Reads the clear part of a body that the caller sealed for a path. Opens nothing. */
export interface SealedReader {
  /** The forms of an envelope, by media type. */
  readonly mediaTypes: readonly string[];
  /** @throws TrisealError with a code of the path where the body is no envelope of that media type. */
  read(body: Uint8Array, mediaType: string): { readonly model: string; readonly facts: CallerFacts };
}

/** How one request is run. */
export interface InferOptions {
  readonly signal: AbortSignal;
  /** Told of the path's own stages of this request; for measurements. */
  readonly stages?: Stages;
  /** Takes how far the work is, from 0 to 1, and what is being done, in a few words without content. */
  readonly progress?: (fraction: number, stage: string) => void;
}

/** Confirms answers that another path gave, with a leg of its own. */
export interface Confirmer {
  /**
   * Refuses what nobody could confirm, whatever the answer is. Asked before the request is answered, and runs nothing.
   * @throws TrisealError as `InferencePath.infer` for the same content.
   */
  assertConfirmable(request: BoundRequest): void;
  /**
   * A leg about the same request, input and outputs as the answer.
   * @param response the exact bytes of the opened answer. What the confirmation needs of it, such as a salt, stands inside.
   * @throws TrisealError `LEG_INPUT_MISMATCH`, `LEG_OUTPUT_MISMATCH` where the answer is not what this path finds; else as
   *   `InferencePath.infer`. `details.forwarded` means nothing there: what left for the answer's backend is another thing.
   */
  confirm(request: BoundRequest, response: Uint8Array, options: InferOptions): Promise<ConfirmingLeg>;
}

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
  readonly body: Uint8Array;
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

/** Statements that callers submitted to a path, and that later requests of theirs cite (`request.statement`). */
export interface StatementSource {
  readonly legMediaType: string;
  /**
   * What the leg of an earlier receipt states; null where nobody stands behind it any more.
   * @param blob documents of that receipt. @throws TrisealError `FORMAT_INVALID`.
   */
  read(leg: Uint8Array, blob: (digest: Sha256Digest) => Uint8Array | null): ReadStatement | null;
}

/** An earlier statement. */
export interface ReadStatement {
  /** By fact name under `request.`; policies read them with origin `evidence`. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** The only tenant that may cite it. */
  readonly tenant: string;
  /** The first second at which it no longer holds. */
  readonly expiry: UnixSeconds;
  /** Documents that its appraiser needs beside the leg. */
  readonly cites: readonly Sha256Digest[];
}

/** Server side: one way of answering an inference request. */
export interface InferencePath {
  readonly id: PathId;
  /** Whether answers cite an attested session, and refusals record that none served (ACI section 7.5). */
  readonly attestedUpstream: boolean;
  /** How a caller can seal to this path's backends; null where it cannot. */
  readonly sealed: SealedReader | null;
  /** Models that this path can serve when a backend is live. */
  models(): readonly ServedModel[];
  /**
   * Live, admitted candidates for a model, least busy first; empty where there is none.
   * @param sealedBody a body that the caller sealed: only the backend that can open it is a candidate then. Where none
   *   can, all are, and `infer` says why it refuses.
   * @param at the moment of the decision, which facts about ages are for; the path's own clock by default.
   */
  backends(model: ServedModel, sealedBody?: Uint8Array, at?: UnixSeconds): readonly Backend[];
  ready(signal: AbortSignal): Promise<Readiness>;
  /** @throws TrisealError with a code of core or of the path. `details.forwarded` is true once bytes left the gateway. */
  infer(request: BoundRequest, options: InferOptions): Promise<PathAnswer>;
  /** How this path confirms what another one answered; null where it cannot. */
  readonly confirmer: Confirmer | null;
  /**
   * Told that another path's evidence contradicts an answer that a backend gave under a session. The backend serves nothing
   * more; what is gone already needs nothing. `reason` is one line for the operator.
   */
  contradicted(backendId: string, sessionId: string | null, reason: string): void;
  /** Attested upstreams of this path, past and present, newest first. */
  sessions(): readonly SessionRecord[];
  /** Addresses beside inference. None by default. */
  readonly routes?: readonly PathRoute[];
  /** What receipts of this path can show about a later request. Nothing by default. */
  readonly statements?: StatementSource;
  close(): Promise<void>;
}

/** What a caller sends for one request, and how it opens the answer. */
export interface PreparedRequest {
  readonly body: Uint8Array;
  readonly mediaType: string;
  /** The opened OIP response body. @throws TrisealError where the answer does not open. */
  open(body: Uint8Array): Promise<Uint8Array>;
}

/** A session that the caller has appraised, and to which it may seal. */
export interface AppraisedSession {
  readonly id: string;
  readonly document: JsonObject;
}

/** Caller side: prepares what leaves the caller and opens what comes back. */
export interface PathClient {
  readonly id: PathId;
  /** Error codes that only this path can give. */
  readonly codes: ErrorTable;
  /** Appraises a session document before the first byte is sent; empty `failures` means that it may be used. */
  appraiseSession(
    document: JsonObject,
    inputs: Omit<AppraisalInputs, "session" | "blob" | "programs" | "model" | "answeredAt">,
  ): Promise<readonly Check[]>;
  prepare(
    request: { readonly model: string; readonly facts: CallerFacts; readonly body: Uint8Array },
    session: AppraisedSession,
    now: UnixSeconds,
  ): Promise<PreparedRequest>;
}
