import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  conjugate12,
  cyclotomicSquare,
  type Fp2,
  type Fp12,
  frobenius12,
  invert2,
  invert12,
  isEqual12,
  mul2,
  mul12,
  mulLine,
  mulLines,
  ONE2,
  ONE12,
  square2,
  square12,
  ZERO2,
} from "../../../src/paths/zk/evidence/tower.ts";

const { Fp, Fp2: Reference2, Fp12: Reference } = bn254.fields;
const P = Fp.ORDER;

/** Both forms that a coefficient can have, and the ends of its range. */
const coefficient = fc.oneof(fc.bigInt({ min: 1n - P, max: P - 1n }), fc.constantFrom(0n, 1n, -1n, P - 1n, 1n - P));
const element2: fc.Arbitrary<Fp2> = fc.record({ a: coefficient, b: coefficient });
const element6 = fc.record({ x: element2, y: element2, z: element2 });
const element: fc.Arbitrary<Fp12> = fc.record({ g: element6, h: element6 });

const reference2 = ({ a, b }: Fp2) => Reference2.fromBigTuple([Fp.create(a), Fp.create(b)]);

function reference({ g, h }: Fp12) {
  const parts = [g.x, g.y, g.z, h.x, h.y, h.z].flatMap(({ a, b }) => [Fp.create(a), Fp.create(b)]);
  return Reference.fromBigTwelve(parts as Parameters<typeof Reference.fromBigTwelve>[0]);
}

type Referred = ReturnType<typeof reference>;
const isZero = (s: Fp12) => Reference.is0(reference(s));
const same = (ours: Fp12, theirs: Referred) => expect(Reference.eql(reference(ours), theirs)).toBe(true);
const line = (c0: Fp2, c1: Fp2, c3: Fp2): Fp12 => ({ g: { x: c0, y: ZERO2, z: ZERO2 }, h: { x: c1, y: c3, z: ZERO2 } });

/** An element to the power of (p⁶ - 1)(p² + 1), as the easy part of a final exponentiation makes it. */
function cyclotomic(s: Fp12): Fp12 {
  const easy = mul12(conjugate12(s), invert12(s));
  return mul12(frobenius12(frobenius12(easy)), easy);
}

describe("the towers beside the library's", () => {
  it("multiply, square and invert alike", () => {
    fc.assert(
      fc.property(element, element, (s, t) => {
        same(mul12(s, t), Reference.mul(reference(s), reference(t)));
        same(square12(s), Reference.sqr(reference(s)));
        same(conjugate12(s), Reference.conjugate(reference(s)));
        same(frobenius12(s), Reference.frobeniusMap(reference(s), 1));
        if (!isZero(s)) same(invert12(s), Reference.inv(reference(s)));
      }),
    );
  });

  it("agree in Fp2", () => {
    fc.assert(
      fc.property(element2, element2, (s, t) => {
        const equal = (ours: Fp2, theirs: ReturnType<typeof reference2>) => expect(reference2(ours)).toEqual(theirs);
        equal(mul2(s, t), Reference2.mul(reference2(s), reference2(t)));
        equal(square2(s), Reference2.sqr(reference2(s)));
        if (!Reference2.is0(reference2(s))) equal(invert2(s), Reference2.inv(reference2(s)));
      }),
    );
  });

  it("multiply by lines as by any other element", () => {
    fc.assert(
      fc.property(element, fc.tuple(element2, element2, element2, element2, element2), (s, [c0, c1, c3, d1, d3]) => {
        same(mulLine(s, c0, c1, c3), Reference.mul(reference(s), reference(line(c0, c1, c3))));
        const both = Reference.mul(reference(line(ONE2, c1, c3)), reference(line(ONE2, d1, d3)));
        same(mulLines(s, c1, c3, d1, d3), Reference.mul(reference(s), both));
      }),
    );
  });

  it("square in the cyclotomic subgroup as everywhere", () => {
    fc.assert(
      fc.property(element, (s) => {
        fc.pre(!isZero(s));
        const inside = cyclotomic(s);
        expect(isEqual12(cyclotomicSquare(inside), square12(inside))).toBe(true);
        expect(isEqual12(mul12(inside, conjugate12(inside)), ONE12)).toBe(true);
      }),
    );
  });

  it("find two forms of one element equal, and no other", () => {
    fc.assert(
      fc.property(element, (s) => {
        const other = mul12(mul12(s, ONE12), ONE12);
        const shifted = { ...s, h: { ...s.h, z: { a: s.h.z.a, b: s.h.z.b + P } } };
        expect([isEqual12(s, other), isEqual12(s, shifted)]).toEqual([true, true]);
        const changed = { ...s, h: { ...s.h, z: { a: s.h.z.a, b: s.h.z.b + 1n } } };
        expect(isEqual12(s, changed)).toBe(false);
      }),
    );
  });
});
