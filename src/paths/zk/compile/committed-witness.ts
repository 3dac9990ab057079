/** Witnesses of circuits with private weights, in the order in which committed-circuit.ts makes the wires. */
import { TrisealError } from "../../../core/errors.ts";
import { saltElement } from "../../../model/commitment/input-commitment.ts";
import { FIELD_BYTES } from "../wire/field.ts";
import { type Architecture, requantWidths } from "./architecture.ts";
import { planClip } from "./element-plan.ts";
import type { HeldWeights } from "./held-weights.ts";
import { commitWeights, type LinearWeights, type ModelWeights, type RequantWeights } from "./model-weights.ts";
import { WireWriter } from "./wire-writer.ts";
import { writeArgMax, writeClip } from "./witness-parts.ts";

/** A number of `bits` bits and all of them but the top one. */
function writeUnsigned(wires: WireWriter, value: number, bits: number): void {
  wires.small(value);
  wires.bits(value, bits - 1);
}

function writeNumbers(wires: WireWriter, item: LinearWeights | RequantWeights): void {
  if ("shift" in item) {
    const { op, offset, shift } = item;
    writeUnsigned(wires, offset, op.offsetBits + 1);
    for (let at = 0; at <= op.mostShift; at++) wires.small(at === shift ? 1 : 0);
    wires.small(2 ** (op.mostShift - shift));
    return;
  }
  for (const weight of item.weights) writeUnsigned(wires, weight, item.op.bits);
  for (const bias of item.bias) writeUnsigned(wires, bias, item.op.biasBits + 1);
}

/**
 * The part of a witness that is the same for every input.
 * @throws TrisealError `FORMAT_INVALID` for a salt of another size, `INTERNAL` where the circuit has another number of wires.
 */
export function holdWeights(architecture: Architecture, weights: ModelWeights, salt: Uint8Array, count: number): HeldWeights {
  const bytes = new Uint8Array(count * FIELD_BYTES);
  const wires = new WireWriter(new DataView(bytes.buffer));
  wires.field(saltElement(salt));
  for (const item of weights) writeNumbers(wires, item);
  const powers: bigint[] = [];
  const commitment = commitWeights(architecture, weights, salt, (...recorded) => powers.push(...recorded));
  for (const power of powers) wires.field(power);
  if (wires.count !== count) throw new TrisealError("INTERNAL", "the weights have another number of wires");
  return { architecture, architectureDigest: architecture.digest, commitment, weights, wires: bytes };
}

function writeLinear(wires: WireWriter, { op, weights }: LinearWeights, x: Int32Array, y: Int32Array): void {
  const n = x.length;
  for (let row = 0; row < op.rows; row++) {
    for (let j = 0; j < n - 1; j++) wires.small((weights[row * n + j] as number) * (x[j] as number));
    wires.small(y[row] ?? 0);
  }
}

function writeRequant(
  wires: WireWriter,
  { op, offset, shift }: RequantWeights,
  widths: ReturnType<typeof requantWidths>,
  x: Int32Array,
): void {
  const { magnitude, mostShift } = widths;
  const plan = planClip(magnitude, 2 ** magnitude - 1, op.max);
  const start = offset - 2 ** op.offsetBits;
  for (const item of x) {
    const value = item + start;
    wires.bits(value * 2 ** (mostShift - shift) + 2 ** (magnitude + mostShift), magnitude + mostShift + 1);
    const q = Math.floor(value / 2 ** shift);
    // Of a negative value the clip gets the low bits of its two's complement, as the circuit does.
    const clipped = writeClip(wires, q < 0 ? q + 2 ** magnitude : q, plan, op.max);
    wires.small(value < 0 ? 0 : clipped);
  }
}

/** Writes the wires of the model: what its operations make of `values`, value 0 first. */
export function writeCommittedModel(wires: WireWriter, held: HeldWeights, values: readonly Int32Array[]): void {
  const { document, values: bounds } = held.architecture;
  let next = 0;
  document.ops.forEach((op, at) => {
    const [x, y, range] = [values[op.x], values[at + 1], bounds[op.x]];
    if (x === undefined || y === undefined || range === undefined) return;
    if (op.op === "arg-max") writeArgMax(wires, x, range);
    if (op.op !== "linear" && op.op !== "requant") return;
    const own = held.weights[next++];
    if (own === undefined) return;
    if ("shift" in own) writeRequant(wires, own, requantWidths(range), x);
    else writeLinear(wires, own, x, y);
  });
}
