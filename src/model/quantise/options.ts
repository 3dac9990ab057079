/** What a quantiser may be told. */
import { TrisealError } from "../../core/errors.ts";
import type { Range } from "./calibrate.ts";

/** Bit widths and the accepted range of inputs. */
export interface QuantiseOptions {
  /** Bits of an encoded input, 2 to 8. */
  readonly inputBits: number;
  /** Bits of the weights of each layer (linear or conv) in order; the last counts for all further ones. 2 to 8. */
  readonly weightBits: readonly number[];
  /** Bits of activations behind each layer, likewise. 2 to 8. */
  readonly activationBits: readonly number[];
  /** Inputs that the model must accept; null takes the calibration's range and a margin. */
  readonly inputRange: Range | null;
}

/** Eight bits everywhere. */
export const DEFAULT_OPTIONS: QuantiseOptions = { inputBits: 8, weightBits: [8], activationBits: [8], inputRange: null };

/** @throws TrisealError `FORMAT_INVALID` for bits outside 2 to 8 or an empty range. */
export function assertOptions(options: QuantiseOptions): void {
  const bits = [options.inputBits, ...options.weightBits, ...options.activationBits];
  if (!bits.every((width) => Number.isInteger(width) && width >= 2 && width <= 8)) {
    throw new TrisealError("FORMAT_INVALID", "bit widths are whole numbers from 2 to 8");
  }
  const range = options.inputRange;
  if (range !== null && !(Number.isFinite(range.lo) && Number.isFinite(range.hi) && range.lo < range.hi)) {
    throw new TrisealError("FORMAT_INVALID", "the range needs two numbers, the lower first");
  }
}

/** The width for layer `layer`. */
export function bitsAt(widths: readonly number[], layer: number): number {
  return widths[layer] ?? widths.at(-1) ?? 8;
}
