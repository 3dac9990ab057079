/** Convolutions whose sums are too large for FP32, cut along their input channels. */
import { TrisealError } from "../../core/errors.ts";
import type { ConvOp, ValueBounds } from "../integer/integer-model.ts";

/** Input channels `from` to `to` (without it) with their weights. */
export interface ConvPart {
  readonly from: number;
  readonly to: number;
  readonly weights: readonly number[];
}

function peakOf(x: ValueBounds, fill: number): number {
  const ends = [x.lo, x.hi].map((side) => side.reduce((most, item) => Math.max(most, Math.abs(item)), 0));
  return Math.max(...ends, Math.abs(fill));
}

function partOf(op: ConvOp, channels: number, from: number, to: number): ConvPart {
  const size = op.kernel[0] * op.kernel[1];
  const weights: number[] = [];
  for (let out = 0; out < op.channels; out++) {
    for (let at = from * size; at < to * size; at++) weights.push(op.weights[out * channels * size + at] ?? 0);
  }
  return { from, to, weights };
}

/** The largest sum that an output channel of `part` can have. */
function reach(part: ConvPart, channels: number, peak: number): number {
  const each = part.weights.length / channels;
  let most = 0;
  for (let out = 0; out < channels; out++) {
    const sum = part.weights.slice(out * each, (out + 1) * each).reduce((total, weight) => total + Math.abs(weight), 0);
    most = Math.max(most, sum * peak);
  }
  return most;
}

/**
 * Parts whose sums stay within `limit` each; one part, with the bias counted, where that is enough.
 * @throws TrisealError `MODEL_UNSUPPORTED` where one input channel alone is too much, or groups would have to be cut.
 */
export function splitConv(op: ConvOp, x: ValueBounds, limit: number): readonly ConvPart[] {
  const channels = (x.shape[0] ?? 0) / op.groups;
  const peak = peakOf(x, op.fill);
  const bias = op.bias.reduce((most, item) => Math.max(most, Math.abs(item)), 0);
  const whole = partOf(op, channels, 0, channels);
  if (reach(whole, op.channels, peak) + bias <= limit) return [whole];
  const refuse = () =>
    new TrisealError(
      "MODEL_UNSUPPORTED",
      "onnxruntime graph: a convolution's sums are beyond 2^24: use fewer bits for its weights",
    );
  if (op.groups > 1 || channels < 2) throw refuse();
  const split = (part: ConvPart): readonly ConvPart[] => {
    if (reach(part, op.channels, peak) <= limit) return [part];
    if (part.to - part.from < 2) throw refuse();
    const middle = Math.floor((part.from + part.to) / 2);
    return [...split(partOf(op, channels, part.from, middle)), ...split(partOf(op, channels, middle, part.to))];
  };
  // At least two parts, even where only the bias goes beyond: parts are what is added in double precision.
  return [...split(partOf(op, channels, 0, 1)), ...split(partOf(op, channels, 1, channels))];
}
