/** From lookups to nodes: those of one combination share a blind rotation; what nobody needs is left out. */
import type { CircuitNode, Term } from "../wire/circuit.ts";
import { type CircuitBuilder, keyOf, type Lookup, type Wire } from "./circuit-builder.ts";
import { constant, type Linear } from "./linear.ts";

/** Lookups of one encrypted combination that one node answers. */
interface Group {
  /** Wires of the lookups. */
  readonly members: number[];
  readonly encrypted: Linear;
  readonly least: number;
  readonly most: number;
  /** The op that asked first. */
  readonly op: number;
}

/** Nodes without their values: they are the same for all clear inputs. */
export interface Packed {
  readonly groups: readonly Group[];
  /** Number of each wire in the circuit. */
  readonly places: ReadonlyMap<number, number>;
}

/** Tables that fit into a node whose value has `size` values. */
function capacity(size: number): number {
  if (size <= 4) return 4;
  return size <= 8 ? 2 : 1;
}

/** Wires that the outputs rest on. */
function needed(builder: CircuitBuilder, outputs: readonly number[]): ReadonlySet<number> {
  const found = new Set<number>();
  const waiting = [...outputs];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    const lookup = builder.wires[id]?.lookup;
    if (lookup != null) waiting.push(...builder.encrypted(lookup.of).terms.keys());
  }
  return found;
}

/** Number of tables that a node has for `members` lookups: one, two or four. */
function tables(members: number): number {
  return members > 2 ? 4 : members;
}

/** Groups what is needed for `outputs`, in an order in which each node's wires are there before it. */
export function pack(builder: CircuitBuilder, outputs: readonly number[]): Packed {
  const wanted = needed(builder, outputs);
  const open = new Map<string, Group>();
  const groups: Group[] = [];
  for (const [id, { lookup, clear }] of builder.wires.entries()) {
    if (lookup === null || clear || !wanted.has(id)) continue;
    const encrypted = builder.encrypted(lookup.of);
    const key = keyOf(encrypted);
    const { least, most } = builder.range(encrypted);
    let group = open.get(key);
    if (group === undefined || group.members.length === capacity(most - least + 1)) {
      group = { members: [], encrypted, least, most, op: lookup.op };
      groups.push(group);
      open.set(key, group);
    }
    group.members.push(id);
  }
  return { groups, places: placesOf(builder, groups) };
}

function placesOf(builder: CircuitBuilder, groups: readonly Group[]): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  for (const [id, { lookup, clear }] of builder.wires.entries()) if (lookup === null && !clear) places.set(id, places.size);
  let next = places.size;
  for (const { members } of groups) {
    for (const [index, id] of members.entries()) places.set(id, next + index);
    next += tables(members.length);
  }
  return places;
}

/** Values of all clear wires, from those of the clear inputs in order. */
function clearValues(wires: readonly Wire[], inputs: readonly number[]): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  let taken = 0;
  for (const [id, { clear, lookup }] of wires.entries()) {
    if (!clear) continue;
    values.set(id, lookup === null ? (inputs[taken++] ?? 0) : entry(lookup, known(lookup.of, values)));
  }
  return values;
}

/** What is known of a combination: its constant and its clear wires. */
function known({ terms, constant: start }: Linear, values: ReadonlyMap<number, number>): number {
  return [...terms].reduce((sum, [id, coefficient]) => sum + coefficient * (values.get(id) ?? 0), start);
}

function entry({ table, least }: Lookup, value: number): number {
  return table[Math.min(Math.max(value - least, 0), table.length - 1)] ?? 0;
}

/**
 * The nodes for the given digits of all clear inputs. Entries that no value reaches repeat the last one that one does, so
 * that the range of the outcome is that of the lookup.
 */
export function specialise(
  builder: CircuitBuilder,
  { groups, places }: Packed,
  clear: readonly number[],
): readonly CircuitNode[] {
  const values = clearValues(builder.wires, clear);
  return groups.map(({ members, encrypted, least, most }) => {
    const terms = [...encrypted.terms]
      .map(([id, coefficient]): Term => [places.get(id) ?? 0, coefficient])
      .toSorted(([left], [right]) => left - right);
    const count = tables(members.length);
    const luts = Array.from({ length: count }, (_, index) => {
      const lookup = builder.wires[members[index] ?? -1]?.lookup;
      const base = lookup == null ? 0 : known({ ...lookup.of, terms: clearTerms(builder, lookup.of) }, values) + least;
      return Array.from({ length: 16 / count }, (__, value) =>
        lookup == null ? 0 : entry(lookup, base + Math.min(value, most - least)),
      );
    });
    return [terms, least === 0 ? 0 : -least, luts];
  });
}

function clearTerms(builder: CircuitBuilder, { terms }: Linear): ReadonlyMap<number, number> {
  const { terms: encrypted } = builder.encrypted({ ...constant(0), terms });
  return new Map([...terms].filter(([id]) => !encrypted.has(id)));
}
