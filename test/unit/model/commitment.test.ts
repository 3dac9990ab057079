import fc from "fast-check";
import * as lite from "poseidon-lite";
import { describe, expect, it } from "vitest";
import {
  commitInput,
  hashCalls,
  hashElements,
  packInput,
  packingOf,
  saltElement,
} from "../../../src/model/commitment/input-commitment.ts";
import { poseidon } from "../../../src/model/commitment/poseidon.ts";
import { POSEIDON_FIELD } from "../../../src/model/commitment/poseidon-parameters.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";

const oracle = (inputs: readonly bigint[]): bigint =>
  (lite as unknown as Record<string, (inputs: readonly bigint[]) => bigint>)[`poseidon${inputs.length}`]?.(inputs) ?? -1n;
const element = fc.bigInt(0n, POSEIDON_FIELD - 1n);
const SALT = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

describe("Poseidon", () => {
  it("has the field of the circuits", () => expect(POSEIDON_FIELD).toBe(FIELD_ORDER));

  it("gives circomlib's published values for [1, 2] and [1, 2, 3, 4]", () => {
    expect(poseidon([1n, 2n])).toBe(7853200120776062878684798364095072458815029376092732009249414926327459813530n);
    expect(poseidon([1n, 2n, 3n, 4n])).toBe(18821383157269793795438455681495246036402687001665670618754263018637548127333n);
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))("agrees with poseidon-lite on %i inputs", (count) => {
    fc.assert(
      fc.property(fc.array(element, { minLength: count, maxLength: count }), (inputs) => {
        expect(poseidon(inputs)).toBe(oracle(inputs));
      }),
      { numRuns: 5 },
    );
  });

  it("refuses more inputs than it has parameters for", () => {
    expect(() => poseidon(Array.from({ length: 17 }, () => 1n))).toThrow(RangeError);
  });
});

describe("packing", () => {
  it("puts the first integer into the lowest bits and loses nothing", () => {
    const input = fc
      .integer({ min: 1, max: 65_535 })
      .chain((max) => fc.tuple(fc.constant(max), fc.array(fc.nat(max), { minLength: 1 })));
    fc.assert(
      fc.property(input, ([max, values]) => {
        const packing = packingOf(values.length, max);
        const packed = packInput(packing, values);
        expect(packed).toHaveLength(packing.elements);
        expect(packed.every((item) => item < 2n ** 253n)).toBe(true);
        const unpacked = values.map((_, at) => {
          const shift = BigInt((at % packing.perElement) * packing.bits);
          return Number(((packed[Math.floor(at / packing.perElement)] ?? 0n) >> shift) & ((1n << BigInt(packing.bits)) - 1n));
        });
        expect(unpacked).toEqual(values);
      }),
    );
  });

  it("refuses an integer beyond its bits, a negative one and another number of them", () => {
    const packing = packingOf(2, 255);
    for (const input of [[1, 256], [-1, 0], [1], [1, 2, 3], [Number.NaN, 1]]) {
      expect(() => packInput(packing, input)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
    }
  });
});

describe("the commitment to an input", () => {
  it("is the hash of salt and packed input, in calls of at most 16", () => {
    expect(hashCalls(4)).toEqual([4]);
    expect(hashCalls(16)).toEqual([16]);
    expect(hashCalls(17)).toEqual([16, 2]);
    expect(hashCalls(31)).toEqual([16, 16]);
    expect(hashCalls(32)).toEqual([16, 16, 2]);
    const packing = packingOf(784, 255);
    expect([packing.bits, packing.perElement, packing.elements]).toEqual([8, 31, 26]);
    const input = Array.from({ length: 784 }, (_, index) => (index * 7) % 256);
    const elements = [saltElement(SALT), ...packInput(packing, input)];
    const expected = oracle([oracle(elements.slice(0, 16)), ...elements.slice(16)]);
    expect(commitInput(packing, SALT, input)).toBe(expected);
    expect(hashElements(elements)).toBe(expected);
  });

  it("changes with every integer and with the salt", () => {
    const packing = packingOf(40, 7);
    const input = Array.from({ length: 40 }, (_, index) => index % 8);
    const changed = input.map((value, at) => commitInput(packing, SALT, input.with(at, value ^ 1)));
    const salted = commitInput(packing, SALT.with(15, 0), input);
    expect(new Set([commitInput(packing, SALT, input), salted, ...changed]).size).toBe(42);
  });

  it("refuses a salt of fewer than 128 or more than 248 bits", () => {
    for (const length of [0, 15, 32, 64]) {
      const salt = new Uint8Array(length);
      expect(() => commitInput(packingOf(1, 1), salt, [1])).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
    }
  });
});
