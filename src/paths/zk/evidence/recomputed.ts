/** What an auditor who has a model computed from it, for the appraiser to compare a leg with. */
import { type Decoded, digest, hexText, nullable, object } from "../../../core/decode.ts";

/** Reads one entry of `AppraisalInputs.programs`. */
export const decodeRecomputed = object({
  /** SHA-256 of the `.r1cs` file of the model whose constants are the circuit's. */
  circuitDigest: digest,
  /** Of the model whose weights are private; null where it has no such form. */
  committed: nullable(
    object({
      architectureDigest: digest,
      circuitDigest: digest,
      /** The commitment under the owner's salt; null where the auditor has no salt. */
      weights: nullable(hexText(32)),
    }),
  ),
});

/** What one model compiles to. */
export type RecomputedModel = Decoded<typeof decodeRecomputed>;
