import { describe, expect, it } from "vitest";
import {
  emptyRoot,
  leafHash,
  type NodeReader,
  nodeHash,
  proveConsistency,
  proveInclusion,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/log/index.ts";
import {
  bytes,
  CT_LEAVES,
  CT_ROOTS,
  flipBit,
  hex,
  makeLeaves,
  referenceConsistency,
  referenceInclusion,
  referenceRoot,
} from "./reference-tree.ts";

const readerOf =
  (leaves: readonly Uint8Array[]): NodeReader =>
  (level, index) =>
    referenceRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

const ctRoot = (size: number): Uint8Array => bytes(CT_ROOTS[size] ?? "");
const read = readerOf(CT_LEAVES);

/** Published audit paths: leaf index, tree size, hashes. */
const CT_INCLUSION: readonly [number, number, readonly string[]][] = [
  [
    0,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    5,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
  [
    1,
    5,
    [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

/** Published consistency proofs: old size, new size, hashes. */
const CT_CONSISTENCY: readonly [number, number, readonly string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [
    2,
    5,
    [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

describe("the Merkle tree on the Certificate Transparency vectors", () => {
  it("has the published root for every size", () => {
    expect(CT_ROOTS.map((_, size) => hex(treeRoot(read, size)))).toEqual(CT_ROOTS);
    expect(hex(emptyRoot())).toBe(CT_ROOTS[0]);
    expect(hex(leafHash(new Uint8Array()))).toBe(CT_ROOTS[1]);
    expect(hex(nodeHash(leafHash(bytes("")), leafHash(bytes("00"))))).toBe(CT_ROOTS[2]);
  });

  it("agrees with the published audit paths", () => {
    for (const [index, size, path] of CT_INCLUSION) {
      expect(proveInclusion(read, index, size).map(hex)).toEqual(path);
      expect(verifyInclusion(index, size, leafHash(CT_LEAVES[index] ?? bytes("ff")), path.map(bytes), ctRoot(size))).toBe(true);
    }
  });

  it("agrees with the published consistency proofs", () => {
    for (const [oldSize, newSize, path] of CT_CONSISTENCY) {
      expect(proveConsistency(read, oldSize, newSize).map(hex)).toEqual(path);
      expect(verifyConsistency(oldSize, newSize, ctRoot(oldSize), ctRoot(newSize), path.map(bytes))).toBe(true);
    }
  });
});

describe("proofs of small trees", () => {
  const sizes = Array.from({ length: 20 }, (_, size) => size);
  const leaves = makeLeaves(20);

  it("equal those of the definition for every leaf and every pair of sizes", () => {
    const reader = readerOf(leaves);
    for (const size of sizes) {
      for (let place = 0; place < size; place++) {
        expect(proveInclusion(reader, place, size)).toEqual(referenceInclusion(place, leaves.slice(0, size)));
      }
      for (let old = 0; old <= size; old++) {
        expect(proveConsistency(reader, old, size)).toEqual(referenceConsistency(old, leaves.slice(0, size)));
      }
    }
  });

  it("are refused for a leaf outside the tree and for a size beyond it", () => {
    const reader = readerOf(leaves);
    expect(() => proveInclusion(reader, 3, 3)).toThrow(RangeError);
    expect(() => proveInclusion(reader, -1, 3)).toThrow(RangeError);
    expect(() => proveConsistency(reader, 4, 3)).toThrow(RangeError);
    expect(() => proveConsistency(reader, -1, 3)).toThrow(RangeError);
  });

  it("do not verify with any one bit of any hash changed", () => {
    const tree = leaves.slice(0, 7);
    const root = referenceRoot(tree);
    const oldRoot = referenceRoot(tree.slice(0, 6));
    const path = referenceInclusion(4, tree);
    const steps = referenceConsistency(6, tree);
    const hash = leafHash(tree[4] ?? bytes(""));
    expect(verifyInclusion(4, 7, hash, path, root) && verifyConsistency(6, 7, oldRoot, root, steps)).toBe(true);
    for (let bit = 0; bit < 256; bit++) {
      for (const at of path.keys()) {
        const changed = path.map((item, place) => (place === at ? flipBit(item, bit) : item));
        expect(verifyInclusion(4, 7, hash, changed, root)).toBe(false);
      }
      for (const at of steps.keys()) {
        const changed = steps.map((item, place) => (place === at ? flipBit(item, bit) : item));
        expect(verifyConsistency(6, 7, oldRoot, root, changed)).toBe(false);
      }
      expect(verifyInclusion(4, 7, flipBit(hash, bit), path, root)).toBe(false);
      expect(verifyInclusion(4, 7, hash, path, flipBit(root, bit))).toBe(false);
      expect(verifyConsistency(6, 7, flipBit(oldRoot, bit), root, steps)).toBe(false);
      expect(verifyConsistency(6, 7, oldRoot, flipBit(root, bit), steps)).toBe(false);
    }
  });
});

describe("verification of what is no proof", () => {
  const root = ctRoot(8);
  const hash = leafHash(CT_LEAVES[5] ?? bytes(""));
  const path = referenceInclusion(5, CT_LEAVES);
  const steps = referenceConsistency(6, CT_LEAVES);

  it("is false for sizes and indexes that are none", () => {
    for (const wrong of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(verifyInclusion(wrong, 8, hash, path, root)).toBe(false);
      expect(verifyInclusion(5, wrong, hash, path, root)).toBe(false);
      expect(verifyConsistency(wrong, 8, ctRoot(6), root, steps)).toBe(false);
      expect(verifyConsistency(6, wrong, ctRoot(6), root, steps)).toBe(false);
    }
  });

  it("is false for an index at or past the size, and for a larger old size", () => {
    expect(verifyInclusion(8, 8, hash, path, root)).toBe(false);
    expect(verifyInclusion(0, 0, hash, [], emptyRoot())).toBe(false);
    expect(verifyConsistency(8, 6, root, ctRoot(6), steps)).toBe(false);
  });

  it("is false for a hash too few, too many or in another order", () => {
    expect(verifyInclusion(5, 8, hash, path.slice(1), root)).toBe(false);
    expect(verifyInclusion(5, 8, hash, [...path, root], root)).toBe(false);
    expect(verifyInclusion(5, 8, hash, path.toReversed(), root)).toBe(false);
    expect(verifyConsistency(6, 8, ctRoot(6), root, steps.slice(0, -1))).toBe(false);
    expect(verifyConsistency(6, 8, ctRoot(6), root, [...steps, root])).toBe(false);
    expect(verifyConsistency(6, 8, ctRoot(6), root, [])).toBe(false);
  });

  it("from size 0 accepts only the empty proof and the empty root", () => {
    expect(verifyConsistency(0, 8, emptyRoot(), root, [])).toBe(true);
    expect(verifyConsistency(0, 8, emptyRoot(), root, [root])).toBe(false);
    expect(verifyConsistency(0, 8, ctRoot(1), root, [])).toBe(false);
    expect(verifyConsistency(0, 8, new Uint8Array(), root, [])).toBe(false);
  });

  it("for equal sizes accepts only the empty proof and equal roots", () => {
    expect(verifyConsistency(8, 8, root, root, [])).toBe(true);
    expect(verifyConsistency(8, 8, root, root, [root])).toBe(false);
    expect(verifyConsistency(8, 8, ctRoot(7), root, [])).toBe(false);
  });
});
