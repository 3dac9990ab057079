/** What paths can make of an integer model. One line per path in `COMPILERS`; a compiler of a path is named here and nowhere else. */

import { isTrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { emitOnnx } from "../../model/onnx/emit-onnx.ts";
import { compileLwe } from "../../paths/fhe/compile/lwe-compile.ts";
import { architectureOf } from "../../paths/zk/compile/architecture.ts";
import { compileCircuit } from "../../paths/zk/compile/circuit.ts";
import { compileArchitecture } from "../../paths/zk/compile/committed-circuit.ts";
import { estimateProof, type ProofEstimate } from "../../paths/zk/compile/estimate.ts";
import { weightsOf } from "../../paths/zk/compile/model-weights.ts";
import { buildZkFiles, type ZkMode } from "../zk/make-key.ts";

/** Whether a path can take a model, and at what cost. */
export interface PathJudgement {
  readonly can: boolean;
  /** Why not, or what holds of it; one line. */
  readonly because: string;
  /** Exact constraints and key size; estimated time and memory. */
  readonly estimate: ProofEstimate | null;
  /** The same of the path's other ways to take a model, which a build has to ask for. */
  readonly variants?: readonly (Omit<PathJudgement, "variants"> & { readonly name: string })[];
}

/** What a build of a path is told. */
export interface CompileRequest {
  /** The state of the setup to make, or the file of a key. */
  readonly setup: string | null;
  /** zk: whether weights are the circuit's or private. */
  readonly zkMode: ZkMode;
  /** The package's folder. Builds read from it and write nothing. */
  readonly folder: string;
  /** No progress on standard error. */
  readonly silent: boolean;
}

/** What a build of a path adds to the package. */
export interface CompiledFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Files for the owner alone. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Lines for the person who builds. */
  readonly notes: readonly string[];
}

/** A path's part in `triseal model`. */
export interface PathCompiler {
  readonly path: string;
  /** Judges without building anything. */
  judge(checked: CheckedModel): PathJudgement;
  /** Files to add to the package, by name; null where this version cannot build for the path. */
  readonly build: ((checked: CheckedModel, request: CompileRequest) => Promise<CompiledFiles>) | null;
}

const tee: PathCompiler = {
  path: "tee",
  judge: (checked) => ({
    can: true,
    because: `exact in onnxruntime, a graph of ${emitOnnx(checked).length} bytes`,
    estimate: null,
  }),
  // The worker emits the graph from the integer model when it loads it.
  build: () => Promise.resolve({ files: new Map(), secrets: new Map(), notes: [] }),
};

function judgeCircuit(compile: () => Parameters<typeof estimateProof>[0], of: string): Omit<PathJudgement, "variants"> {
  try {
    const estimate = estimateProof(compile());
    return { can: true, because: `a circuit of ${estimate.constraints} constraints${of}`, estimate };
  } catch (error) {
    if (!isTrisealError(error, "MODEL_INVALID") && !isTrisealError(error, "MODEL_UNSUPPORTED")) throw error;
    return { can: false, because: error.message, estimate: null };
  }
}

/** The circuit of a model's architecture, once its numbers were shown to fit. */
function committedCircuit(checked: CheckedModel) {
  const architecture = architectureOf(checked);
  weightsOf(architecture, checked);
  return compileArchitecture(architecture);
}

const zk: PathCompiler = {
  path: "zk",
  judge: (checked) => ({
    ...judgeCircuit(() => compileCircuit(checked), ""),
    variants: [{ name: "committed", ...judgeCircuit(() => committedCircuit(checked), " for every model of its architecture") }],
  }),
  build: (checked, request) => buildZkFiles(checked, request),
};

function judgeEncrypted(checked: CheckedModel): PathJudgement {
  try {
    const { pbs } = compileLwe(checked).price;
    return {
      can: true,
      because: `on encrypted inputs, ${pbs} bootstraps an inference, where \`fhe.models\` names it`,
      estimate: null,
    };
  } catch (error) {
    if (!isTrisealError(error, "FHE_MODEL_UNSUPPORTED")) throw error;
    return {
      can: false,
      because: error.message,
      estimate: null,
    };
  }
}

const fhe: PathCompiler = {
  path: "fhe",
  judge: judgeEncrypted,
  // The gateway compiles the integer model when it starts: a package has nothing of this path's own.
  build: null,
};

/** Every path, in the order in which they are shown. */
export const COMPILERS: readonly PathCompiler[] = [tee, zk, fhe];
