/** The caller's side of a run: what is submitted under a challenge, and whether the answer is one to it. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { digestOfJson } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import { listMetadata } from "../wire/list-metadata.ts";
import {
  accountsOf,
  decodeRunTerms,
  encodeRun,
  parseRun,
  parseRunAnswer,
  type RunAnswer,
  type RunDocument,
  type RunTerms,
} from "../wire/run.ts";

export { INFERENCE_WORK, STATE_WORK } from "../wire/run.ts";

/** What a challenge says that a run is bound to. */
export interface RunPurpose {
  readonly tenant: string;
  readonly nonce: string;
  readonly exp: UnixSeconds;
  readonly programDigest: Sha256Digest;
  /** In the path's form. */
  readonly terms: JsonObject;
}

/** What the caller wants to run. */
export interface RunWish {
  readonly inputs: RunDocument["inputs"];
  /** By the names of the program's outputs. */
  readonly writes: RunDocument["writes"];
  /**
   * Makes the proven lists that the inputs name, bound to `metadata`, with the reference string of `terms.crs`; the private values stay
   * with it. Not called where no input names a list.
   */
  readonly lists: (metadata: Uint8Array, terms: RunTerms) => Promise<readonly Uint8Array[]>;
}

/** A run that can be submitted. */
export interface StartedRun {
  readonly document: Uint8Array;
  /**
   * The answer to it. That values and handles are right the receipt says, and a replay.
   * @throws TrisealError `FORMAT_INVALID`.
   */
  readonly answer: (body: Uint8Array) => RunAnswer;
}

/**
 * The run document under a challenge.
 * @throws TrisealError `VERIFICATION_FAILED` where the challenge shows another program than it is about; `FORMAT_INVALID`.
 */
export async function runUnder(purpose: RunPurpose, keyId: string, wish: RunWish): Promise<StartedRun> {
  const { tenant, nonce, exp, programDigest } = purpose;
  const terms = decodeRunTerms(purpose.terms, "challenge.terms");
  if (terms.programDigest !== programDigest || digestOfJson(terms.program) !== programDigest)
    throw new TrisealError("VERIFICATION_FAILED", "the challenge shows another program than it is about");
  const { inputs, writes } = wish;
  const metadata = listMetadata({ tenant, accounts: accountsOf({ inputs, writes }), programDigest, nonce, exp });
  const wanted = [...inputs.values()].some((input) => "list" in input);
  const lists = wanted ? await wish.lists(metadata, terms) : [];
  const document = encodeRun({ nonce, programDigest, keyId, inputs, lists, writes });
  parseRun(document);
  return { document, answer: (body) => parseRunAnswer(body) };
}
