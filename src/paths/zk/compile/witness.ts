/** The witness of a compiled model: every wire's value, in the order in which circuit.ts and emit-op.ts make the wires. */
import { TrisealError } from "../../../core/errors.ts";
import { hashElements, packInput, saltElement } from "../../../model/commitment/input-commitment.ts";
import type {
  CheckedModel,
  IntegerOp,
  MaxPoolOp,
  RequantOp,
  Tree,
  TreesOp,
  ValueBounds,
} from "../../../model/integer/integer-model.ts";
import { operandsOf } from "../../../model/integer/integer-model.ts";
import { traceInteger } from "../../../model/integer/run.ts";
import { gatherWindow, planWindows } from "../../../model/integer/window.ts";
import { FIELD_ORDER, toField } from "../wire/field.ts";
import { createWitness } from "../wire/wtns.ts";
import type { Circuit } from "./circuit.ts";
import { writeCommittedModel } from "./committed-witness.ts";
import { impliesLowestBit, makesWires, needsWires, planRequant } from "./element-plan.ts";
import { WireWriter } from "./wire-writer.ts";
import { type Bounded, boundedAt, writeArgMax, writeBounded, writeClip, writeLarger, writeSign } from "./witness-parts.ts";

/** What a witness needs to know of its circuit: plain data, which a thread can be handed. */
export type WitnessCircuit = Pick<Circuit, "modelDigest" | "packing" | "weights"> & {
  readonly system: { readonly wires: number };
};

/** A witness and the public signals that it shows. */
export interface Witness {
  /** A `.wtns` file. Holds the input in the clear. */
  readonly file: Uint8Array;
  readonly publicSignals: readonly bigint[];
  readonly outputs: Int32Array;
}

function writeRequant(wires: WireWriter, op: RequantOp, x: Int32Array, { lo, hi }: ValueBounds, isShort: boolean): void {
  for (let at = 0; at < x.length; at++) {
    const plan = planRequant(lo[at] ?? 0, hi[at] ?? 0, op);
    if (plan.kind === "constant") continue;
    const value = (x[at] ?? 0) + op.offset;
    const shifted = value + (plan.signed ? 2 ** plan.magnitude : 0);
    const count = plan.magnitude + (plan.signed ? 1 : 0);
    if (isShort) wires.bits(Math.floor(shifted / 2), count - 1);
    else wires.bits(shifted, count);
    const q = Math.floor((shifted % 2 ** plan.magnitude) / 2 ** op.shift);
    const clipped = writeClip(wires, q, plan.clip, op.max);
    wires.small(plan.signed && value < 0 ? 0 : clipped);
  }
}

function writeMaxPool(wires: WireWriter, op: MaxPoolOp, x: Int32Array, bounds: ValueBounds): void {
  const plan = planWindows(bounds.shape, op);
  const indices = Int32Array.from({ length: x.length }, (_, at) => at);
  const patch = new Int32Array(plan.size);
  for (let at = 0; at < plan.channels * plan.positions; at++) {
    gatherWindow(plan, at % plan.positions, Math.floor(at / plan.positions), indices, -1, patch);
    let best: Bounded | null = null;
    for (const index of patch) {
      if (index < 0) continue;
      const next = boundedAt(x, bounds, index);
      best = best === null ? next : writeLarger(wires, next, best);
    }
  }
}

function writeTree(wires: WireWriter, tree: Tree, x: Int32Array, ask: (node: number) => void): void {
  const reached = new Set([0]);
  tree.feature.forEach((feature, node) => {
    const isYes = (x[feature] ?? 0) <= (tree.threshold[node] ?? 0);
    ask(node);
    if (node !== 0) wires.small(reached.has(node) && isYes ? 1 : 0);
    if (reached.has(node)) reached.add((isYes ? tree.yes[node] : tree.no[node]) ?? 0);
  });
}

function writeTrees(wires: WireWriter, op: TreesOp, x: Int32Array, { lo, hi }: ValueBounds): void {
  const asked = new Set<string>();
  for (const tree of op.trees) {
    writeTree(wires, tree, x, (node) => {
      const [feature, threshold] = [tree.feature[node] ?? 0, tree.threshold[node] ?? 0];
      const key = `${feature}:${threshold}`;
      if (asked.has(key)) return;
      asked.add(key);
      writeSign(wires, threshold - (x[feature] ?? 0), threshold - (hi[feature] ?? 0), threshold - (lo[feature] ?? 0));
    });
  }
}

function writeOp(wires: WireWriter, ops: readonly IntegerOp[], op: IntegerOp, x: Int32Array, bounds: ValueBounds): void {
  if (op.op === "requant") writeRequant(wires, op, x, bounds, impliesLowestBit(ops, op));
  else if (op.op === "max-pool") writeMaxPool(wires, op, x, bounds);
  else if (op.op === "arg-max") writeArgMax(wires, x, bounds);
  else if (op.op === "trees") writeTrees(wires, op, x, bounds);
}

function writeModel(wires: WireWriter, checked: CheckedModel, values: readonly Int32Array[]): void {
  const plain = [true];
  for (const op of checked.model.ops) {
    const operands = operandsOf(op);
    for (const at of operands) {
      if (!needsWires(op.op) || plain[at] === true) continue;
      for (const item of values[at] ?? []) wires.small(item);
      plain[at] = true;
    }
    const [first = 0] = operands;
    const [x, bounds] = [values[first], checked.values[first]];
    if (x !== undefined && bounds !== undefined) writeOp(wires, checked.model.ops, op, x, bounds);
    plain.push(
      makesWires(
        op.op,
        operands.every((at) => plain[at]),
      ),
    );
  }
}

/**
 * The witness of one run.
 * @param input the encoded input, as `encodeInput` makes it.
 * @param salt 16 to 31 bytes; `context` is from 0 to below the field order.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` for an input outside the model's range, `FORMAT_INVALID` for a salt of another
 *   size or a context beyond the field, `INTERNAL` where circuit and model do not belong together.
 */
export function generateWitness(
  circuit: WitnessCircuit,
  checked: CheckedModel,
  run: { readonly input: Int32Array; readonly salt: Uint8Array; readonly context: bigint },
): Witness {
  const { input, context } = run;
  if (circuit.modelDigest !== checked.digest) throw new TrisealError("INTERNAL", "the circuit is not that of the model");
  if (context < 0n || context >= FIELD_ORDER) throw new TrisealError("FORMAT_INVALID", "the context is beyond the field");
  const values = traceInteger(checked, input);
  const outputs = values.at(-1) ?? input;
  const salt = saltElement(run.salt);
  const powers: bigint[] = [];
  const elements = [salt, ...packInput(circuit.packing, input)];
  const commitment = hashElements(elements, (...recorded) => powers.push(...recorded));
  const { weights } = circuit;
  const commitments = weights === null ? [commitment] : [commitment, weights.commitment];
  const publicSignals = [...commitments, ...Array.from(outputs, toField), context];
  const { bytes, values: view } = createWitness(circuit.system.wires);
  const wires = new WireWriter(view);
  for (const value of [1n, ...publicSignals, 1n, context, salt]) wires.field(value);
  if (weights !== null) wires.copy(weights.wires);
  input.forEach((value, at) => {
    writeBounded(wires, value, checked.values[0]?.hi[at] ?? 0);
  });
  for (const power of powers) wires.field(power);
  if (weights === null) writeModel(wires, checked, values);
  else writeCommittedModel(wires, weights, values);
  if (wires.count !== circuit.system.wires) throw new TrisealError("INTERNAL", "the witness has another number of wires");
  return { file: bytes, publicSignals, outputs };
}
