/** An integer model as runs need it: compiled once, to a circuit of kind `lwe` that stays with its operator (SPEC 9). */
import { digestOf } from "../../../core/digest.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { CheckedModel } from "../../../model/integer/integer-model.ts";
import type { ModelPackage } from "../../../model/model-package.ts";
import { type LweFrame, modelTermsOf } from "../client/model-terms.ts";
import { encodeLweCircuit, type LweCircuit } from "../compile/lwe-circuit.ts";
import { compileLwe } from "../compile/lwe-compile.ts";
import { LWE_TYPE, MODEL_INPUT, MODEL_OUTPUT } from "../wire/document.ts";
import type { RunProgram } from "./programs.ts";

/**
 * Compiles a model.
 * @param model the package of the integer form.
 * @throws TrisealError `FHE_MODEL_UNSUPPORTED`.
 */
export function modelProgram(model: ModelPackage, checked: CheckedModel): RunProgram {
  const { circuit, price } = compileLwe(checked);
  const { pbs, depth } = price;
  const bytes = encodeLweCircuit(circuit);
  const { input, output } = checked.model;
  const { standardize = null, labels = [] } = model;
  const terms: JsonObject = modelTermsOf({
    input,
    output,
    frame: frameOf(circuit),
    circuitDigest: digestOf(bytes),
    labels,
    standardize,
  });
  return {
    name: model.name,
    digest: checked.digest,
    kind: "lwe",
    bytes: null,
    terms,
    inputs: [{ n: MODEL_INPUT, t: LWE_TYPE, clear: false }],
    outputs: [{ n: MODEL_OUTPUT, t: LWE_TYPE }],
    price: async () => ({ pbs, depth }),
    circuit: async () => ({ bytes, pbs, depth }),
  };
}

/** The frame of a circuit. */
function frameOf({ parameters, inputs, outputs }: LweCircuit): LweFrame {
  return { parameters, inputs, outputs: outputs.map((parts) => parts.map(([, up, weight]) => [up, weight])) };
}
