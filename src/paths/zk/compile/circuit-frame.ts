/**
 * What circuits of both modes have in common: wires of bounded numbers, the head rows, and the padding.
 *
 * A verification key shows what multiplies the constant wire and the public signals. So no constant of a model does: all stand on
 * a private wire that is one. The rows that touch the constant wire or a public signal come first and are the same for every
 * circuit with as many signals, and the rows are padded to the domain: `IC` then depends on the domain size alone.
 */
import type { Packing } from "../../../model/commitment/input-commitment.ts";
import { ConstraintBuilder, type ConstraintSystem, type LinearTerms } from "../wire/constraint-system.ts";
import { bitLength } from "./element-plan.ts";
import { combine, Gadgets, type Sum, wireSum, ZERO } from "./gadgets.ts";
import type { FieldSum } from "./poseidon-gadget.ts";

/** A finished system. */
export interface FramedSystem {
  readonly system: ConstraintSystem;
  /** Rows with a constraint; the rest pads the domain. */
  readonly usedRows: number;
}

const termsOf = ({ wires, coefficients }: Sum): LinearTerms => wires.map((wire, at) => [wire, coefficients[at] ?? 0]);

/** A circuit under construction, whose public signals are commitments, then outputs, then the context. */
export class CircuitFrame {
  readonly builder: ConstraintBuilder;
  readonly gadgets: Gadgets;
  /** The salt of the input commitment. */
  readonly salt: FieldSum;
  private readonly one: number;
  private readonly boundContext: number;

  constructor(signals: number) {
    this.builder = new ConstraintBuilder(signals);
    const [one, boundContext, salt] = [this.builder.addWire(), this.builder.addWire(), this.builder.addWire()];
    this.gadgets = new Gadgets(this.builder, one);
    [this.one, this.boundContext, this.salt] = [one, boundContext, new Map([[salt, 1n]])];
  }

  /** A new wire from 0 to `hi`. */
  bounded(hi: number): Sum {
    if (hi === 0) return ZERO;
    const { gadgets } = this;
    const input = wireSum(this.builder.addWire());
    gadgets.boundByBits(input, bitLength(hi));
    if (hi !== 2 ** bitLength(hi) - 1) gadgets.boundByBits(combine([gadgets.constant(hi), 1], [input, -1]), bitLength(hi));
    return input;
  }

  /**
   * Ties the public signals to what the circuit computed, and pads.
   * @throws TrisealError `MODEL_INVALID` where the circuit would be too large.
   */
  finish(commitments: readonly FieldSum[], outputs: readonly Sum[]): FramedSystem {
    const { builder, one } = this;
    const context = builder.publicSignals;
    builder.prependRows([
      [[[one, 1]], [[0, 1]], [[0, 1]]],
      ...commitments.map((sum, at): [LinearTerms, LinearTerms, LinearTerms] => [[...sum], [[0, 1]], [[at + 1, 1]]]),
      ...outputs.map((sum, at): [LinearTerms, LinearTerms, LinearTerms] => {
        return [termsOf(sum), [[0, 1]], [[commitments.length + at + 1, 1]]];
      }),
      [[[context, 1]], [[0, 1]], [[this.boundContext, 1]]],
    ]);
    const usedRows = builder.rows;
    const withSignals = usedRows + builder.publicSignals + 1;
    builder.padRows(2 ** Math.ceil(Math.log2(withSignals)) - builder.publicSignals - 1);
    return { system: builder.build(), usedRows };
  }
}

/** The field elements that a packing makes of inputs, each a wire or zero. */
export function packedSums(packing: Packing, inputs: readonly Sum[]): FieldSum[] {
  return Array.from({ length: packing.elements }, (_, element) => {
    const packed = new Map<number, bigint>();
    const chunk = inputs.slice(element * packing.perElement, (element + 1) * packing.perElement);
    chunk.forEach(({ wires: [wire] }, at) => {
      if (wire !== undefined) packed.set(wire, 1n << BigInt(at * packing.bits));
    });
    return packed;
  });
}
