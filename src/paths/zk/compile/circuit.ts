/**
 * An integer model as a constraint system. The public signals are the commitment to the input, the outputs, and the context
 * that a proof is bound to.
 *
 * A verification key shows what multiplies the constant wire and the public signals. So no constant of the model does: all
 * stand on a private wire that is one. The rows that touch the constant wire or a public signal come first and are the same for
 * every model with as many outputs, and the rows are padded to the domain: `IC` then depends on the domain size alone.
 */
import type { Sha256Digest } from "../../../core/digest.ts";
import { inputPacking, type Packing } from "../../../model/commitment/input-commitment.ts";
import { type CheckedModel, operandsOf } from "../../../model/integer/integer-model.ts";
import { ConstraintBuilder, type ConstraintSystem, type LinearTerms } from "../wire/constraint-system.ts";
import { bitLength, makesWires, needsWires } from "./element-plan.ts";
import { type EmittedValue, emitOp } from "./emit-op.ts";
import { combine, Gadgets, type Sum, wireSum, ZERO } from "./gadgets.ts";
import { emitHash, type FieldSum } from "./poseidon-gadget.ts";

/** A compiled model. */
export interface Circuit {
  readonly modelDigest: Sha256Digest;
  readonly system: ConstraintSystem;
  readonly packing: Packing;
  readonly outputs: number;
  /** Rows with a constraint; the rest pads the domain. */
  readonly usedRows: number;
}

/** The public signals by number: 0 is the commitment, then the outputs, then the context. Wire numbers are one higher. */
export function signalCount(outputs: number): number {
  return outputs + 2;
}

const termsOf = ({ wires, coefficients }: Sum): LinearTerms => wires.map((wire, at) => [wire, coefficients[at] ?? 0]);

/** A new wire from 0 to `hi`. Its top bit has no wire of its own: what is left of it must be 0 or the top bit's value. */
function emitInput(gadgets: Gadgets, hi: number): Sum {
  if (hi === 0) return ZERO;
  const input = wireSum(gadgets.builder.addWire());
  boundedByBits(gadgets, input, bitLength(hi));
  if (hi !== 2 ** bitLength(hi) - 1) boundedByBits(gadgets, combine([gadgets.constant(hi), 1], [input, -1]), bitLength(hi));
  return input;
}

/** Proves that `sum` is from 0 to 2^bits - 1. */
function boundedByBits(gadgets: Gadgets, sum: Sum, bits: number): void {
  const parts: [Sum, number][] = [[sum, 1]];
  for (let at = 0; at < bits - 1; at++) {
    const bit = wireSum(gadgets.builder.addWire());
    gadgets.product(bit, combine([bit, 1], [wireSum(gadgets.one), -1]), ZERO);
    parts.push([bit, -(2 ** at)]);
  }
  const top = combine(...parts);
  gadgets.product(top, combine([top, 1], [wireSum(gadgets.one), -(2 ** (bits - 1))]), ZERO);
}

function packedSums(packing: Packing, inputs: readonly Sum[]): FieldSum[] {
  return Array.from({ length: packing.elements }, (_, element) => {
    const packed = new Map<number, bigint>();
    const chunk = inputs.slice(element * packing.perElement, (element + 1) * packing.perElement);
    chunk.forEach(({ wires: [wire] }, at) => {
      if (wire !== undefined) packed.set(wire, 1n << BigInt(at * packing.bits));
    });
    return packed;
  });
}

function emitModel(gadgets: Gadgets, checked: CheckedModel, inputs: readonly Sum[]): readonly Sum[] {
  const { ops } = checked.model;
  const values: { value: EmittedValue; plain: boolean }[] = [];
  const push = (sums: readonly Sum[], plain: boolean) => {
    const bounds = checked.values[values.length];
    if (bounds !== undefined) values.push({ value: { sums, bounds }, plain });
  };
  push(inputs, true);
  for (const op of ops) {
    const operands = operandsOf(op).flatMap((at) => values[at] ?? []);
    for (const operand of operands) {
      if (!needsWires(op.op) || operand.plain) continue;
      operand.value = { ...operand.value, sums: operand.value.sums.map((sum) => gadgets.wireOf(sum)) };
      operand.plain = true;
    }
    const sums = emitOp(
      gadgets,
      ops,
      op,
      operands.map(({ value }) => value),
    );
    push(
      sums,
      makesWires(
        op.op,
        operands.every(({ plain }) => plain),
      ),
    );
  }
  return values.at(-1)?.value.sums ?? [];
}

/**
 * Compiles a model whose bounds were checked: nothing can wrap in the field.
 * @throws TrisealError `MODEL_INVALID` where the circuit would be too large.
 */
export function compileCircuit(checked: CheckedModel): Circuit {
  const outputs = checked.values.at(-1)?.lo.length ?? 0;
  const builder = new ConstraintBuilder(signalCount(outputs));
  const [one, boundContext, salt] = [builder.addWire(), builder.addWire(), builder.addWire()];
  const gadgets = new Gadgets(builder, one);
  const packing = inputPacking(checked);
  const inputs = Array.from(checked.values[0]?.hi ?? [], (hi) => emitInput(gadgets, hi));
  const commitment = emitHash(builder, one, [new Map([[salt, 1n]]), ...packedSums(packing, inputs)]);
  const results = emitModel(gadgets, checked, inputs);
  const context = outputs + 2;
  builder.prependRows([
    [[[one, 1]], [[0, 1]], [[0, 1]]],
    [[...commitment], [[0, 1]], [[1, 1]]],
    ...results.map((sum, at): [LinearTerms, LinearTerms, LinearTerms] => [termsOf(sum), [[0, 1]], [[at + 2, 1]]]),
    [[[context, 1]], [[0, 1]], [[boundContext, 1]]],
  ]);
  const usedRows = builder.rows;
  const withSignals = usedRows + builder.publicSignals + 1;
  builder.padRows(2 ** Math.ceil(Math.log2(withSignals)) - builder.publicSignals - 1);
  return { modelDigest: checked.digest, system: builder.build(), packing, outputs, usedRows };
}
