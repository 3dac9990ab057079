/** A circuit under construction, with the noise of every wire and the chance that any lookup decides wrongly. SPEC section 9.3. */

import { fheError } from "../wire/codes.ts";
import type { LweCircuit, LweNode, LweTable, OutputPart, TorusNumber } from "./lwe-circuit.ts";
import {
  addLog2,
  DECISION_VARIANCE,
  failureLog2,
  INPUT_VARIANCE,
  LOOKUP_VARIANCE,
  LWE_DEGREE,
  LWE_PARAMETERS,
  MOST_FAILURE_LOG2,
} from "./lwe-parameters.ts";

/** What a circuit costs, and how sure it is. */
export interface LwePrice {
  readonly pbs: number;
  readonly depth: number;
  /** log2 of an upper bound of the chance that one inference gives a wrong integer. */
  readonly failureLog2: number;
}

/** The lookup or output likeliest to fail. */
interface Weakest {
  readonly log2: number;
  readonly place: string;
}

/** Noise that wires share is counted once: a wire is a sum over independent sources. */
type Noise = ReadonlyMap<number, number>;

/** @throws TrisealError `FHE_MODEL_UNSUPPORTED`. */
export function unsupported(place: string, reason: string): never {
  throw fheError("FHE_MODEL_UNSUPPORTED", `${place}: ${reason}`, { details: { node: place } });
}

/** Collects nodes. */
export class LweBuilder {
  private readonly inputs: LweCircuit["inputs"];
  private readonly nodes: LweNode[] = [];
  private readonly tables: LweTable[] = [];
  private readonly tableAt = new Map<string, number>();
  private readonly noise: Noise[];
  private readonly depths: number[];
  private readonly variances: number[];
  private pbs = 0;
  private failure = Number.NEGATIVE_INFINITY;
  private weakest: Weakest = { log2: Number.NEGATIVE_INFINITY, place: "" };
  /** The model's operation that is being compiled, for refusals. */
  place = "input";

  /** @throws TrisealError `FHE_MODEL_UNSUPPORTED` for more inputs than one ciphertext holds. */
  constructor(count: number, exponent: number) {
    if (count > LWE_DEGREE) unsupported("input", `more than ${LWE_DEGREE} values`);
    this.inputs = { count, exponent };
    this.noise = Array.from({ length: count }, (_, wire) => new Map([[wire, 1]]));
    this.variances = Array.from({ length: count }, () => INPUT_VARIANCE);
    this.depths = Array.from({ length: count }, () => 0);
  }

  /** The wire of `constant + sum of coefficient * wire`. */
  dot(terms: readonly (readonly [number, number])[], constant: TorusNumber): number {
    const noise = new Map<number, number>();
    for (const [wire, coefficient] of terms) {
      for (const [source, factor] of this.noise[wire] ?? []) {
        noise.set(source, (noise.get(source) ?? 0) + coefficient * factor);
      }
    }
    this.nodes.push(["dot", terms, constant]);
    this.depths.push(Math.max(0, ...terms.map(([wire]) => this.depths[wire] ?? 0)));
    return this.noise.push(noise) - 1;
  }

  /**
   * The wires of `tables` at `wire * 2^shift`. `margin` is how far noise may push the argument: half a slot where every slot is
   * another number.
   */
  lut(wire: number, shift: number, tables: readonly LweTable[], margin?: number): readonly number[] {
    const slots = tables.reduce((sum, [, entries]) => sum + entries.length, 0);
    const variance = this.variance(wire) * 2 ** (2 * shift) + DECISION_VARIANCE;
    this.fail(failureLog2(margin ?? 2 ** 62 / slots, variance));
    this.pbs++;
    this.nodes.push(["lut", wire, shift, tables.map((table) => this.intern(table))]);
    return tables.map(() => {
      const source = this.variances.push(LOOKUP_VARIANCE) - 1;
      this.depths.push((this.depths[wire] ?? 0) + 1);
      return this.noise.push(new Map([[source, 1]])) - 1;
    });
  }

  /** The chance, log2, that `wire` read in steps of 2^exponent is misread. */
  misread(wire: number, exponent: number): number {
    return failureLog2(2 ** (exponent - 1), this.variance(wire));
  }

  /** The circuit. @throws TrisealError `FHE_MODEL_UNSUPPORTED` with the likeliest place where a wrong integer is too likely. */
  finish(outputs: readonly (readonly OutputPart[])[]): { readonly circuit: LweCircuit; readonly price: LwePrice } {
    for (const parts of outputs) for (const [wire, exponent] of parts) this.fail(this.misread(wire, exponent));
    if (!(this.failure <= MOST_FAILURE_LOG2)) {
      unsupported(this.weakest.place, `noise makes a wrong integer too likely: 2^${this.weakest.log2.toFixed(1)}`);
    }
    const { inputs, tables, nodes } = this;
    return {
      circuit: { v: 1, kind: "lwe", parameters: LWE_PARAMETERS, inputs, tables, nodes, outputs },
      price: { pbs: this.pbs, depth: this.depths.reduce((most, depth) => Math.max(most, depth), 0), failureLog2: this.failure },
    };
  }

  private variance(wire: number): number {
    let sum = 0;
    for (const [source, factor] of this.noise[wire] ?? []) sum += factor * factor * (this.variances[source] ?? 0);
    return sum;
  }

  private fail(log2: number): void {
    this.failure = addLog2(this.failure, log2);
    if (log2 > this.weakest.log2) this.weakest = { log2, place: this.place };
  }

  private intern(table: LweTable): number {
    const key = JSON.stringify(table);
    const at = this.tableAt.get(key) ?? this.tables.push(table) - 1;
    this.tableAt.set(key, at);
    return at;
  }
}
