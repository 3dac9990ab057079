/** What a path leaves about one answer: its leg, and what that states. Part of the seam (`path.ts`). */
import type { Sha256Digest } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";

/** What a leg states of the run itself. All legs of one exchange must state the same: silence beside a statement is a mismatch. */
export interface RunStatement {
  /** Salted commitment to the encoded input of an integer model, 64 hexadecimal digits; null where the leg states none. */
  readonly inputCommitment: string | null;
  /** The model's integers, flat; null where the leg states none or only a commitment. */
  readonly outputs: JsonValue;
  /** Salted commitment to the outputs, 64 hexadecimal digits; null where the leg states them, or nothing. */
  readonly outputCommitment: string | null;
}

/** What a leg says of a run that it states nothing about. */
export const NOTHING_STATED: RunStatement = { inputCommitment: null, outputs: null, outputCommitment: null };

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
  /** What the leg states of the run, as its appraiser will claim it. */
  readonly states: RunStatement;
}

/** A leg about an answer of another path. The one session that a receipt cites is the answering path's. */
export type ConfirmingLeg = Leg & { readonly sessionId: null };

/** An answer of a path. */
export interface PathAnswer {
  /** The exact bytes that the caller gets. */
  readonly body: Uint8Array;
  readonly mediaType: string;
  /** SHA-256 of the exact bytes that left the gateway for the backend. */
  readonly forwardedDigest: Sha256Digest;
  readonly leg: Leg;
  /**
   * Of a submission that changes what the path keeps: called once, and awaited before the answer leaves. `true`: its receipt is
   * durable, and what it says has happened. `false`: it will never be logged, and nothing has happened. Where a failed append
   * leaves that open it is not called: the log says at the next start. Throws nothing.
   */
  readonly settle?: (logged: boolean) => Promise<void>;
}
