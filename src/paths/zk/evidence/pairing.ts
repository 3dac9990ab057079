/**
 * The optimal ate pairing on BN254 (Vercauteren, "Optimal pairings", IEEE Trans. Inf. Theory 2010) as verification of Groth16 uses it:
 * one point of G2 that the proof brings, and two that the key fixes, whose lines are computed once.
 */
import { bn254 } from "@noble/curves/bn254.js";
import {
  add2,
  conjugate2,
  conjugate12,
  cyclotomicSquare,
  type Fp2,
  type Fp12,
  FROBENIUS,
  frobenius12,
  invert2,
  invert12,
  isZero2,
  mul2,
  mul12,
  mulLine,
  mulLines,
  negate2,
  ONE2,
  ONE12,
  scale2,
  square2,
  square12,
  sub2,
} from "./tower.ts";

/** A point of the curve. */
export interface AffineG1 {
  readonly x: bigint;
  readonly y: bigint;
}

/** A point of the twisted curve. */
export interface AffineG2 {
  readonly x: Fp2;
  readonly y: Fp2;
}

/** A line through two points of the twisted curve; at (x, y) of the curve it is `c0 y + c1 x w + c3 w³`. */
interface Line {
  readonly c0: Fp2;
  readonly c1: Fp2;
  readonly c3: Fp2;
}

/** A line with `c0` = 1. It differs by a factor of Fp2, which the final exponentiation takes away. */
interface UnitLine {
  readonly c1: Fp2;
  readonly c3: Fp2;
}

/** What a Miller loop needs of a point of G2. */
export type Lines = readonly Line[];

/** The same of a point that many proofs share. */
export type FixedLines = readonly UnitLine[];

/** The curve's parameter: p and r are polynomials in it. */
export const CURVE_PARAMETER = 4965661367192848881n;

const { b: TWIST } = bn254.G2.Point.CURVE();
const TWIST_TIMES_3: Fp2 = { a: 3n * TWIST.c0, b: 3n * TWIST.c1 };

/** Signed binary digits, lowest first, no two neighbours of which are not zero. */
function signedDigits(value: bigint): readonly number[] {
  const digits: number[] = [];
  for (let left = value; left > 0n; left >>= 1n) {
    const digit = (left & 1n) === 0n ? 0 : 2 - Number(left & 3n);
    digits.push(digit);
    left -= BigInt(digit);
  }
  return digits;
}

/** Digits of the loop after the highest, from the top. */
const LOOP = signedDigits(6n * CURVE_PARAMETER + 2n)
  .slice(0, -1)
  .toReversed();

/** Of each line whether the accumulator is squared before it. */
const SQUARES: readonly boolean[] = [...LOOP.flatMap((digit) => (digit === 0 ? [true] : [true, false])), false, false];

/** A point as (X / Z, Y / Z). Where a formula below meets a case that it does not cover, Z becomes zero and stays it. */
interface Projective {
  readonly x: Fp2;
  readonly y: Fp2;
  readonly z: Fp2;
}

const triple = (s: Fp2): Fp2 => ({ a: 3n * s.a, b: 3n * s.b });
const double = (s: Fp2): Fp2 => ({ a: 2n * s.a, b: 2n * s.b });

/** Twice the point, and the tangent (Costello, Lange and Naehrig, PKC 2010, section 5; coordinates times 4 save the halves). */
function doubleStep({ x, y, z }: Projective): readonly [Projective, Line] {
  const [xy, yy, zz, yz] = [mul2(x, y), square2(y), square2(z), mul2(y, z)];
  const e = mul2(TWIST_TIMES_3, zz);
  const f = triple(e);
  const point = {
    x: mul2(double(xy), sub2(yy, f)),
    y: sub2(square2(add2(yy, f)), scale2(square2(e), 12n)),
    z: mul2(double(double(yy)), double(yz)),
  };
  return [point, { c0: double(negate2(yz)), c1: triple(square2(x)), c3: sub2(e, yy) }];
}

/** The sum with `q`, and the line through both. */
function addStep({ x, y, z }: Projective, q: AffineG2): readonly [Projective, Line] {
  const [o, l] = [sub2(y, mul2(q.y, z)), sub2(x, mul2(q.x, z))];
  const ll = square2(l);
  const [e, f, g] = [mul2(l, ll), mul2(z, square2(o)), mul2(x, ll)];
  const h = sub2(add2(e, f), double(g));
  const point = { x: mul2(l, h), y: sub2(mul2(o, sub2(g, h)), mul2(e, y)), z: mul2(z, e) };
  return [point, { c0: l, c1: negate2(o), c3: sub2(mul2(o, q.x), mul2(l, q.y)) }];
}

/** Frobenius, taken through the twist: it multiplies every point of G2 by p. */
function psi({ x, y }: AffineG2): AffineG2 {
  const [, second, third] = FROBENIUS;
  return { x: mul2(conjugate2(x), second), y: mul2(conjugate2(y), third) };
}

const negate = ({ x, y }: AffineG2): AffineG2 => ({ x, y: negate2(y) });

/**
 * The lines of `q`, a point of the twisted curve that is not zero; null where it is outside the group of prime order r.
 *
 * The loop ends at `[6u + 2] Q + ψ(Q) - ψ²(Q)`, and Q is taken where this is `-ψ³(Q)`. That is no weaker than `[r] Q = 0`: the
 * condition is f(ψ) Q = 0 for f = 6u + 2 + T - T² + T³, and ψ is a root of T² - tT + p. So it gives [N] Q = 0 for the resultant N
 * of f with that polynomial; every point of the curve has [r h] Q = 0 for the cofactor h; and gcd(N, r h) = r. A test computes
 * these numbers. (The loop of a point outside may meet a case that the formulas do not cover: then Z is zero, which is refused.)
 */
export function linesOf(q: AffineG2): Lines | null {
  const lines: Line[] = [];
  const minus = negate(q);
  let at: Projective = { ...q, z: ONE2 };
  const take = ([next, line]: readonly [Projective, Line]) => {
    at = next;
    lines.push(line);
  };
  for (const digit of LOOP) {
    take(doubleStep(at));
    if (digit !== 0) take(addStep(at, digit === 1 ? q : minus));
  }
  const first = psi(q);
  const second = psi(first);
  take(addStep(at, first));
  take(addStep(at, negate(second)));
  const { x, y } = psi(second);
  const ends = isZero2(sub2(mul2(x, at.z), at.x)) && isZero2(add2(mul2(y, at.z), at.y));
  return ends && !isZero2(at.z) ? lines : null;
}

/** Lines of a point that many proofs share. */
export function fixLines(lines: Lines): FixedLines {
  return lines.map(({ c0, c1, c3 }) => {
    const inverse = invert2(c0);
    return { c1: mul2(c1, inverse), c3: mul2(c3, inverse) };
  });
}

/** A point of G1 as unit lines need it: x / y and 1 / y. Zero for the zero point, at which such a line is one. */
export interface Slope {
  readonly x: bigint;
  readonly y: bigint;
}

/** The Miller loop of one pair; with those of two pairs more where `fixed` and `slopes` name them. */
export function millerLoop(
  lines: Lines,
  { x, y }: AffineG1,
  fixed: { readonly lines: readonly [FixedLines, FixedLines]; readonly slopes: readonly [Slope, Slope] } | null,
): Fp12 {
  let f = ONE12;
  for (const [at, { c0, c1, c3 }] of lines.entries()) {
    if (SQUARES[at] === true && at > 0) f = square12(f);
    f = mulLine(f, scale2(c0, y), scale2(c1, x), c3);
    const [one, two] = [fixed?.lines[0][at], fixed?.lines[1][at]];
    if (fixed === null || one === undefined || two === undefined) continue;
    const [s, t] = fixed.slopes;
    f = mulLines(f, scale2(one.c1, s.x), scale2(one.c3, s.y), scale2(two.c1, t.x), scale2(two.c3, t.y));
  }
  return f;
}

/** Odd multiples up to 7, and for each step of the exponentiation how often to square and which multiple to take. */
const POWER_STEPS = powerSteps(CURVE_PARAMETER);

interface PowerStep {
  readonly squares: number;
  /** Odd, from -7 to 7. */
  readonly digit: number;
}

/** Signed windows of four bits, from the top. */
function powerSteps(exponent: bigint): readonly PowerStep[] {
  const steps: PowerStep[] = [];
  let squares = 0;
  for (let left = exponent; left > 0n; ) {
    if ((left & 1n) === 0n) {
      left >>= 1n;
      squares++;
      continue;
    }
    const low = Number(left & 15n);
    const digit = low > 7 ? low - 16 : low;
    steps.push({ squares, digit });
    squares = 0;
    left -= BigInt(digit);
  }
  return steps.toReversed();
}

/** An element of the cyclotomic subgroup to the power of the curve's parameter. */
function powerU(f: Fp12): Fp12 {
  const square = cyclotomicSquare(f);
  const odd = [f];
  while (odd.length < 4) odd.push(mul12(odd.at(-1) ?? f, square));
  const multiple = (digit: number) => {
    const power = odd[(Math.abs(digit) - 1) / 2] ?? f;
    return digit < 0 ? conjugate12(power) : power;
  };
  let result: Fp12 | null = null;
  for (const { squares, digit } of POWER_STEPS) {
    result = result === null ? multiple(digit) : mul12(result, multiple(digit));
    for (let left = squares; left > 0; left--) result = cyclotomicSquare(result);
  }
  return result ?? f;
}

/**
 * The power by (p¹² - 1) / r times a factor prime to r, that of Fuentes-Castañeda, Knapp and Rodríguez-Henríquez ("Faster hashing
 * to G2", SAC 2011, section 4.1): three powers by the curve's parameter. `f` is not zero.
 */
export function finalExponentiation(f: Fp12): Fp12 {
  const easy = mul12(conjugate12(f), invert12(f));
  const m = mul12(frobenius12(frobenius12(easy)), easy);
  const twoU = cyclotomicSquare(powerU(m));
  const sixU = mul12(cyclotomicSquare(twoU), twoU);
  const sixU2 = powerU(sixU);
  const twelveU3 = powerU(cyclotomicSquare(sixU2));
  const a = mul12(mul12(twelveU3, sixU2), sixU);
  const b = mul12(a, conjugate12(twoU));
  const low = mul12(mul12(a, sixU2), m);
  const high = mul12(frobenius12(b), frobenius12(frobenius12(a)));
  const top = frobenius12(frobenius12(frobenius12(mul12(b, conjugate12(m)))));
  return mul12(mul12(low, high), top);
}

/** The pairing of two points, in the power that `finalExponentiation` gives. */
export function pairing(point: AffineG1, lines: Lines): Fp12 {
  return finalExponentiation(millerLoop(lines, point, null));
}
