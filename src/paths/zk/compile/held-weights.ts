/** The weights that a circuit with private weights is run with: a fixed part of each of its witnesses. */
import type { Sha256Digest } from "../../../core/digest.ts";
import type { Architecture } from "./architecture.ts";
import type { ModelWeights } from "./model-weights.ts";

/** Weights and their salt, as the wires of every witness. Secret. */
export interface HeldWeights {
  readonly architecture: Architecture;
  readonly architectureDigest: Sha256Digest;
  readonly commitment: bigint;
  readonly weights: ModelWeights;
  /** Salt, weights, their bits, and the hash over them: 32 bytes a wire. */
  readonly wires: Uint8Array;
}
