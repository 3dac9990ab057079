import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AffineG2,
  finalExponentiation,
  fixLines,
  type Lines,
  linesOf,
  millerLoop,
  pairing,
  CURVE_PARAMETER as u,
} from "../../../src/paths/zk/evidence/pairing.ts";
import type { Fp12 } from "../../../src/paths/zk/evidence/tower.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fp2, Fp12: Reference } = bn254.fields;
type Point = InstanceType<typeof G2>;

function affine(point: Point): AffineG2 {
  const { x, y } = point.toAffine();
  return { x: { a: x.c0, b: x.c1 }, y: { a: y.c0, b: y.c1 } };
}

const isInPrimeGroup = (point: Point): boolean => linesOf(affine(point)) !== null;

function lines(point: Point): Lines {
  const found = linesOf(affine(point));
  if (found === null) throw new Error("outside the group");
  return found;
}

/** An element as the library has it. */
function reference({ g, h }: Fp12) {
  const parts = [g.x, g.y, g.z, h.x, h.y, h.z].flatMap(({ a, b }) => [Fp.create(a), Fp.create(b)]);
  return Reference.fromBigTwelve(parts as Parameters<typeof Reference.fromBigTwelve>[0]);
}

const trace = 6n * u ** 2n + 1n;
const p = 36n * u ** 4n + 36n * u ** 3n + 24n * u ** 2n + 6n * u + 1n;
const r = p + 1n - trace;
const cofactor = p - 1n + trace;

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

/** Resultant of a polynomial (lowest coefficient first) with T² - tT + p. */
function resultant(coefficients: readonly bigint[]): bigint {
  const left = [...coefficients];
  while (left.length > 2) {
    const top = left.pop() ?? 0n;
    left[left.length - 1] = (left.at(-1) ?? 0n) + top * trace;
    left[left.length - 2] = (left.at(-2) ?? 0n) - top * p;
  }
  const [a = 0n, b = 0n] = left;
  return a * a + a * b * trace + b * b * p;
}

/** The first `count` points of the whole twisted curve, by their x. */
function curvePoints(count: number): Point[] {
  const found: Point[] = [];
  for (let c0 = 1n; found.length < count; c0++) {
    const x = Fp2.fromBigTuple([c0, c0 * c0 + 5n]);
    try {
      found.push(G2.fromAffine({ x, y: Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.mul(x, x), x), G2.CURVE().b)) }));
    } catch {
      // no such y: the next x
    }
  }
  return found;
}

/** `[scalar] point` for scalars of any size. */
function times(point: Point, scalar: bigint): Point {
  let [sum, doubled] = [G2.ZERO, point];
  for (let left = scalar; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) sum = sum.add(doubled);
    doubled = doubled.double();
  }
  return sum;
}

describe("membership in the group of prime order", () => {
  it("rests on numbers that fit: the resultant shares r with the order of the curve, and nothing else", () => {
    expect([p, r]).toEqual([Fp.ORDER, bn254.fields.Fr.ORDER]);
    const norm = resultant([6n * u + 2n, 1n, -1n, 1n]);
    expect(norm % r).toBe(0n);
    expect(gcd(norm, r * cofactor)).toBe(r);
    expect(cofactor % r).not.toBe(0n);
    for (const point of curvePoints(2)) expect(times(point, r * cofactor).is0()).toBe(true);
  });

  it("takes every multiple of the generator", () => {
    for (const scalar of [1n, 2n, 3n, u, r - 1n, r / 2n, 2n ** 200n + 17n]) {
      expect(isInPrimeGroup(times(G2.BASE, scalar))).toBe(true);
    }
  });

  it("refuses points of the curve, of the cofactor's group, and sums of them with points of the group", () => {
    for (const point of curvePoints(6)) {
      const outside = times(point, r);
      const inside = times(point, cofactor);
      const cases = [point, point.negate(), outside, outside.add(G2.BASE), inside, inside.add(outside)];
      const slow = cases.map((item) => times(item, r).is0());
      expect(slow).toEqual([false, false, false, false, true, false]);
      expect(cases.map(isInPrimeGroup)).toEqual(slow);
      expect(cases.map((item) => item.isTorsionFree())).toEqual(slow);
    }
  });

  it("refuses every other point whose loop meets a case that the formulas do not cover: small multiples come back to it", () => {
    for (const order of [2n, 3n, 5n, 7n].map((small) => 10069n * small).filter((item) => cofactor % item === 0n)) {
      expect(isInPrimeGroup(times(curvePoints(1)[0] ?? G2.BASE, (r * cofactor) / order))).toBe(false);
    }
  });

  it("refuses points of the small orders that the cofactor has", () => {
    const primes = [10069n, 5864401n, 1875725156269n];
    for (const prime of primes.filter((item) => cofactor % item === 0n)) {
      const [point = G2.ZERO] = curvePoints(1).map((item) => times(item, (r * cofactor) / prime));
      expect(point.is0()).toBe(false);
      expect([isInPrimeGroup(point), isInPrimeGroup(point.add(G2.BASE))]).toEqual([false, false]);
    }
    expect(primes.filter((item) => cofactor % item === 0n).length).toBeGreaterThan(0);
  });
});

describe("the pairing", () => {
  const scalar = fc.bigInt({ min: 1n, max: r - 1n });

  it("is that of the library for random points", () => {
    fc.assert(
      fc.property(scalar, scalar, (s, t) => {
        const [p1, q1] = [G1.BASE.multiply(s), G2.BASE.multiply(t)];
        expect(Reference.eql(reference(pairing(p1.toAffine(), lines(q1))), bn254.pairing(p1, q1))).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  it("is that of the library over three pairs, two of them with lines that were fixed before", () => {
    fc.assert(
      fc.property(fc.array(scalar, { minLength: 6, maxLength: 6 }), (scalars) => {
        const [s1, s2, s3, t1, t2, t3] = scalars as [bigint, bigint, bigint, bigint, bigint, bigint];
        const [p1, p2, p3] = [s1, s2, s3].map((item) => G1.BASE.multiply(item)) as [
          typeof G1.BASE,
          typeof G1.BASE,
          typeof G1.BASE,
        ];
        const [q1, q2, q3] = [t1, t2, t3].map((item) => G2.BASE.multiply(item)) as [Point, Point, Point];
        const slope = (point: typeof p1) => {
          const { x, y } = point.toAffine();
          return { x: Fp.div(x, y), y: Fp.inv(y) };
        };
        const fixed = [fixLines(lines(q2)), fixLines(lines(q3))] as const;
        const pairs = (third: ReturnType<typeof slope>) => ({ lines: fixed, slopes: [slope(p2), third] as const });
        const value = (third: ReturnType<typeof slope>) =>
          finalExponentiation(millerLoop(lines(q1), p1.toAffine(), pairs(third)));
        const two = [
          { g1: p1, g2: q1 },
          { g1: p2, g2: q2 },
        ];
        expect(Reference.eql(reference(value(slope(p3))), bn254.pairingBatch([...two, { g1: p3, g2: q3 }]))).toBe(true);
        expect(Reference.eql(reference(value({ x: 0n, y: 0n })), bn254.pairingBatch(two))).toBe(true);
      }),
      { numRuns: 3 },
    );
  });
});
