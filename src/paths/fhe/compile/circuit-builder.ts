/**
 * A circuit while it grows: wires with their ranges, and lookups of linear combinations of them. Each lookup has one table;
 * `pack.ts` makes nodes of them, several tables each where they fit.
 *
 * A clear input's digits are wires, too, with any value of a block: what a circuit costs can then not depend on them. They
 * are gone from the nodes in the end, since a table is chosen by them: their coefficients cost neither room nor noise.
 */
import { MAX_NOISE, SPACE } from "../wire/circuit.ts";
import { constant, type Linear, wire } from "./linear.ts";

/** A table over every value that a combination can have. */
export interface Lookup {
  readonly of: Linear;
  /** The value that entry 0 of the table is for. */
  readonly least: number;
  readonly table: readonly number[];
  /** Index of the op that asked first. */
  readonly op: number;
}

/** A wire: an input block, or the outcome of a lookup. */
export interface Wire {
  /** Whether its value is known once the clear inputs are. */
  readonly clear: boolean;
  readonly least: number;
  readonly most: number;
  /** Null for an input. */
  readonly lookup: Lookup | null;
}

/** Smallest and largest value. */
export interface Span {
  readonly least: number;
  readonly most: number;
}

/** Builds lookups; the same one twice is one. */
export class CircuitBuilder {
  readonly wires: Wire[] = [];
  private readonly known = new Map<string, Linear>();
  /** Index of the op that lookups are made for. */
  op = 0;

  /** An input block. */
  input(most: number, clear: boolean): Linear {
    return wire(this.wires.push({ clear, least: 0, most, lookup: null }) - 1);
  }

  /** Values that a combination can have, as far as the ranges of its wires say. */
  range({ terms, constant: start }: Linear): Span {
    let [least, most] = [start, start];
    for (const [id, coefficient] of terms) {
      const at = this.at(id);
      least += coefficient * (coefficient > 0 ? at.least : at.most);
      most += coefficient * (coefficient > 0 ? at.most : at.least);
    }
    return { least, most };
  }

  /** The encrypted part of a combination, without constant. */
  encrypted({ terms }: Linear): Linear {
    return { terms: new Map([...terms].filter(([id]) => !this.at(id).clear)), constant: 0 };
  }

  /** Whether nothing of a combination is encrypted. */
  isClear({ terms }: Linear): boolean {
    return [...terms.keys()].every((id) => this.at(id).clear);
  }

  /** How many values the encrypted part can have. */
  size(of: Linear): number {
    const { least, most } = this.range(this.encrypted(of));
    return most - least + 1;
  }

  /**
   * `map` of the combination: at most one node, and none where it is known, or a wire has it already. A lookup of a single
   * wire that is itself looked up is one lookup of what that one is of.
   * @param map is asked for every value within the range, also for those that never occur.
   */
  lookUp(of: Linear, map: (value: number) => number): Linear {
    const [only, ...others] = of.terms;
    if (only === undefined) return constant(map(of.constant));
    const inner = others.length === 0 ? this.at(only[0]).lookup : null;
    if (inner !== null) {
      const { least, table } = inner;
      return this.lookUp(inner.of, (value) => map(only[1] * (table[value - least] ?? 0) + of.constant));
    }
    if (others.length === 0 && (only[1] !== 1 || of.constant !== 0)) {
      // The wire itself has fewer values than its multiple: values between these would stand in the way of a constant.
      return this.lookUp(wire(only[0]), (value) => map(only[1] * value + of.constant));
    }
    const { least, most } = this.range(of);
    const table = Array.from({ length: most - least + 1 }, (_, index) => map(least + index));
    const [first = 0] = table;
    if (table.every((entry) => entry === first)) return constant(first);
    if (others.length === 0 && table.every((entry, index) => entry === least + index)) return of;
    return this.add(of, least, table, this.isClear(of));
  }

  /** A wire that has the value of `of`: itself, or a node, also for a value that is known. */
  materialise(of: Linear): number {
    const [only, ...others] = of.terms;
    const isWire = only?.[1] === 1 && others.length === 0 && of.constant === 0 && !this.at(only[0]).clear;
    if (isWire) return only[0];
    const inner = only !== undefined && others.length === 0 ? this.at(only[0]).lookup : null;
    const { least, most } = this.range(of);
    const table = Array.from({ length: most - least + 1 }, (_, index) => least + index);
    const made = inner === null || this.isClear(of) ? this.add(of, least, table, false) : this.lookUp(of, (value) => value);
    const [id] = made.terms.keys();
    if (id === undefined) throw new Error("a wire was expected");
    return id;
  }

  private at(id: number): Wire {
    const found = this.wires[id];
    if (found === undefined) throw new Error(`no wire ${id}`);
    return found;
  }

  private add(of: Linear, least: number, table: readonly number[], clear: boolean): Linear {
    const key = `${clear} ${keyOf(of)} ${of.constant} ${table.join()}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    if (!clear) this.assertFits(of, table);
    const lookup = { of, least, table, op: this.op };
    const made = wire(this.wires.push({ clear, least: Math.min(...table), most: Math.max(...table), lookup }) - 1);
    this.known.set(key, made);
    return made;
  }

  /** A guard of this compiler against itself. */
  private assertFits(of: Linear, table: readonly number[]): void {
    const encrypted = this.encrypted(of);
    const noise = [...encrypted.terms.values()].reduce((sum, coefficient) => sum + coefficient ** 2, 0);
    if (noise > MAX_NOISE) throw new Error(`noise ${noise}`);
    if (this.size(of) > SPACE) throw new Error(`${this.size(of)} values in one node`);
    if (table.some((entry) => entry < 0 || entry >= SPACE)) throw new Error("an entry that no block holds");
  }
}

/** The same text for the same terms. */
export function keyOf({ terms }: Linear): string {
  return [...terms]
    .toSorted(([left], [right]) => left - right)
    .map(([id, coefficient]) => `${coefficient}*${id}`)
    .join("+");
}
