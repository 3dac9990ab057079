/** What an auditor who has a model computes from it: its circuits, and with the salt of its weights the commitment to them. */
import { digestOf } from "../../core/digest.ts";
import { isTrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { architectureOf } from "../../paths/zk/compile/architecture.ts";
import { compileCircuit } from "../../paths/zk/compile/circuit.ts";
import { compileArchitecture } from "../../paths/zk/compile/committed-circuit.ts";
import { commitWeights, weightsOf } from "../../paths/zk/compile/model-weights.ts";
import type { RecomputedModel } from "../../paths/zk/evidence/recomputed.ts";
import { commitmentText } from "../../paths/zk/wire/leg.ts";
import { encodeR1cs } from "../../paths/zk/wire/r1cs.ts";
import { readWeightSalt } from "./weights-secret.ts";

async function committedForm(checked: CheckedModel, folder: string): Promise<RecomputedModel["committed"]> {
  try {
    const architecture = architectureOf(checked);
    const weights = weightsOf(architecture, checked);
    const salt = await readWeightSalt(folder, checked);
    return {
      architectureDigest: architecture.digest,
      circuitDigest: digestOf(encodeR1cs(compileArchitecture(architecture).system)),
      weights: salt === null ? null : commitmentText(commitWeights(architecture, weights, salt)),
    };
  } catch (error) {
    if (isTrisealError(error, "MODEL_UNSUPPORTED") || isTrisealError(error, "MODEL_INVALID")) return null;
    throw error;
  }
}

/**
 * What `checked` compiles to in both modes.
 * @param folder its package, where the salt of its private weights may be.
 * @throws TrisealError `FORMAT_INVALID` for a salt's file of another form.
 */
export async function recompute(checked: CheckedModel, folder: string): Promise<RecomputedModel> {
  const circuitDigest = digestOf(encodeR1cs(compileCircuit(checked).system));
  return { circuitDigest, committed: await committedForm(checked, folder) };
}
