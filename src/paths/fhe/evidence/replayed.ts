/** What an auditor who executed a run again got, for the appraiser to compare a claim with. */
import { array, type Decoded, digest, hexText, object } from "../../../core/decode.ts";
import { MAX_VALUES } from "../wire/document.ts";

/** Reads one entry of `AppraisalInputs.programs`: it is about the run of that seed and no other. */
export const decodeReplayed = object({
  seed: hexText(32),
  circuitDigest: digest,
  /** Of the compressed inputs, in the program's order, without clear ones. */
  inputs: array(digest, MAX_VALUES),
  /** Of the compressed outputs, in the program's order. */
  outputs: array(digest, MAX_VALUES),
});

/** What an execution gave. */
export type Replayed = Decoded<typeof decodeReplayed>;
