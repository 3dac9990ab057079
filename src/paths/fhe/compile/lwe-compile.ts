/** Integer model to circuit of kind `lwe`. Deterministic: an auditor compiles again and compares digests. SPEC section 9. */
import { elementCount } from "../../../core/tensor.ts";
import type { CheckedModel, IntegerOp, LinearOp, ValueBounds } from "../../../model/integer/integer-model.ts";
import { LweBuilder, type LwePrice, unsupported } from "./lwe-builder.ts";
import type { LweCircuit, OutputPart } from "./lwe-circuit.ts";
import { lowerRequant, signedBits } from "./lwe-requant.ts";
import { lowerTrees, TREE_EXPONENT } from "./lwe-trees.ts";

/** A sum that no wire holds yet. */
interface Form {
  readonly terms: ReadonlyMap<number, number>;
  readonly constant: number;
}

/** Values between two requantisations stand in steps of one size: the finest that holds the widest of them. */
interface Segment {
  bits: number;
}

const placeOf = (op: IntegerOp, index: number) => `operation ${index} (${op.op})`;

function widthOf({ lo, hi }: ValueBounds, offset: number): number {
  let bits = 1;
  for (let at = 0; at < lo.length; at++) bits = Math.max(bits, signedBits((lo[at] ?? 0) + offset, (hi[at] ?? 0) + offset));
  return bits;
}

/** The segment of each value. */
function segmentsOf({ model, values }: CheckedModel): readonly Segment[] {
  const none = { bits: 1 };
  const list: Segment[] = [{ bits: values[0] === undefined ? 1 : widthOf(values[0], 0) }];
  model.ops.forEach((op, index) => {
    const own = values[index + 1];
    if (own === undefined || typeof op.x !== "number") return unsupported(placeOf(op, index), "encrypted models do not have it");
    const source = list[op.x] ?? none;
    const x = values[op.x];
    if (op.op === "requant" && x !== undefined) source.bits = Math.max(source.bits, widthOf(x, op.offset));
    const segment = op.op === "requant" ? { bits: 1 } : source;
    segment.bits = Math.max(segment.bits, widthOf(own, 0));
    list.push(segment);
  });
  return list;
}

function linear(op: LinearOp, x: readonly Form[]): readonly Form[] {
  return Array.from({ length: op.rows }, (_, row) => {
    const terms = new Map<number, number>();
    let constant = op.bias[row] ?? 0;
    x.forEach((form, at) => {
      const weight = op.weights[row * x.length + at] ?? 0;
      if (weight === 0) return;
      constant += weight * form.constant;
      for (const [wire, coefficient] of form.terms) terms.set(wire, (terms.get(wire) ?? 0) + weight * coefficient);
    });
    return { terms, constant };
  });
}

class Lowering {
  readonly builder: LweBuilder;
  private readonly checked: CheckedModel;
  private readonly segments: readonly Segment[];
  private readonly values: (readonly Form[])[];

  constructor(checked: CheckedModel) {
    this.checked = checked;
    this.segments = segmentsOf(checked);
    const count = elementCount(checked.model.input.shape);
    this.builder = new LweBuilder(count, this.exponentOf(0));
    this.values = [Array.from({ length: count }, (_, wire) => ({ terms: new Map([[wire, 1]]), constant: 0 }))];
  }

  run(): readonly (readonly OutputPart[])[] {
    this.checked.model.ops.forEach((op, index) => {
      this.builder.place = placeOf(op, index);
      this.values.push(this.lower(op, index));
    });
    const last = this.checked.model.ops.length;
    const exponent = this.exponentOf(last);
    return (this.values[last] ?? []).map((form) => [[this.hold(form, exponent, 0), exponent, 1]]);
  }

  /** One bit is left above the widest value, so that folding has its padding bit. */
  private exponentOf(value: number): number {
    const exponent = 63 - (this.segments[value]?.bits ?? 1);
    // What two requantisations frame may be a few bits only: more room than the lookups' own slots is of no use.
    return Math.min(exponent, TREE_EXPONENT);
  }

  private hold({ terms, constant }: Form, exponent: number, offset: number): number {
    const list = [...terms].filter(([, coefficient]) => coefficient !== 0).sort(([left], [right]) => left - right);
    return this.builder.dot(list, [constant + offset, exponent]);
  }

  private lower(op: IntegerOp, index: number): readonly Form[] {
    if (op.op === "linear") return linear(op, this.values[op.x] ?? []);
    if (op.op === "reshape") return this.values[op.x] ?? [];
    if (op.op !== "requant")
      return unsupported(this.builder.place, "encrypted models have linear, requant and reshape, or trees alone");
    const x = this.checked.values[op.x];
    const exponent = this.exponentOf(op.x);
    return (this.values[op.x] ?? []).map((form, at) => {
      const [lo, hi] = [(x?.lo[at] ?? 0) + op.offset, (x?.hi[at] ?? 0) + op.offset];
      const sum = { wire: this.hold(form, exponent, op.offset), exponent, lo, hi };
      const { wire } = lowerRequant(this.builder, sum, op, this.exponentOf(index + 1));
      return { terms: new Map([[wire, 1]]), constant: 0 };
    });
  }
}

/**
 * The circuit of an integer model, its price and the chance of a wrong integer.
 * @throws TrisealError `FHE_MODEL_UNSUPPORTED`, with `details.node`, where the model has an operation, a width or a noise that
 *   encrypted inference does not carry.
 */
export function compileLwe(checked: CheckedModel): { readonly circuit: LweCircuit; readonly price: LwePrice } {
  const { ops, input } = checked.model;
  const [first] = ops;
  const bounds = checked.values[0];
  if (first?.op === "trees" && bounds !== undefined) {
    if (ops.length > 1) unsupported("operation 1", "an operation behind trees");
    return lowerTrees(
      () => named(new LweBuilder(elementCount(input.shape), TREE_EXPONENT), "operation 0 (trees)"),
      first,
      bounds,
    );
  }
  const lowering = new Lowering(checked);
  return lowering.builder.finish(lowering.run());
}

function named(builder: LweBuilder, place: string): LweBuilder {
  builder.place = place;
  return builder;
}
