/** From a program to the circuit that the engine runs: the same bytes for everyone who compiles it (SPEC 2 and 3). */
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { type Circuit, type CircuitPrice, encodeCircuit, MAX_NODES, priceOf } from "../wire/circuit.ts";
import { fheError } from "../wire/codes.ts";
import type { Program } from "../wire/program.ts";
import { digitsOf, parseClear } from "../wire/value-type.ts";
import { CircuitBuilder } from "./circuit-builder.ts";
import { type BlockValue, compileOperation, literalValue } from "./operations.ts";
import { type Packed, pack, specialise } from "./pack.ts";

/** A circuit with all that is said of it. */
export interface CompiledCircuit {
  readonly circuit: Circuit;
  /** Its JCS form. */
  readonly bytes: Uint8Array;
  readonly digest: Sha256Digest;
  readonly price: CircuitPrice;
}

/** A program whose nodes are known; the values of its clear inputs are not. */
export interface CompiledProgram {
  /** What a run costs, whatever the values of the clear inputs. */
  readonly price: CircuitPrice;
  /** Nodes of each op, in the program's order; those that two ops share are the first one's. */
  readonly opPbs: readonly number[];
  /** Nodes that only give a known or complemented value as an output. */
  readonly outputPbs: number;
  /** Wires that it was compiled through, with those that nobody asks for: they stay in memory with it. */
  readonly wires: number;
  /**
   * The circuit for these clear inputs, by name: each has a value, and nothing else has one.
   * @throws TrisealError `FHE_OUT_OF_RANGE`, `FHE_RUN_INVALID` for a missing or a foreign name.
   */
  circuit(clear: ReadonlyMap<string, string>): CompiledCircuit;
}

/** Lookups that one node can answer. */
const MOST_TABLES = 4;

interface Outline {
  readonly builder: CircuitBuilder;
  readonly packed: Packed;
  readonly outputs: readonly { readonly t: string; readonly w: readonly number[] }[];
}

function outline(program: Program, mostNodes: number): Outline {
  const builder = new CircuitBuilder();
  const scope = new Map<string, BlockValue>();
  for (const { n, type, clear } of program.inputs) {
    const digits = Array.from({ length: type.blocks }, () => builder.input(type.isBool ? 1 : 3, clear));
    scope.set(n, { type, digits, literal: null });
  }
  const valueNamed = (name: string): BlockValue => {
    const value = scope.get(name);
    if (value === undefined) throw new Error(`no value ${name}`);
    return value;
  };
  for (const operation of program.ops) {
    const args = operation.args.map((arg) => ("name" in arg ? valueNamed(arg.name) : literalValue(arg.literal, arg.type)));
    scope.set(operation.out, compileOperation(builder, operation, args));
    if (builder.wires.length > mostNodes * MOST_TABLES) throw tooMany(mostNodes);
  }
  builder.op = program.ops.length;
  const wires = program.outputs.map(({ n, t }) => ({ t, w: valueNamed(n).digits.map((digit) => builder.materialise(digit)) }));
  const packed = pack(
    builder,
    wires.flatMap(({ w }) => w),
  );
  if (packed.groups.length > mostNodes) throw tooMany(mostNodes);
  const outputs = wires.map(({ t, w }) => ({ t, w: w.map((id) => packed.places.get(id) ?? 0) }));
  return { builder, packed, outputs };
}

function tooMany(mostNodes: number) {
  return fheError("FHE_PRICE_EXCEEDED", `a program of more than ${mostNodes} nodes`);
}

/** The digits of all clear inputs, in the program's order. */
function clearDigits(program: Program, clear: ReadonlyMap<string, string>): readonly number[] {
  const wanted = program.inputs.filter((input) => input.clear);
  if (clear.size !== wanted.length) throw fheError("FHE_RUN_INVALID", `expected ${wanted.length} clear values`);
  return wanted.flatMap(({ n, type }) => {
    const text = clear.get(n);
    if (text === undefined) throw fheError("FHE_RUN_INVALID", `the clear value ${n} is missing`);
    return digitsOf(parseClear(text, type, n), type);
  });
}

/**
 * Compiles a program.
 * @param most nodes that it may have; 65 536 at most. Where that many could not hold the lookups that are made, it is given up on
 *   at once, also where some of them turned out not to be needed.
 * @throws TrisealError `FHE_PRICE_EXCEEDED` for more nodes.
 */
export function compileProgram(program: Program, most: number = MAX_NODES): CompiledProgram {
  const { builder, packed, outputs } = outline(program, Math.min(most, MAX_NODES));
  const inputs = program.inputs.filter(({ clear }) => !clear).map(({ t }) => t);
  const circuitOf = (digits: readonly number[]): Circuit => ({
    v: 1,
    kind: "radix",
    inputs,
    nodes: specialise(builder, packed, digits),
    outputs,
  });
  const opPbs = program.ops.map(({ index }) => packed.groups.filter(({ op }) => op === index).length);
  return {
    price: priceOf(circuitOf([])),
    opPbs,
    outputPbs: packed.groups.filter(({ op }) => op === program.ops.length).length,
    wires: builder.wires.length,
    circuit: (clear) => {
      const circuit = circuitOf(clearDigits(program, clear));
      const bytes = encodeCircuit(circuit);
      return { circuit, bytes, digest: digestOf(bytes), price: priceOf(circuit) };
    },
  };
}
