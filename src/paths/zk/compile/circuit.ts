/**
 * An integer model as a constraint system whose constants are the model's. The public signals are the commitment to the input, the
 * outputs, and the context that a proof is bound to (circuit-frame.ts).
 */
import type { Sha256Digest } from "../../../core/digest.ts";
import { inputPacking, type Packing } from "../../../model/commitment/input-commitment.ts";
import { type CheckedModel, operandsOf } from "../../../model/integer/integer-model.ts";
import { CircuitFrame, type FramedSystem, packedSums } from "./circuit-frame.ts";
import { makesWires, needsWires } from "./element-plan.ts";
import { type EmittedValue, emitOp } from "./emit-op.ts";
import type { Gadgets, Sum } from "./gadgets.ts";
import type { HeldWeights } from "./held-weights.ts";
import { emitHash } from "./poseidon-gadget.ts";

/** A circuit that proves runs of one model. */
export interface Circuit extends FramedSystem {
  readonly modelDigest: Sha256Digest;
  readonly packing: Packing;
  readonly outputs: number;
  /** Null where the model's constants are the circuit's; else the weights that its witnesses hold (committed-circuit.ts). */
  readonly weights: HeldWeights | null;
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
  const frame = new CircuitFrame(outputs + 2);
  const packing = inputPacking(checked);
  const inputs = Array.from(checked.values[0]?.hi ?? [], (hi) => frame.bounded(hi));
  const commitment = emitHash(frame.builder, frame.gadgets.one, [frame.salt, ...packedSums(packing, inputs)]);
  const results = emitModel(frame.gadgets, checked, inputs);
  return { modelDigest: checked.digest, packing, outputs, weights: null, ...frame.finish([commitment], results) };
}
