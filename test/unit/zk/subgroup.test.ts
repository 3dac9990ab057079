import { bn254 } from "@noble/curves/bn254.js";
import { describe, expect, it } from "vitest";
import { isInPrimeGroup, CURVE_PARAMETER as u } from "../../../src/paths/zk/evidence/subgroup.ts";

const G2 = bn254.G2.Point;
const { Fp, Fp2 } = bn254.fields;
type Point = InstanceType<typeof G2>;

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
    const norm = resultant([u + 1n, u, u, -2n * u]);
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
