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
import type { UnixSeconds } from "../core/time.ts";
import type { AppraisalInputs, PathId } from "./appraiser.ts";
import type { Backend, InferOptions, ServedModel } from "./backend.ts";
import type { ConfirmingLeg, PathAnswer } from "./leg.ts";
import type { PathRoute } from "./route.ts";

export type * from "./appraiser.ts";
export type * from "./backend.ts";
export * from "./leg.ts";
export type * from "./route.ts";

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
    inputs: Omit<AppraisalInputs, "session" | "blob" | "programs" | "model" | "tenant" | "answeredAt">,
  ): Promise<readonly Check[]>;
  prepare(
    request: { readonly model: string; readonly facts: CallerFacts; readonly body: Uint8Array },
    session: AppraisedSession,
    now: UnixSeconds,
  ): Promise<PreparedRequest>;
}
