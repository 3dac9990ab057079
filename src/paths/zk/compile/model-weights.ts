/**
 * What a model adds to its architecture, as unsigned numbers of known widths, and the commitment to it:
 * `Poseidon(salt, architecture, packed numbers)`. Normative text: SPEC.md beside this file.
 */
import { TrisealError } from "../../../core/errors.ts";
import { hashElements, saltElement } from "../../../model/commitment/input-commitment.ts";
import type { PowerRecorder } from "../../../model/commitment/poseidon.ts";
import type { CheckedModel, LinearOp, RequantOp } from "../../../model/integer/integer-model.ts";
import { type Architecture, type ArchitectureOp, architectureElement, architectureOf } from "./architecture.ts";

/** Bits that surely fit in one field element. */
const ELEMENT_BITS = 253;

/** Bits of a shift in a commitment: it is at most 30. */
export const SHIFT_BITS = 5;

type Linear = Extract<ArchitectureOp, { op: "linear" }>;
type Requant = Extract<ArchitectureOp, { op: "requant" }>;

/** A `linear` operation's numbers: each weight plus 2^(bits - 1), each bias plus 2^biasBits. */
export interface LinearWeights {
  readonly op: Linear;
  readonly weights: Uint8Array;
  readonly bias: Float64Array;
}

/** A `requant` operation's: the offset plus 2^offsetBits, and the shift. */
export interface RequantWeights {
  readonly op: Requant;
  readonly offset: number;
  readonly shift: number;
}

/** All of a model, in the order of its operations. */
export type ModelWeights = readonly (LinearWeights | RequantWeights)[];

function unsupported(reason: string): never {
  throw new TrisealError("MODEL_UNSUPPORTED", `private weights: ${reason}`);
}

function linearWeights(op: Linear, { weights, bias }: LinearOp): LinearWeights {
  const most = 2 ** op.biasBits;
  if (bias.some((item) => item < -most || item >= most)) {
    unsupported(`a bias has more than ${op.biasBits} bits, beyond all that the layer's weights can sum to`);
  }
  const zero = 2 ** (op.bits - 1);
  return { op, weights: Uint8Array.from(weights, (item) => item + zero), bias: Float64Array.from(bias, (item) => item + most) };
}

function requantWeights(op: Requant, { offset, shift }: RequantOp): RequantWeights {
  const most = 2 ** op.offsetBits;
  if (offset < -most || offset >= most) unsupported(`an offset has more than ${op.offsetBits} bits, beyond what it is added to`);
  if (shift > op.mostShift) unsupported(`a shift of ${shift} leaves nothing of the sums: at most ${op.mostShift} is supported`);
  return { op, offset: offset + most, shift };
}

/**
 * The numbers of a model of this architecture.
 * @throws TrisealError `MODEL_UNSUPPORTED` where one does not fit its width; `INTERNAL` for a model of another architecture.
 */
export function weightsOf(architecture: Architecture, checked: CheckedModel): ModelWeights {
  if (architectureOf(checked).digest !== architecture.digest) {
    throw new TrisealError("INTERNAL", "the model is of another architecture");
  }
  return architecture.document.ops.flatMap((op, at): ModelWeights => {
    const own = checked.model.ops[at];
    if (op.op === "linear" && own?.op === "linear") return [linearWeights(op, own)];
    return op.op === "requant" && own?.op === "requant" ? [requantWeights(op, own)] : [];
  });
}

/** Widths of the numbers of an architecture, in the order in which they are packed. */
export function weightWidths({ document, values }: Architecture): readonly number[] {
  return document.ops.flatMap((op) => {
    if (op.op === "requant") return [op.offsetBits + 1, SHIFT_BITS];
    if (op.op !== "linear") return [];
    const weights = Array.from({ length: op.rows * (values[op.x]?.lo.length ?? 0) }, () => op.bits);
    return [...weights, ...Array.from({ length: op.rows }, () => op.biasBits + 1)];
  });
}

/** Where a number stands: in which field element, and how far from its lowest bit. No number is cut in two. */
export interface PackedPlace {
  readonly element: number;
  readonly shift: number;
}

/** The place of each number: one after the other, a new element where the next would not fit. */
export function packedPlaces(widths: readonly number[]): readonly PackedPlace[] {
  let [element, shift] = [0, 0];
  return widths.map((width) => {
    if (shift + width > ELEMENT_BITS) [element, shift] = [element + 1, 0];
    const place = { element, shift };
    shift += width;
    return place;
  });
}

/** The numbers in the order in which they are packed. */
export function weightNumbers(weights: ModelWeights): readonly number[] {
  return weights.flatMap((item) => ("shift" in item ? [item.offset, item.shift] : [...item.weights, ...item.bias]));
}

/**
 * The commitment to the weights of a model.
 * @param salt 16 to 31 bytes that only the owner and whoever audits for it know: without them weights of few possible values
 *   could be guessed.
 * @param record is that of `hashElements`.
 * @throws TrisealError `MODEL_UNSUPPORTED` as `weightsOf` does, `FORMAT_INVALID` for a salt of another size.
 */
export function commitWeights(
  architecture: Architecture,
  weights: ModelWeights,
  salt: Uint8Array,
  record?: PowerRecorder,
): bigint {
  const places = packedPlaces(weightWidths(architecture));
  const packed = Array.from({ length: (places.at(-1)?.element ?? -1) + 1 }, () => 0n);
  weightNumbers(weights).forEach((number, at) => {
    const { element, shift } = places[at] ?? { element: 0, shift: 0 };
    packed[element] = (packed[element] ?? 0n) + (BigInt(number) << BigInt(shift));
  });
  return hashElements([saltElement(salt), architectureElement(architecture), ...packed], record);
}
