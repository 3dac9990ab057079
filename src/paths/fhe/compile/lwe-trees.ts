/** Tree ensembles by lookups: one for each question, one or more for the leaves below each last question. SPEC section 9.5. */
import type { Tree, TreesOp, ValueBounds } from "../../../model/integer/integer-model.ts";
import { type LweBuilder, unsupported } from "./lwe-builder.ts";
import type { LweTable, OutputPart } from "./lwe-circuit.ts";
import { signedBits } from "./lwe-requant.ts";

/** Inputs and answers stand in steps of 2^59: sixteen slots with a padding bit. */
export const TREE_EXPONENT = 59;
const SLOTS = 16;
/** Bits of one part of a sum of leaves. */
const PART_BITS = 8;

/** `constant + coefficient * wire` is 1 if the edge is taken, else 0. */
interface Literal {
  readonly wire: number;
  readonly coefficient: 1 | -1;
}

/** Answers of questions, each asked once. */
class Questions {
  private readonly builder: LweBuilder;
  private readonly bounds: ValueBounds;
  private readonly asked = new Map<string, number>();
  private readonly lowers = new Map<number, number>();

  constructor(builder: LweBuilder, bounds: ValueBounds) {
    this.builder = builder;
    this.bounds = bounds;
  }

  /** The wire that is 1 where `x[feature] <= threshold`, else 0. */
  ask(feature: number, threshold: number): number {
    const key = `${feature} ${threshold}`;
    const wire = this.asked.get(key) ?? this.answer(feature, threshold);
    this.asked.set(key, wire);
    return wire;
  }

  private answer(feature: number, threshold: number): number {
    const most = this.bounds.hi[feature] ?? 0;
    if (most < SLOTS) {
      const entries = Array.from({ length: SLOTS }, (_, x) => (x <= threshold ? 1 : 0));
      return this.builder.lut(feature, 0, [[TREE_EXPONENT, entries]])[0] ?? 0;
    }
    if (threshold < SLOTS && most - threshold <= SLOTS) {
      // The sign of x - threshold - 1, which needs no padding bit.
      return this.signOf([[feature, 1]], -threshold - 1);
    }
    if (most >= 2 * SLOTS) {
      return unsupported(this.builder.place, `feature ${feature} has ${most} thresholds; encrypted ones have up to 31`);
    }
    return this.byHalves(feature, threshold);
  }

  /** The wire that is 1 where the terms and `constant` are below 0, five bits with a sign. */
  private signOf(terms: readonly (readonly [number, number])[], constant: number): number {
    const shifted = this.builder.dot(terms, [constant, TREE_EXPONENT]);
    const [sign = 0] = this.builder.lut(shifted, 0, [[TREE_EXPONENT - 1, Array.from({ length: SLOTS }, () => -1)]]);
    return this.builder.dot([[sign, 1]], [1, TREE_EXPONENT - 1]);
  }

  /**
   * Five bits: their lower four (without the top bit) compared twice, once by x itself, whose lookup is negated from 16 on. Half
   * the sum is the comparison below 16 and 0 from there on, half the difference the other way round.
   */
  private byHalves(feature: number, threshold: number): number {
    const [isUpper, within] = [threshold >= SLOTS, threshold % SLOTS];
    // Below 16 the answer is the comparison and above it no; or yes, and above it the comparison.
    const wanted = (low: number) => Number(isUpper ? low > within : low <= within);
    const entries = Array.from({ length: SLOTS }, (_, low) => wanted(low));
    const [whole = 0] = this.builder.lut(feature, 0, [[TREE_EXPONENT - 1, entries]]);
    const [lower = 0] = this.builder.lut(this.lowerOf(feature), 0, [[TREE_EXPONENT - 1, entries]]);
    return this.builder.dot(
      [
        [lower, isUpper ? -1 : 1],
        [whole, 1],
      ],
      [isUpper ? 1 : 0, TREE_EXPONENT],
    );
  }

  /** x without its top bit, made once. */
  private lowerOf(feature: number): number {
    const known = this.lowers.get(feature);
    if (known !== undefined) return known;
    // Below 0 as a number of five bits with a sign: from 16 on.
    const upper = this.signOf([[feature, 1]], 0);
    const lower = this.builder.dot(
      [
        [feature, 1],
        [upper, -SLOTS],
      ],
      [0, TREE_EXPONENT],
    );
    this.lowers.set(feature, lower);
    return lower;
  }
}

/** Parts of a leaf, the least first: all but the last from 0 to 2^PART_BITS - 1. */
function partsOf(value: number, parts: number): readonly number[] {
  const list: number[] = [];
  let rest = value;
  for (let part = 1; part < parts; part++) {
    const digit = rest - Math.floor(rest / 2 ** PART_BITS) * 2 ** PART_BITS;
    list.push(digit);
    rest = (rest - digit) / 2 ** PART_BITS;
  }
  return [...list, rest];
}

/** A column of one part of one output: its base and what each leaf adds. */
interface Column {
  readonly exponent: number;
  readonly base: number;
  readonly leaves: readonly (readonly number[])[];
}

function columnsOf(op: TreesOp, parts: number): readonly (readonly Column[])[] {
  const outputs = op.base.length;
  return op.base.map((base, output) =>
    Array.from({ length: parts }, (_, part) => {
      const leaves = op.trees.map((tree) =>
        tree.leaves.filter((_leaf, at) => at % outputs === output).map((leaf) => partsOf(leaf, parts)[part] ?? 0),
      );
      const own = partsOf(base, parts)[part] ?? 0;
      const lo = leaves.reduce((sum, list) => sum + Math.min(0, ...list), Math.min(0, own));
      const hi = leaves.reduce((sum, list) => sum + Math.max(0, ...list), Math.max(0, own));
      return { exponent: 64 - signedBits(lo, hi), base: own, leaves };
    }),
  );
}

/** Sums the columns of all leaves, tree by tree. */
class Leaves {
  private readonly builder: LweBuilder;
  private readonly columns: readonly Column[];
  readonly sums: (readonly [number, number])[][];

  constructor(builder: LweBuilder, columns: readonly Column[]) {
    this.builder = builder;
    this.columns = columns;
    this.sums = columns.map(() => []);
  }

  /** Adds the leaves that `argument`, an integer, selects: `reached` maps its numbers to leaves, all else gives 0. */
  add(tree: number, argument: number, reached: ReadonlyMap<number, number>): void {
    const needed = Math.max(...reached.keys()) + 1;
    const length = 2 ** Math.ceil(Math.log2(Math.max(2, needed)));
    if (length > SLOTS) unsupported(this.builder.place, "a tree is too deep");
    const tables = this.columns.map(
      ({ exponent, leaves }): LweTable => [
        exponent,
        Array.from({ length }, (_, slot) => leaves[tree]?.[reached.get(slot) ?? -1] ?? 0),
      ],
    );
    const together = SLOTS / length;
    for (let at = 0; at < tables.length; at += together) {
      const group = tables.slice(at, at + together);
      // A group is filled up with its last table, so that every slot stands for a sixteenth.
      const filled = Array.from({ length: together }, (_, index): LweTable => group[index] ?? group.at(-1) ?? [0, []]);
      const wires = this.builder.lut(argument, 0, filled);
      group.forEach((_table, index) => {
        this.sums[at + index]?.push([wires[index] ?? 0, 1]);
      });
    }
  }
}

/** Walks one tree: for each node the literals from the root to it. */
function addTree(builder: LweBuilder, questions: Questions, leaves: Leaves, tree: Tree, number: number): void {
  const walk = (node: number, path: readonly Literal[]): void => {
    const answer = questions.ask(tree.feature[node] ?? 0, tree.threshold[node] ?? 0);
    const edges = [
      { target: tree.yes[node] ?? 0, literal: { wire: answer, coefficient: 1 } },
      { target: tree.no[node] ?? 0, literal: { wire: answer, coefficient: -1 } },
    ] as const;
    const [yes, no] = edges;
    if (yes.target < 0 && no.target < 0) {
      // Twice the edges taken so far and the answer: the two largest numbers are the two leaves.
      const argument = count(builder, path, 2, [[answer, 1]]);
      const reached = new Map([
        [2 * path.length + 1, -1 - yes.target],
        [2 * path.length, -1 - no.target],
      ]);
      leaves.add(number, argument, reached);
      return;
    }
    for (const { target, literal } of edges) {
      if (target >= 0) walk(target, [...path, literal]);
      else leaves.add(number, count(builder, [...path, literal], 1, []), new Map([[path.length + 1, -1 - target]]));
    }
  };
  walk(0, []);
}

/** `factor` times the number of literals that hold, plus `more`. A question asked twice on a path counts twice. */
function count(
  builder: LweBuilder,
  path: readonly Literal[],
  factor: number,
  more: readonly (readonly [number, number])[],
): number {
  const terms = new Map<number, number>();
  for (const { wire, coefficient } of path) terms.set(wire, (terms.get(wire) ?? 0) + factor * coefficient);
  for (const [wire, coefficient] of more) terms.set(wire, (terms.get(wire) ?? 0) + coefficient);
  const negated = path.filter(({ coefficient }) => coefficient === -1).length;
  return builder.dot(
    [...terms].filter(([, coefficient]) => coefficient !== 0),
    [factor * negated, TREE_EXPONENT],
  );
}

function build(builder: LweBuilder, op: TreesOp, bounds: ValueBounds, parts: number): readonly (readonly OutputPart[])[] {
  const columns = columnsOf(op, parts);
  const leaves = new Leaves(builder, columns.flat());
  const questions = new Questions(builder, bounds);
  const constants = columns.flat().map(({ base }) => base);
  op.trees.forEach((tree, number) => {
    if (tree.feature.length > 0) addTree(builder, questions, leaves, tree, number);
    else
      columns.flat().forEach(({ leaves: own }, at) => {
        constants[at] = (constants[at] ?? 0) + (own[number]?.[0] ?? 0);
      });
  });
  return columns.map((list, output) =>
    list.map(({ exponent }, part) => {
      const at = output * parts + part;
      const wire = builder.dot(leaves.sums[at] ?? [], [constants[at] ?? 0, exponent]);
      return [wire, exponent, 2 ** (PART_BITS * part)] as const;
    }),
  );
}

/**
 * The outputs of `op` over the inputs, as few parts each as noise allows.
 * @param create makes an empty builder: each number of parts is tried in its own.
 * @throws TrisealError `FHE_MODEL_UNSUPPORTED`.
 */
export function lowerTrees(create: () => LweBuilder, op: TreesOp, bounds: ValueBounds): ReturnType<LweBuilder["finish"]> {
  for (let parts = 1; ; parts++) {
    const builder = create();
    const outputs = build(builder, op, bounds, parts);
    const isClear = outputs.flat().every(([wire, exponent]) => builder.misread(wire, exponent) < -80);
    if (isClear || parts === 3) return builder.finish(outputs);
  }
}
