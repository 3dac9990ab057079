/** What a verification answers. */
import type { Basis, Check } from "../core/check.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import type { Waiver } from "../trust/trust-file.ts";

/** One sentence that the bundle supports, with the weakest thing it rests on. */
export interface Claim {
  readonly about: "answer" | "input" | "confidentiality" | "policy" | "time" | "refusal" | "service";
  readonly text: string;
  readonly basis: Basis;
}

/** `malformed`: not a bundle. `unsupported`: a version or a kind of evidence that this verifier does not know. */
export type Outcome = "accepted" | "rejected" | "unsupported" | "malformed";

/** The answer of `verifyBundle`. Only an accepted one has claims. */
export interface Verdict {
  readonly outcome: Outcome;
  /** Code of the first failure in the order of the check table; null when accepted. */
  readonly code: string | null;
  /** Name of the trusted service, once one was selected. */
  readonly service: string | null;
  readonly receiptId: string | null;
  /** All checks that could be made. */
  readonly checks: readonly Check[];
  readonly claims: readonly Claim[];
  /** Weaknesses that the trust file accepts in writing and that this verdict relied on. */
  readonly waivers: readonly Waiver[];
  /** What a reader must know and no check says. */
  readonly notes: readonly string[];
  /** The moment that evidence was judged for, and what that moment rests on; null where none was established. */
  readonly judgedAt: { readonly seconds: UnixSeconds; readonly basis: Basis; readonly chosenByYou: boolean } | null;
}

/** What opens the commitments of an integer run. */
export interface Opening {
  /** The salt that the caller got with its answer: 16 to 31 bytes. */
  readonly salt: Uint8Array;
  /** The integer model of that digest, which says how an input is encoded; null where it cannot be had. Its digest is compared. */
  readonly model: (digest: Sha256Digest) => Promise<CheckedModel | null>;
}

/** What a verification uses besides the bundle and the trust. */
export interface VerifyOptions {
  /** The verifier's clock: deadlines are judged by it, and nothing may lie after it. */
  readonly now: UnixSeconds;
  /** Replaces the moment of appraisal; printed in the verdict. Null: the moment that the log proves. */
  readonly at: UnixSeconds | null;
  /** Request bytes, opened or as they were on the wire; null: not shown. */
  readonly request: Uint8Array | null;
  /** Response bytes, opened or as they were on the wire; null: not shown. */
  readonly response: Uint8Array | null;
  /** Salt and model of an integer run; null: not shown. */
  readonly opening: Opening | null;
  /** Accept a leg that is still pending before its deadline. */
  readonly allowPending: boolean;
  /** What the auditor computed itself from models it has: by path and model digest, in the form of the path. None by default. */
  readonly programs?: ReadonlyMap<string, ReadonlyMap<Sha256Digest, JsonObject>>;
}
