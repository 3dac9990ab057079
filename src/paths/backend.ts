/** What can answer, for which model, and how it is told to. Part of the seam (`path.ts`). */
import type { Sha256Digest } from "../core/digest.ts";
import type { Stages } from "../core/stage.ts";
import type { TensorSpec } from "../core/tensor.ts";
import type { PathId } from "./appraiser.ts";

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

/** How one request is run. */
export interface InferOptions {
  readonly signal: AbortSignal;
  /** Told of the path's own stages of this request; for measurements. */
  readonly stages?: Stages;
  /** Takes how far the work is, from 0 to 1, and what is being done, in a few words without content. */
  readonly progress?: (fraction: number, stage: string) => void;
}
