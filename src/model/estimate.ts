/**
 * What a proof of an integer model would cost, before a circuit exists. Estimates only: about N + 4 constraints per squeezed
 * activation of N bits, bits of inputs, and Poseidon over the packed input; times are fitted to Groth16 measurements on two cores.
 */
import type { CheckedModel, IntegerOp, ValueBounds } from "./integer/integer-model.ts";

/** Estimated cost of proofs on two cores. */
export interface ProofEstimate {
  readonly constraints: number;
  /** Size of the evaluation domain: the next power of two. */
  readonly domain: number;
  readonly proveMs: { readonly native: number; readonly npm: number };
  readonly memoryMiB: { readonly native: number; readonly npm: number };
  readonly provingKeyBytes: number;
}

/** Bits that hold every integer from 0 to `span`. */
const bitsOf = (span: number): number => Math.max(1, Math.ceil(Math.log2(span + 1)));

/** Bits of the packed input that one field element holds, and constraints of a permutation that takes 16 of them. */
const PACKED_BITS = 253;
const POSEIDON_16 = 609;

/** Comparing two numbers of N bits: their difference in bits, and a choice. */
const COMPARE = 3;

function widest(value: ValueBounds): number {
  let most = 0;
  value.lo.forEach((lo, at) => {
    most = Math.max(most, (value.hi[at] ?? 0) - lo);
  });
  return bitsOf(most);
}

function constraintsOf(op: IntegerOp, operands: readonly ValueBounds[], result: ValueBounds): number {
  const [x] = operands;
  if (x === undefined) return 0;
  switch (op.op) {
    case "requant": {
      let total = 0;
      x.lo.forEach((lo, at) => {
        total += bitsOf((x.hi[at] ?? 0) - lo) + 4;
      });
      return total;
    }
    case "max-pool":
      return result.lo.length * (op.kernel[0] * op.kernel[1] - 1) * (widest(x) + COMPARE);
    case "arg-max":
      return (x.lo.length - 1) * (widest(x) + COMPARE + 1);
    case "trees":
      // A question per node, and the path through them.
      return op.trees.reduce((sum, tree) => sum + tree.feature.length * (widest(x) + COMPARE) + tree.feature.length, 0);
    default:
      return 0;
  }
}

function inputConstraints(input: ValueBounds): number {
  let bits = 0;
  for (const hi of input.hi) bits += hi > 0 ? bitsOf(hi) : 0;
  return bits + Math.ceil(bits / PACKED_BITS / 15) * POSEIDON_16;
}

/** The estimate for `checked`. */
export function estimateProof(checked: CheckedModel): ProofEstimate {
  const { model, values } = checked;
  const [input] = values;
  let constraints = input === undefined ? 0 : inputConstraints(input);
  model.ops.forEach((op, at) => {
    const operands = (typeof op.x === "number" ? [op.x] : op.x).flatMap((value) => values[value] ?? []);
    const result = values[at + 1];
    if (result !== undefined) constraints += constraintsOf(op, operands, result);
  });
  constraints += values.at(-1)?.lo.length ?? 0;
  return {
    constraints,
    domain: 2 ** Math.ceil(Math.log2(constraints + 1)),
    proveMs: { native: Math.round(6 + constraints * 0.0085), npm: Math.round(100 + constraints * 0.04) },
    memoryMiB: { native: Math.round(40 + constraints * 0.0025), npm: Math.round(120 + constraints * 0.0035) },
    provingKeyBytes: constraints * 540,
  };
}
