import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  leafHash,
  type NodeReader,
  proveConsistency,
  proveInclusion,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/log/index.ts";
import {
  consistencyShape,
  flipBit,
  inclusionShape,
  makeLeaves,
  referenceConsistency,
  referenceInclusion,
  referenceRoot,
} from "./reference-tree.ts";

const LEAVES = makeLeaves(300);
const read: NodeReader = (level, index) => referenceRoot(LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level));
const sizes = fc.integer({ min: 1, max: LEAVES.length });
const bit = fc.integer({ min: 0, max: 255 });

/** A tree size and a leaf in it. */
const places = sizes.chain((size) => fc.record({ size: fc.constant(size), index: fc.integer({ min: 0, max: size - 1 }) }));
/** Two tree sizes, the old one smaller. */
const spans = fc
  .integer({ min: 2, max: LEAVES.length })
  .chain((newSize) => fc.record({ newSize: fc.constant(newSize), oldSize: fc.integer({ min: 1, max: newSize - 1 }) }));

const rootOf = (size: number): Uint8Array => referenceRoot(LEAVES.slice(0, size));
const hashOf = (index: number): Uint8Array => leafHash(LEAVES[index] ?? new Uint8Array());
const changeOne = (hashes: readonly Uint8Array[], at: number, place: number): Uint8Array[] =>
  hashes.map((hash, index) => (index === at ? flipBit(hash, place) : hash));

describe("inclusion proofs", () => {
  it("equal the definition, and verify", () => {
    fc.assert(
      fc.property(places, ({ size, index }) => {
        const proof = proveInclusion(read, index, size);
        expect(proof).toEqual(referenceInclusion(index, LEAVES.slice(0, size)));
        expect(treeRoot(read, size)).toEqual(rootOf(size));
        expect(verifyInclusion(index, size, hashOf(index), proof, rootOf(size))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("verify for no other leaf, root or hash, one bit apart", () => {
    fc.assert(
      fc.property(places, bit, fc.nat(), ({ size, index }, place, at) => {
        const proof = referenceInclusion(index, LEAVES.slice(0, size));
        const root = rootOf(size);
        const hash = hashOf(index);
        expect(verifyInclusion(index, size, flipBit(hash, place), proof, root)).toBe(false);
        expect(verifyInclusion(index, size, hash, proof, flipBit(root, place))).toBe(false);
        if (proof.length > 0) {
          expect(verifyInclusion(index, size, hash, changeOne(proof, at % proof.length, place), root)).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("verify for no other index", () => {
    fc.assert(
      fc.property(places, ({ size, index }) => {
        const proof = referenceInclusion(index, LEAVES.slice(0, size));
        for (let place = 0; place < 10; place++) {
          expect(verifyInclusion(index ^ (1 << place), size, hashOf(index), proof, rootOf(size))).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("verify for another size only where the proof has the same shape, so that size and root belong under one signature", () => {
    fc.assert(
      fc.property(places, ({ size, index }) => {
        const proof = referenceInclusion(index, LEAVES.slice(0, size));
        for (let place = 0; place < 10; place++) {
          const other = size ^ (1 << place);
          const same = other > index && inclusionShape(index, other) === inclusionShape(index, size);
          expect(verifyInclusion(index, other, hashOf(index), proof, rootOf(size))).toBe(same);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("consistency proofs", () => {
  it("equal the definition, and verify", () => {
    fc.assert(
      fc.property(spans, ({ oldSize, newSize }) => {
        const proof = proveConsistency(read, oldSize, newSize);
        expect(proof).toEqual(referenceConsistency(oldSize, LEAVES.slice(0, newSize)));
        expect(verifyConsistency(oldSize, newSize, rootOf(oldSize), rootOf(newSize), proof)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("verify for no other root or hash, one bit apart", () => {
    fc.assert(
      fc.property(spans, bit, fc.nat(), ({ oldSize, newSize }, place, at) => {
        const proof = referenceConsistency(oldSize, LEAVES.slice(0, newSize));
        const [oldRoot, newRoot] = [rootOf(oldSize), rootOf(newSize)];
        expect(verifyConsistency(oldSize, newSize, flipBit(oldRoot, place), newRoot, proof)).toBe(false);
        expect(verifyConsistency(oldSize, newSize, oldRoot, flipBit(newRoot, place), proof)).toBe(false);
        expect(verifyConsistency(oldSize, newSize, oldRoot, newRoot, changeOne(proof, at % proof.length, place))).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it("verify for other sizes only where the proof has the same shape", () => {
    fc.assert(
      fc.property(spans, ({ oldSize, newSize }) => {
        const proof = referenceConsistency(oldSize, LEAVES.slice(0, newSize));
        const shape = consistencyShape(oldSize, newSize);
        const verify = (old: number, size: number) => verifyConsistency(old, size, rootOf(oldSize), rootOf(newSize), proof);
        for (let place = 0; place < 10; place++) {
          const [old, size] = [oldSize ^ (1 << place), newSize ^ (1 << place)];
          expect(verify(old, newSize)).toBe(old > 0 && old < newSize && consistencyShape(old, newSize) === shape);
          expect(verify(oldSize, size)).toBe(oldSize < size && consistencyShape(oldSize, size) === shape);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("between trees that differ in an old leaf do not verify", () => {
    fc.assert(
      fc.property(spans, fc.nat(), ({ oldSize, newSize }, place) => {
        const forked = LEAVES.map((leaf, index) => (index === place % oldSize ? flipBit(leaf, 0) : leaf)).slice(0, newSize);
        const proof = referenceConsistency(oldSize, forked);
        expect(verifyConsistency(oldSize, newSize, rootOf(oldSize), referenceRoot(forked), proof)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });
});
