/** Trees out of the parallel lists in which ONNX keeps all nodes of an ensemble. */
import type { FloatTree } from "../float/float-model.ts";
import type { NodeProto } from "./messages.ts";
import { unsupported } from "./tensor.ts";

/** The lists, as the attributes hold them. */
export interface TreeLists {
  readonly treeIds: readonly number[];
  readonly nodeIds: readonly number[];
  readonly features: readonly number[];
  readonly modes: readonly string[];
  readonly values: readonly number[];
  readonly yes: readonly number[];
  readonly no: readonly number[];
  readonly leafTreeIds: readonly number[];
  readonly leafNodeIds: readonly number[];
  readonly leafColumns: readonly number[];
  readonly leafWeights: readonly number[];
}

const MAX_DEPTH = 64;

/** The largest FP32 number below `value`, which is an FP32 number. */
function below(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value === 0 ? -0 : value);
  const bits = view.getInt32(0);
  // Negative numbers grow in magnitude with their bits; below -0 stands the least negative number.
  view.setInt32(0, value > 0 ? bits - 1 : bits + 1);
  return view.getFloat32(0);
}

/** How a mode asks `x <= threshold`, and whether its answers are swapped. */
const MODES: Readonly<Record<string, { readonly strict: boolean; readonly swapped: boolean }>> = {
  BRANCH_LEQ: { strict: false, swapped: false },
  BRANCH_LT: { strict: true, swapped: false },
  BRANCH_GTE: { strict: true, swapped: true },
  BRANCH_GT: { strict: false, swapped: true },
};

interface Draft {
  readonly feature: number[];
  readonly threshold: number[];
  readonly yes: number[];
  readonly no: number[];
  readonly leaves: number[];
}

class TreeReader {
  private readonly node: NodeProto;
  private readonly lists: TreeLists;
  private readonly columns: number;
  private readonly features: number;
  /** Position in the lists, by tree and node id. */
  private readonly places: ReadonlyMap<string, number>;
  private readonly weights: ReadonlyMap<string, readonly number[]>;

  constructor(node: NodeProto, lists: TreeLists, columns: number, features: number) {
    this.node = node;
    this.lists = lists;
    this.columns = columns;
    this.features = features;
    this.places = this.index();
    this.weights = this.collectWeights();
  }

  trees(): readonly FloatTree[] {
    const targets = new Set<string>();
    this.lists.treeIds.forEach((tree, at) => {
      if (this.lists.modes[at] === "LEAF") return;
      for (const target of [this.lists.yes[at], this.lists.no[at]]) targets.add(`${tree}:${target}`);
    });
    const roots = [...this.places].filter(([key]) => !targets.has(key)).map(([, at]) => at);
    if (roots.length !== new Set(this.lists.treeIds).size) this.refuse("a tree has no root, or several");
    const trees = roots.map((at) => {
      const draft: Draft = { feature: [], threshold: [], yes: [], no: [], leaves: [] };
      this.grow(draft, at, 0);
      return draft;
    });
    const grown = trees.reduce((sum, tree) => sum + 2 * tree.feature.length + 1, 0);
    if (grown !== this.places.size) this.refuse("a tree's nodes are not connected as a tree");
    return trees;
  }

  private refuse(reason: string): never {
    return unsupported(this.node, reason);
  }

  private index(): ReadonlyMap<string, number> {
    const { treeIds, nodeIds, features, modes, values, yes, no } = this.lists;
    if ([nodeIds, features, modes, values, yes, no].some((list) => list.length !== treeIds.length) || treeIds.length === 0) {
      this.refuse("the lists of nodes differ in length, or are empty");
    }
    const places = new Map(treeIds.map((tree, at) => [`${tree}:${nodeIds[at]}`, at]));
    return places.size === treeIds.length ? places : this.refuse("a node stands twice");
  }

  private collectWeights(): ReadonlyMap<string, readonly number[]> {
    const { leafTreeIds, leafNodeIds, leafColumns, leafWeights } = this.lists;
    if ([leafNodeIds, leafColumns, leafWeights].some((list) => list.length !== leafTreeIds.length)) {
      this.refuse("the lists of leaves differ in length");
    }
    const weights = new Map<string, number[]>();
    leafTreeIds.forEach((tree, at) => {
      const column = leafColumns[at] ?? -1;
      if (!(column >= 0 && column < this.columns)) this.refuse("a leaf adds to no column");
      const key = `${tree}:${leafNodeIds[at]}`;
      const leaf = weights.get(key) ?? this.nothing();
      leaf[column] = (leaf[column] ?? 0) + (leafWeights[at] ?? 0);
      weights.set(key, leaf);
    });
    return weights;
  }

  /** Adds the subtree at `at` and returns the edge to it. Nodes get higher numbers than those that lead to them. */
  private grow(draft: Draft, at: number, depth: number): number {
    if (depth > MAX_DEPTH) this.refuse(`a tree is deeper than ${MAX_DEPTH}`);
    const { treeIds, nodeIds, modes, features, values, yes, no } = this.lists;
    const mode = modes[at] ?? "";
    if (mode === "LEAF") return this.leaf(draft, `${treeIds[at]}:${nodeIds[at]}`);
    const form = Object.hasOwn(MODES, mode) ? MODES[mode] : undefined;
    if (form === undefined) return this.refuse("asks with a mode that is not supported: use BRANCH_LEQ, LT, GTE or GT");
    const feature = features[at] ?? -1;
    if (!(feature >= 0 && feature < this.features)) this.refuse("asks about a feature that the input has not");
    const number = draft.feature.length;
    const value = Math.fround(values[at] ?? 0);
    draft.feature.push(feature);
    draft.threshold.push(form.strict ? below(value) : value);
    draft.yes.push(0);
    draft.no.push(0);
    const [first, second] = [yes[at], no[at]].map((target) => this.grow(draft, this.place(treeIds[at], target), depth + 1));
    draft.yes[number] = (form.swapped ? second : first) ?? 0;
    draft.no[number] = (form.swapped ? first : second) ?? 0;
    return number;
  }

  private place(tree: number | undefined, target: number | undefined): number {
    return this.places.get(`${tree}:${target}`) ?? this.refuse("a node leads to nowhere");
  }

  private nothing(): number[] {
    return Array.from({ length: this.columns }, () => 0);
  }

  private leaf(draft: Draft, key: string): number {
    const leaf = draft.leaves.length / this.columns;
    draft.leaves.push(...(this.weights.get(key) ?? this.nothing()));
    return -1 - leaf;
  }
}

/**
 * The trees of an ensemble, in the order of their roots in the lists; every node asks `x <= threshold`.
 * @throws TrisealError `MODEL_UNSUPPORTED`: lists that do not fit, a mode that is not supported, or edges that make no trees.
 */
export function buildTrees(node: NodeProto, lists: TreeLists, columns: number, features: number): readonly FloatTree[] {
  if (columns < 1 || columns > 4096) unsupported(node, "has no column, or too many");
  return new TreeReader(node, lists, columns, features).trees();
}
