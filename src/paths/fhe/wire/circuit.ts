/** Radix circuits: what the engine runs (SPEC 3). A strict reader that enforces every rule of it, the encoder, the price. */
import { array, type Decoder, integer, object, oneOf } from "../../../core/decode.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { JsonValue } from "../../../core/json.ts";
import { fheError } from "./codes.ts";
import { MAX_VALUES, readDocument, typeName } from "./document.ts";
import { findType, type ValueType } from "./value-type.ts";

/** Most nodes of a circuit. */
export const MAX_NODES = 65_536;
/** Number of values that a block can hold while it is looked up. */
export const SPACE = 16;
/** Largest sum of squared coefficients. */
export const MAX_NOISE = 25;
const MAX_COEFFICIENT = 16;
/** Longest document, in bytes. */
const MAX_CIRCUIT_BYTES = 16 * 1024 * 1024;
const MAX_WIRES = MAX_NODES * 4 + MAX_VALUES * 32;
/** Number of entries of a table, by the number of tables of its node. */
const ENTRIES: ReadonlyMap<number, number> = new Map([
  [1, 16],
  [2, 8],
  [4, 4],
]);

/** A wire and its coefficient. */
export type Term = readonly [wire: number, coefficient: number];

/** One blind rotation: terms, constant, tables. */
export type CircuitNode = readonly [terms: readonly Term[], constant: number, luts: readonly (readonly number[])[]];

/** A circuit over blocks. */
export interface Circuit {
  readonly v: 1;
  readonly kind: "radix";
  readonly inputs: readonly string[];
  readonly nodes: readonly CircuitNode[];
  readonly outputs: readonly { readonly t: string; readonly w: readonly number[] }[];
}

/** What a circuit costs. */
export interface CircuitPrice {
  /** Programmable bootstraps: one for each node. */
  readonly pbs: number;
  /** Longest chain of them. */
  readonly depth: number;
}

function pair<A, B>(first: Decoder<A>, second: Decoder<B>): Decoder<readonly [A, B]> {
  return (value, place) => {
    const items = array((item) => item as JsonValue, 2)(value, place);
    return [first(items[0], `${place}[0]`), second(items[1], `${place}[1]`)];
  };
}

const wire = integer(0, MAX_WIRES);
const decodeTerms = array(pair(wire, integer(-MAX_COEFFICIENT, MAX_COEFFICIENT)), MAX_NOISE);
const decodeLuts = array(array(integer(0, SPACE - 1), SPACE), 4);
const decodeNode: Decoder<CircuitNode> = (value, place) => {
  const items = array((item) => item as JsonValue, 3)(value, place);
  return [
    decodeTerms(items[0], `${place}[0]`),
    integer(-SPACE * MAX_NOISE, SPACE * MAX_NOISE)(items[1], `${place}[1]`),
    decodeLuts(items[2], `${place}[2]`),
  ];
};
const decodeCircuit: Decoder<Circuit> = object({
  v: oneOf(1),
  kind: oneOf("radix"),
  inputs: array(typeName, MAX_VALUES),
  nodes: array(decodeNode, MAX_NODES),
  outputs: array(object({ t: typeName, w: array(wire, 32) }), MAX_VALUES),
});

/** Smallest and largest value of a wire. */
type Range = readonly [least: number, most: number];

function refuse(message: string): never {
  throw fheError("FHE_CIRCUIT_INVALID", message);
}

function typed(name: string): ValueType {
  return findType(name) ?? refuse("there is no such type");
}

function blockRange({ isBool }: ValueType): Range {
  return isBool ? [0, 1] : [0, 3];
}

/** Range of a node's value over all assignments of its wires. */
function valueRange([terms, constant]: CircuitNode, ranges: readonly Range[], place: string): Range {
  let [least, most, noise] = [constant, constant, 0];
  const seen = new Set<number>();
  for (const [index, coefficient] of terms) {
    const range = ranges[index] ?? refuse(`${place}: a wire that is not there yet`);
    if (coefficient === 0 || seen.has(index)) refuse(`${place}: a wire with no coefficient, or twice`);
    seen.add(index);
    least += coefficient * (coefficient > 0 ? range[0] : range[1]);
    most += coefficient * (coefficient > 0 ? range[1] : range[0]);
    noise += coefficient ** 2;
  }
  if (noise > MAX_NOISE) refuse(`${place}: squared coefficients sum to ${noise}, at most ${MAX_NOISE}`);
  return [least, most];
}

function assertNode(node: CircuitNode, ranges: readonly Range[], place: string): void {
  const [, , luts] = node;
  const entries = ENTRIES.get(luts.length) ?? refuse(`${place}: expected one, two or four tables`);
  const [least, most] = valueRange(node, ranges, place);
  if (least < 0 || most >= entries) refuse(`${place}: a value from ${least} to ${most}, where tables have ${entries} entries`);
  if (luts.some(({ length }) => length !== entries)) refuse(`${place}: expected tables of ${entries} entries`);
}

/**
 * Checks the rules of SPEC 3 that the types do not hold: ranges, coefficients, noise, outputs.
 * @throws TrisealError `FHE_CIRCUIT_INVALID`.
 */
export function assertCircuit({ inputs, nodes, outputs }: Circuit): void {
  if (nodes.length > MAX_NODES) refuse(`at most ${MAX_NODES} nodes`);
  if (outputs.length === 0) refuse("a circuit has outputs");
  const ranges: Range[] = inputs.map(typed).flatMap((type) => Array<Range>(type.blocks).fill(blockRange(type)));
  for (const [index, node] of nodes.entries()) {
    assertNode(node, ranges, `node ${index}`);
    for (const lut of node[2]) ranges.push([Math.min(...lut), Math.max(...lut)]);
  }
  for (const { t, w } of outputs) {
    const type = typed(t);
    if (w.length !== type.blocks) refuse(`an output of ${t} has ${type.blocks} blocks`);
    for (const index of w) {
      const [, most] = ranges[index] ?? refuse("an output of a wire that is not there");
      if (most > blockRange(type)[1]) refuse(`an output block holds up to ${most}`);
    }
  }
}

/** The JCS form of a circuit, which its digest is of. */
export function encodeCircuit(circuit: Circuit): Uint8Array {
  return encodeJcs({ ...circuit });
}

/**
 * Reads a circuit and checks every rule of SPEC 3.
 * @throws TrisealError `FORMAT_INVALID` for another form, `FHE_CIRCUIT_INVALID` for a rule that is broken.
 */
export function parseCircuit(bytes: Uint8Array): Circuit {
  const circuit = decodeCircuit(readDocument(bytes, MAX_CIRCUIT_BYTES, "a circuit"), "circuit");
  assertCircuit(circuit);
  return circuit;
}

/** What running a circuit costs, exactly. */
export function priceOf({ inputs, nodes }: Circuit): CircuitPrice {
  const depths = inputs.flatMap((name) => Array<number>(typed(name).blocks).fill(0));
  let depth = 0;
  for (const [terms, , luts] of nodes) {
    const own = 1 + terms.reduce((most, [index]) => Math.max(most, depths[index] ?? 0), 0);
    depth = Math.max(depth, own);
    for (const _ of luts) depths.push(own);
  }
  return { pbs: nodes.length, depth };
}

/** What a circuit gives in the clear: values of all input blocks to those of each output. It must have been checked. */
export function evaluateCircuit(circuit: Circuit, inputs: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const wires = inputs.flat();
  for (const [terms, constant, luts] of circuit.nodes) {
    const value = terms.reduce((sum, [index, coefficient]) => sum + coefficient * (wires[index] ?? 0), constant);
    for (const lut of luts) wires.push(lut[value] ?? refuse("a value outside its table"));
  }
  return circuit.outputs.map(({ w }) => w.map((index) => wires[index] ?? refuse("no such wire")));
}
