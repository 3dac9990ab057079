/** Circuits of kind `lwe`: exact dot products and lookup tables over ciphertexts. Normative text: SPEC section 9.2. */
import { encodeJcs } from "../../../core/jcs.ts";

/** `value * 2^exponent` on the torus. */
export type TorusNumber = readonly [value: number, exponent: number];

/** `constant + sum of coefficient * wire`: one new wire, no bootstrap. */
export type DotNode = readonly ["dot", terms: readonly (readonly [wire: number, coefficient: number])[], constant: TorusNumber];

/** The wire times 2^shift looked up in each table by one bootstrap: as many new wires as tables. */
export type LutNode = readonly ["lut", wire: number, shift: number, tables: readonly number[]];

/** A node. Its new wires follow those of the node before. */
export type LweNode = DotNode | LutNode;

/** Entries times 2^exponent. */
export type LweTable = readonly [exponent: number, entries: readonly number[]];

/** A part of an output: `weight` times the wire's number, which is its phase in steps of 2^exponent, rounded, as a signed number. */
export type OutputPart = readonly [wire: number, exponent: number, weight: number];

/** A circuit. Wires 0 to `inputs.count - 1` are the inputs, each its number times 2^`inputs.exponent`. */
export interface LweCircuit {
  readonly v: 1;
  readonly kind: "lwe";
  readonly parameters: string;
  readonly inputs: { readonly count: number; readonly exponent: number };
  readonly tables: readonly LweTable[];
  readonly nodes: readonly LweNode[];
  /** Each output is the sum of its parts. */
  readonly outputs: readonly (readonly OutputPart[])[];
}

/** Canonical bytes: what `circuitDigest` is of. */
export function encodeLweCircuit(circuit: LweCircuit): Uint8Array {
  return encodeJcs({ ...circuit, inputs: { ...circuit.inputs } });
}
