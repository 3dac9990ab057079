/** What paths can make of an integer model. One line per path in `COMPILERS`; a compiler of a path is named here and nowhere else. */

import { estimateProof, type ProofEstimate } from "../../model/estimate.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { emitOnnx } from "../../model/onnx/emit-onnx.ts";

/** Whether a path can take a model, and at what cost. */
export interface PathJudgement {
  readonly can: boolean;
  /** Why not, or what holds of it; one line. */
  readonly because: string;
  /** An estimate, never a measurement. */
  readonly estimate: ProofEstimate | null;
}

/** A path's part in `triseal model`. */
export interface PathCompiler {
  readonly path: string;
  /** Judges without building anything. */
  judge(checked: CheckedModel): PathJudgement;
  /** Files to add to the package, by name; null where this version cannot build for the path. */
  readonly build: ((checked: CheckedModel) => Promise<ReadonlyMap<string, Uint8Array>>) | null;
}

const tee: PathCompiler = {
  path: "tee",
  judge: (checked) => ({
    can: true,
    because: `exact in onnxruntime, a graph of ${emitOnnx(checked).length} bytes`,
    estimate: null,
  }),
  // The worker emits the graph from the integer model when it loads it.
  build: () => Promise.resolve(new Map()),
};

const zk: PathCompiler = {
  path: "zk",
  judge: (checked) => ({
    can: false,
    because: "the model has a form that circuits can express; this version compiles none yet",
    estimate: estimateProof(checked),
  }),
  build: null,
};

const fhe: PathCompiler = {
  path: "fhe",
  judge: () => ({ can: false, because: "this version compiles no encrypted programs yet", estimate: null }),
  build: null,
};

/** Every path, in the order in which they are shown. */
export const COMPILERS: readonly PathCompiler[] = [tee, zk, fhe];
