/** The auditor's side of the seam: what a leg states, and what appraises it. */
import type { Basis, Check } from "../core/check.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { RunStatement } from "./leg.ts";

/** Name of a path: `tee`, `fhe`, `zk`, or another's. Lower-case letters, digits and hyphens. */
export type PathId = string;

/** What a leg states, by name; `verify` compares these across legs and with the receipt, and knows no path. */
export interface LegClaims extends RunStatement {
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
  /**
   * What the caller made itself and submitted, as `request.submits` of the decision must say; absent where the path computed.
   * Then no input was in the exchange.
   */
  readonly submission?: string;
  /** The tenant that the leg is about; absent where it does not say. */
  readonly tenant?: string;
  /** What a later request that cites this leg may show to policy, by fact name under `request.`; absent where none may. */
  readonly requestFacts?: Readonly<Record<string, string | number>>;
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
  /** Whose request it was, as the decision says; null where no decision can be read, which is then nobody's. */
  readonly tenant: string | null;
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

/** One kind of leg: what is known of it before its appraiser is there. */
export interface LegKind {
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
}

/** Auditor side: the RATS Verifier of one path's legs. Pure and offline; never throws on bad bytes. */
export interface Appraiser extends LegKind {
  appraise(leg: Uint8Array, inputs: AppraisalInputs): Promise<Appraisal>;
}

/**
 * An appraiser that is loaded when the first leg of its kind is judged: a page takes what its bundles need, and no more.
 * Where it cannot be loaded `appraise` rejects, and there is no verdict.
 */
export function deferredAppraiser(kind: LegKind, load: () => Promise<Appraiser>): Appraiser {
  return { ...kind, appraise: async (leg, inputs) => await (await load()).appraise(leg, inputs) };
}
