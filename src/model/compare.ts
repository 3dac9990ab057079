/** Float against integer model, on given samples. */
import { isTrisealError } from "../core/errors.ts";
import type { FloatModel } from "./float/float-model.ts";
import { largestAt, traceFloat } from "./float/run-float.ts";
import { encodeInput } from "./integer/encode-input.ts";
import type { CheckedModel } from "./integer/integer-model.ts";
import { runInteger } from "./integer/run.ts";

/** How both models did. */
export interface Comparison {
  readonly samples: number;
  /** Samples that the integer model refuses as out of range. They count as wrong. */
  readonly refused: number;
  /** Samples for which both choose the same class; null for a model that chooses none. */
  readonly agree: number | null;
  /** Right answers of each, where true labels are given. */
  readonly right: { readonly float: number; readonly integer: number } | null;
  /** Largest distance between both outputs, in units of the source model. */
  readonly largestError: number;
}

/** The class that an output chooses: itself, the sign of one column of scores, or the largest column. */
function classOf(output: ArrayLike<number>, model: Pick<FloatModel, "output">): number {
  if (model.output.meaning === "class") return output[0] ?? 0;
  return output.length === 1 ? ((output[0] ?? 0) >= 0 ? 1 : 0) : largestAt(output);
}

/**
 * Compares on `samples`.
 * @param truth class numbers of the samples, or null where nobody knows them.
 * @param chooses whether the model chooses a class: false for a regression.
 */
export function compareModels(
  model: FloatModel,
  checked: CheckedModel,
  samples: readonly (readonly number[])[],
  truth: readonly number[] | null,
  chooses: boolean,
  progress: (done: number, total: number) => void,
): Comparison {
  let [refused, agree, float, integer, largestError] = [0, 0, 0, 0, 0];
  const { scale, offset } = checked.model.output;
  samples.forEach((sample, at) => {
    const real = traceFloat(model, sample).at(-1) ?? new Float64Array();
    const whole = attempt(checked, sample);
    const realClass = classOf(real, model);
    if (realClass === truth?.[at]) float++;
    if (whole === null) refused++;
    else {
      const wholeClass = classOf(whole, model);
      if (wholeClass === realClass) agree++;
      if (wholeClass === truth?.[at]) integer++;
      whole.forEach((item, column) => {
        largestError = Math.max(largestError, Math.abs(item * scale + offset - (real[column] ?? 0) - model.output.offset));
      });
    }
    progress(at + 1, samples.length);
  });
  return {
    samples: samples.length,
    refused,
    agree: chooses ? agree : null,
    right: chooses && truth !== null ? { float, integer } : null,
    largestError,
  };
}

function attempt(checked: CheckedModel, sample: readonly number[]): Int32Array | null {
  try {
    return runInteger(checked, encodeInput(checked.model.input, sample));
  } catch (error) {
    if (isTrisealError(error, "INPUT_OUT_OF_RANGE")) return null;
    throw error;
  }
}
