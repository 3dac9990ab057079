/** Merkle trees of RFC 6962 section 2.1, over SHA-256: hashes, roots, and the two proofs with their verification. */
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { sha256Bytes } from "../core/digest.ts";

const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

/** Hash of a leaf: SHA-256(0x00 ‖ leaf). 32 bytes. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return sha256Bytes(concatBytes(LEAF_PREFIX, leaf));
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256Bytes(concatBytes(NODE_PREFIX, left, right));
}

/** Hash of the empty tree: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256Bytes(new Uint8Array());
}

/**
 * Reads the hash of a complete subtree: `level` 0 is the leaves, and the node (level, index) covers the leaves from
 * index * 2^level on, 2^level of them. Only asked for nodes that lie wholly inside the tree.
 */
export type NodeReader = (level: number, index: number) => Uint8Array;

/** Largest power of two below `size`, as an exponent; `size` is at least 2. */
function splitLevel(size: number): number {
  let level = 0;
  while (2 ** (level + 1) < size) level++;
  return level;
}

/** Root of the leaves from `start`, `size` of them; `start` is a multiple of the subtree that `size` splits into. */
function subtreeRoot(read: NodeReader, start: number, size: number): Uint8Array {
  if (size === 0) return emptyRoot();
  const level = Math.log2(size);
  if (Number.isInteger(level) && start % size === 0) return read(level, start / size);
  const left = 2 ** splitLevel(size);
  return nodeHash(subtreeRoot(read, start, left), subtreeRoot(read, start + left, size - left));
}

/** Root of a tree of `size` leaves (MTH of section 2.1). */
export function treeRoot(read: NodeReader, size: number): Uint8Array {
  return subtreeRoot(read, 0, size);
}

/** Inclusion proof of leaf `index` in a tree of `size` leaves (PATH of section 2.1.1), from the leaf's sibling up. */
export function proveInclusion(read: NodeReader, index: number, size: number): readonly Uint8Array[] {
  if (index < 0 || index >= size) throw new RangeError(`leaf ${index} is not in a tree of ${size}`);
  const prove = (at: number, start: number, count: number): Uint8Array[] => {
    if (count === 1) return [];
    const left = 2 ** splitLevel(count);
    return at < left
      ? [...prove(at, start, left), subtreeRoot(read, start + left, count - left)]
      : [...prove(at - left, start + left, count - left), subtreeRoot(read, start, left)];
  };
  return prove(index, 0, size);
}

/** Consistency proof from `oldSize` to `newSize` (PROOF of section 2.1.2); empty for equal sizes and for size 0. */
export function proveConsistency(read: NodeReader, oldSize: number, newSize: number): readonly Uint8Array[] {
  if (oldSize < 0 || oldSize > newSize) throw new RangeError(`no proof from ${oldSize} to ${newSize}`);
  const prove = (old: number, start: number, count: number, whole: boolean): Uint8Array[] => {
    if (old === count) return whole ? [] : [subtreeRoot(read, start, count)];
    const left = 2 ** splitLevel(count);
    return old <= left
      ? [...prove(old, start, left, whole), subtreeRoot(read, start + left, count - left)]
      : [...prove(old - left, start + left, count - left, false), subtreeRoot(read, start, left)];
  };
  return oldSize === 0 ? [] : prove(oldSize, 0, newSize, true);
}

function isTreeSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** A walk from a leaf of a tree towards its root (RFC 9162 section 2.1.3.2): at each step the sibling stands left or right. */
class RootWalk {
  private node: number;
  private last: number;

  constructor(node: number, last: number) {
    this.node = node;
    this.last = last;
  }

  get atRoot(): boolean {
    return this.last === 0;
  }

  /** Leaves out the steps at which the node is a right child: the first hash of a consistency proof stands above them. */
  skipRightChildren(): void {
    while (this.node % 2 === 1) this.up();
  }

  /** Whether the node is the leftmost of its level. */
  get isLeftmost(): boolean {
    return this.node === 0;
  }

  /** Side of the next sibling; the walk stands above it afterwards. */
  step(): "left" | "right" {
    const left = this.node % 2 === 1 || this.node === this.last;
    if (left) while (this.node % 2 === 0 && this.node !== 0) this.up();
    this.up();
    return left ? "left" : "right";
  }

  private up(): void {
    this.node = Math.floor(this.node / 2);
    this.last = Math.floor(this.last / 2);
  }
}

/**
 * Whether `proof` shows that the leaf with `hash` stands at `index` of the tree with `size` leaves and `root`
 * (RFC 9162 section 2.1.3.2). Never throws. Binds `size` only by the shape of the proof: the checkpoint's signature does.
 */
export function verifyInclusion(
  index: number,
  size: number,
  hash: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isTreeSize(index) || !isTreeSize(size) || index >= size) return false;
  const walk = new RootWalk(index, size - 1);
  let current = hash;
  for (const sibling of proof) {
    if (walk.atRoot) return false;
    current = walk.step() === "left" ? nodeHash(sibling, current) : nodeHash(current, sibling);
  }
  return walk.atRoot && equalBytes(current, root);
}

/**
 * Whether `proof` shows that the tree of `oldSize` leaves with `oldRoot` is a prefix of the tree of `newSize` leaves with
 * `newRoot` (RFC 9162 section 2.1.4.2). From size 0 the proof is empty and any new root is consistent. Never throws.
 */
export function verifyConsistency(
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize) return false;
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, emptyRoot());
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  const walk = new RootWalk(oldSize - 1, newSize - 1);
  walk.skipRightChildren();
  const siblings = [...proof];
  const first = walk.isLeftmost ? oldRoot : siblings.shift();
  if (first === undefined) return false;
  let oldHash = first;
  let newHash = first;
  for (const sibling of siblings) {
    if (walk.atRoot) return false;
    if (walk.step() === "left") {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
    } else {
      newHash = nodeHash(newHash, sibling);
    }
  }
  return walk.atRoot && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}
