/**
 * The seam between Triseal and its paths: one small interface per role. A path is one folder that implements them;
 * nothing outside names a path, apart from the lists of the composition roots.
 */
import type { BindingContext } from "../core/binding.ts";
import type { Basis, Check } from "../core/check.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { ErrorTable } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CallerFacts } from "../core/oip.ts";
import type { Stages } from "../core/stage.ts";
import type { TensorSpec } from "../core/tensor.ts";
import type { UnixSeconds } from "../core/time.ts";

/** Name of a path: `tee`, `fhe`, `zk`, or another's. Lower-case letters, digits and hyphens. */
export type PathId = string;

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

/** What a path leaves in the receipt about its answer. */
export interface Leg {
  /** The signed or proven statement; its SHA-256 stands in the receipt. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** ACI session that was cited when the request was forwarded, if the path has an attested upstream. */
  readonly sessionId: string | null;
  /** Digest and media type of the evidence behind the leg. */
  readonly evidenceDigest: Sha256Digest;
  readonly evidenceMediaType: string;
  /** Documents that this leg alone cites and that its appraiser asks for by digest: evidence that no session holds. None by default. */
  readonly blobs?: readonly Uint8Array[];
  /** Whether the digest of the opened request can be guessed because the body held no 128 random bits. */
  readonly requestGuessable: boolean;
}

/** An answer of a path. */
export interface PathAnswer {
  /** The exact bytes that the caller gets. */
  readonly body: Uint8Array;
  readonly mediaType: string;
  /** SHA-256 of the exact bytes that left the gateway for the backend. */
  readonly forwardedDigest: Sha256Digest;
  readonly leg: Leg;
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
  /** Attested upstreams of this path, past and present, newest first. */
  sessions(): readonly SessionRecord[];
  close(): Promise<void>;
}

/** What a leg states, by name; `verify` compares these across legs and with the receipt, and knows no path. */
export interface LegClaims {
  readonly requestDigest: Sha256Digest;
  readonly responseDigest: Sha256Digest;
  readonly modelDigest: Sha256Digest;
  readonly decisionDigest: Sha256Digest;
  readonly nonce: string;
  /**
   * Digest of the caller's facts as the leg binds them. Null, where it binds none, is refused unless the appraiser says that
   * the request binds them: policy could have decided on any.
   */
  readonly factsDigest: Sha256Digest | null;
  /** The evidence that was appraised; the receipt must name the same. */
  readonly evidence: { readonly digest: Sha256Digest; readonly mediaType: string };
  /** Digests of the bodies on the wire between gateway and backend; null for a path that seals nothing. */
  readonly wire: { readonly requestDigest: Sha256Digest; readonly responseDigest: Sha256Digest } | null;
  /** Salted commitment to the encoded input of an integer model, 64 hexadecimal digits; null where the leg states none. */
  readonly inputCommitment: string | null;
  /** The model's integers, flat; null where the leg states none or only a commitment. */
  readonly outputs: JsonValue;
  /** Salted commitment to the outputs, 64 hexadecimal digits; null where the leg states them, or nothing. */
  readonly outputCommitment: string | null;
  /** What the appraised evidence shows about the backend, by fact name under `backend.`; a decision may not say otherwise. */
  readonly backendFacts: Readonly<Record<string, string | number | boolean>>;
  /** Whom the content was kept from, in words, and on what that rests. */
  readonly confidentiality: { readonly text: string; readonly basis: Basis };
  /** Who computed the answer, in words, and on what that rests. */
  readonly correctness: { readonly text: string; readonly basis: Basis };
}

/** Everything that an appraisal may use. All members are required: there is no "undefined = not checked". */
export interface AppraisalInputs {
  /** The relying party's section for this path, `paths.<id>` of the one trusted service; null where it has none. */
  readonly trust: JsonObject | null;
  readonly revoked: RevokedSet;
  /** Name of the model that the receipt is about: a trust entry names a model by name and digest together. */
  readonly model: string | null;
  /** The session document that the receipt cites, already checked against its id; null where none is cited. */
  readonly session: JsonObject | null;
  /** What the relying party computed itself from models that it has, by model digest, in a form of the path's own. Often none. */
  readonly programs: ReadonlyMap<Sha256Digest, JsonObject>;
  /** Blobs of the bundle, by digest; a blob that is asked for counts as used. */
  readonly blob: (digest: Sha256Digest) => Uint8Array | null;
  /** The moment for which evidence is judged, and what that moment rests on. */
  readonly at: { readonly seconds: UnixSeconds; readonly basis: Basis };
  /** The moment of the receipt: keys that signed for the answer must not have expired by then. */
  readonly answeredAt: { readonly seconds: UnixSeconds; readonly basis: Basis };
  readonly now: UnixSeconds;
}

/** Keys and measurements that the relying party has withdrawn: hexadecimal public keys, and digests in text form. */
export interface RevokedSet {
  readonly keys: ReadonlySet<string>;
  readonly measurements: ReadonlySet<string>;
}

/** The result of an appraisal. `claims` is null where the leg could not be read. */
export interface Appraisal {
  readonly checks: readonly Check[];
  readonly claims: LegClaims | null;
}

/** Auditor side: the RATS Verifier of one path's legs. Pure and offline; never throws on bad bytes. */
export interface Appraiser {
  readonly path: PathId;
  readonly legMediaType: string;
  /** Whether an answer of this path must cite an attested session (ACI section 7.5). */
  readonly attestedUpstream: boolean;
  /**
   * What binds the caller's facts: the leg, by a digest of their own, unless this says that it is the request, inside which
   * they stand. Then they are checked where the request is shown.
   */
  readonly factsBoundBy?: "request";
  /** Ids of its checks that may be skipped without a waiver. None by default. */
  readonly optionalChecks?: ReadonlySet<string>;
  appraise(leg: Uint8Array, inputs: AppraisalInputs): Promise<Appraisal>;
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
