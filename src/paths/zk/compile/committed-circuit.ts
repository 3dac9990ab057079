/**
 * An architecture as a constraint system, for every model of it: weights, biases, offsets and shifts are private wires. The public
 * signals are the commitment to the input, that to the weights, the outputs, and the context.
 *
 * Every private number is bounded by its bits, so that the bounds of the architecture hold whatever a prover chooses, and no sum
 * comes near the field order. Numbers are unsigned on their wires: short scalars are what makes a prover fast.
 */
import { type Packing, packingOf } from "../../../model/commitment/input-commitment.ts";
import type { CheckedModel } from "../../../model/integer/integer-model.ts";
import { type Architecture, type ArchitectureOp, architectureElement, requantWidths } from "./architecture.ts";
import type { Circuit } from "./circuit.ts";
import { CircuitFrame, type FramedSystem, packedSums } from "./circuit-frame.ts";
import { holdWeights } from "./committed-witness.ts";
import { planClip } from "./element-plan.ts";
import { type EmittedValue, emitOp } from "./emit-op.ts";
import { combine, type Gadgets, type Sum, wireSum, ZERO } from "./gadgets.ts";
import { packedPlaces, weightsOf, weightWidths } from "./model-weights.ts";
import { emitHash, type FieldSum } from "./poseidon-gadget.ts";

/** A circuit for all models of one architecture. */
export interface CommittedCircuit extends FramedSystem {
  readonly architecture: Architecture;
  readonly packing: Packing;
  readonly outputs: number;
  /** Wires of salt, weights and their hash: they stand together, after those that every circuit has. */
  readonly weightWires: number;
}

type Linear = Extract<ArchitectureOp, { op: "linear" }>;
type Requant = Extract<ArchitectureOp, { op: "requant" }>;

interface LinearWires {
  readonly weights: readonly Sum[];
  readonly bias: readonly Sum[];
}

/** `power` is 2^(mostShift - shift). */
interface RequantWires {
  readonly offset: Sum;
  readonly power: Sum;
}

/** The private numbers of an architecture as wires, and all of them as they are packed. */
class WeightWires {
  readonly ops: readonly (LinearWires | RequantWires | null)[];
  readonly numbers: Sum[] = [];
  private readonly gadgets: Gadgets;

  constructor(gadgets: Gadgets, { document, values }: Architecture) {
    this.gadgets = gadgets;
    this.ops = document.ops.map((op) => {
      if (op.op === "linear") return this.linear(op, values[op.x]?.lo.length ?? 0);
      return op.op === "requant" ? this.requant(op) : null;
    });
  }

  /** A wire from 0 to 2^bits - 1. */
  private unsigned(bits: number): Sum {
    const number = wireSum(this.gadgets.builder.addWire());
    this.gadgets.boundByBits(number, bits);
    this.numbers.push(number);
    return number;
  }

  private linear({ rows, bits, biasBits }: Linear, n: number): LinearWires {
    const weights = Array.from({ length: rows * n }, () => this.unsigned(bits));
    return { weights, bias: Array.from({ length: rows }, () => this.unsigned(biasBits + 1)) };
  }

  /** One of `mostShift + 1` bits is set: which one is the shift. */
  private requant({ offsetBits, mostShift }: Requant): RequantWires {
    const { gadgets } = this;
    const offset = this.unsigned(offsetBits + 1);
    const flags = gadgets.freeBits(mostShift + 1);
    gadgets.product(combine(...flags.map((flag) => [flag, 1] as const)), wireSum(gadgets.one), wireSum(gadgets.one));
    this.numbers.push(combine(...flags.map((flag, shift) => [flag, shift] as const)));
    return { offset, power: gadgets.wireOf(combine(...flags.map((flag, shift) => [flag, 2 ** (mostShift - shift)] as const))) };
  }
}

/** The packed field elements, as `packedPlaces` says. */
function packedNumbers(architecture: Architecture, numbers: readonly Sum[]): FieldSum[] {
  const places = packedPlaces(weightWidths(architecture));
  const packed = Array.from({ length: (places.at(-1)?.element ?? -1) + 1 }, () => new Map<number, bigint>());
  places.forEach(({ element, shift }, at) => {
    const { wires, coefficients } = numbers[at] ?? ZERO;
    wires.forEach((wire, k) => {
      packed[element]?.set(wire, BigInt(coefficients[k] ?? 0) << BigInt(shift));
    });
  });
  return packed;
}

/**
 * `y[i] = bias[i] + sum over j of weights[i, j] * x[j]`: a row and a wire for each product, the last of which makes the sum. With u
 * for an unsigned weight the products are u * x, and 2^(bits - 1) times the sum of x is taken off.
 */
function linear(gadgets: Gadgets, op: Linear, { weights, bias }: LinearWires, x: readonly Sum[]): Sum[] {
  const zero = combine(...x.map((item) => [item, 2 ** (op.bits - 1)] as const));
  const n = x.length;
  return bias.map((start, row) => {
    const own = weights.slice(row * n, (row + 1) * n);
    const products = x.slice(0, -1).map((item, j) => gadgets.multiply(own[j] ?? ZERO, item));
    const sum = wireSum(gadgets.builder.addWire());
    const others = products.map((product) => [product, -1] as const);
    const rest = combine([sum, 1], ...others, [zero, 1], [start, -1], [gadgets.constant(2 ** op.biasBits), 1]);
    gadgets.product(own.at(-1) ?? ZERO, x.at(-1) ?? ZERO, rest);
    return sum;
  });
}

/**
 * `clamp(floor((x + offset) / 2^shift), 0, max)`. `(x + offset) * 2^(mostShift - shift)` is spelled in bits, of which the lowest
 * `mostShift` are shifted out whatever the shift is.
 */
function requant(gadgets: Gadgets, op: Requant, { offset, power }: RequantWires, x: EmittedValue): Sum[] {
  const { magnitude, mostShift } = requantWidths(x.bounds);
  const top = magnitude + mostShift;
  const plan = planClip(magnitude, 2 ** magnitude - 1, op.max);
  const zero = gadgets.constant(2 ** op.offsetBits);
  return x.sums.map((sum) => {
    const bits = gadgets.freeBits(top + 1);
    const shifted = combine([gadgets.binary(bits), 1], [gadgets.constant(2 ** top), -1]);
    gadgets.product(combine([sum, 1], [offset, 1], [zero, -1]), power, shifted);
    return gadgets.multiply(bits[top] ?? ZERO, gadgets.clip(bits.slice(mostShift, top), plan, op.max));
  });
}

function emitModel(gadgets: Gadgets, { document, values }: Architecture, own: WeightWires, inputs: readonly Sum[]): Sum[] {
  const all: (readonly Sum[])[] = [inputs];
  document.ops.forEach((op, at) => {
    const [sums, bounds, wires] = [all[op.x] ?? [], values[op.x], own.ops[at]];
    if (bounds === undefined) return;
    const x = { sums, bounds };
    if (op.op === "linear" && wires && "bias" in wires) all.push(linear(gadgets, op, wires, sums));
    else if (op.op === "requant" && wires && "power" in wires) all.push(requant(gadgets, op, wires, x));
    else if (op.op === "reshape" || op.op === "arg-max") all.push(emitOp(gadgets, [], op, [x]));
  });
  return [...(all.at(-1) ?? [])];
}

/**
 * Compiles an architecture. The bytes depend on it alone.
 * @throws TrisealError `MODEL_INVALID` where the circuit would be too large.
 */
export function compileArchitecture(architecture: Architecture): CommittedCircuit {
  const { document, values } = architecture;
  const outputs = values.at(-1)?.lo.length ?? 0;
  const frame = new CircuitFrame(outputs + 3);
  const { builder, gadgets, salt } = frame;
  const first = builder.wires;
  const weightSalt: FieldSum = new Map([[builder.addWire(), 1n]]);
  const own = new WeightWires(gadgets, architecture);
  const named: FieldSum = new Map([[gadgets.one, architectureElement(architecture)]]);
  const toWeights = emitHash(builder, gadgets.one, [weightSalt, named, ...packedNumbers(architecture, own.numbers)]);
  const weightWires = builder.wires - first;
  const packing = packingOf(values[0]?.lo.length ?? 0, document.input.max);
  const inputs = Array.from({ length: packing.count }, () => frame.bounded(document.input.max));
  const toInput = emitHash(builder, gadgets.one, [salt, ...packedSums(packing, inputs)]);
  const results = emitModel(gadgets, architecture, own, inputs);
  return { architecture, packing, outputs, weightWires, ...frame.finish([toInput, toWeights], results) };
}

/**
 * The circuit with the weights of one model, to make witnesses with.
 * @param salt of the weights: 16 to 31 bytes.
 * @throws TrisealError `MODEL_UNSUPPORTED` where a number does not fit its width, `FORMAT_INVALID` for a salt of another size,
 *   `INTERNAL` for a model of another architecture.
 */
export function bindWeights(circuit: CommittedCircuit, checked: CheckedModel, salt: Uint8Array): Circuit {
  const { architecture, system, usedRows, packing, outputs, weightWires } = circuit;
  const weights = holdWeights(architecture, weightsOf(architecture, checked), salt, weightWires);
  return { modelDigest: checked.digest, system, usedRows, packing, outputs, weights };
}
