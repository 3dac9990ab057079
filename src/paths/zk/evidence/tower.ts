/**
 * The extension fields of BN254's pairing: Fp2 = Fp[i] / (i² + 1), Fp6 = Fp2[v] / (v³ - ξ), Fp12 = Fp6[w] / (w² - v), ξ = 9 + i.
 *
 * A product is summed up in integers and reduced once for each coefficient of the result (lazy reduction: Aranha et al., "Faster
 * explicit formulas for computing pairings over ordinary curves", EUROCRYPT 2011, section 3): a reduction costs more than a
 * product, and a BigInt cannot overflow. So that sums need no reduction, coefficients lie between -p and p; an element has two
 * forms, and only `isEqual12` compares. Public values only: times tell them.
 */
import { bn254 } from "@noble/curves/bn254.js";

const { Fp } = bn254.fields;
const P = Fp.ORDER;

/** `a + b i`. */
export interface Fp2 {
  readonly a: bigint;
  readonly b: bigint;
}

/** `x + y v + z v²`. */
export interface Fp6 {
  readonly x: Fp2;
  readonly y: Fp2;
  readonly z: Fp2;
}

/** `g + h w`. */
export interface Fp12 {
  readonly g: Fp6;
  readonly h: Fp6;
}

export const ZERO2: Fp2 = { a: 0n, b: 0n };
export const ONE2: Fp2 = { a: 1n, b: 0n };
const XI: Fp2 = { a: 9n, b: 1n };
const ZERO6: Fp6 = { x: ZERO2, y: ZERO2, z: ZERO2 };
export const ONE12: Fp12 = { g: { x: ONE2, y: ZERO2, z: ZERO2 }, h: ZERO6 };

export const add2 = (s: Fp2, t: Fp2): Fp2 => ({ a: s.a + t.a, b: s.b + t.b });
export const sub2 = (s: Fp2, t: Fp2): Fp2 => ({ a: s.a - t.a, b: s.b - t.b });
export const negate2 = (s: Fp2): Fp2 => ({ a: -s.a, b: -s.b });
export const conjugate2 = (s: Fp2): Fp2 => ({ a: s.a, b: -s.b });
const timesXi = (s: Fp2): Fp2 => ({ a: 9n * s.a - s.b, b: s.a + 9n * s.b });
const reduce2 = (s: Fp2): Fp2 => ({ a: s.a % P, b: s.b % P });

/** A product that is not reduced yet. */
const product2 = (s: Fp2, t: Fp2): Fp2 => ({ a: s.a * t.a - s.b * t.b, b: s.a * t.b + s.b * t.a });
const squared2 = (s: Fp2): Fp2 => ({ a: (s.a + s.b) * (s.a - s.b), b: 2n * s.a * s.b });

export const mul2 = (s: Fp2, t: Fp2): Fp2 => reduce2(product2(s, t));
export const square2 = (s: Fp2): Fp2 => reduce2(squared2(s));
/** The element times a number. */
export const scale2 = (s: Fp2, factor: bigint): Fp2 => ({ a: (s.a * factor) % P, b: (s.b * factor) % P });
export const isZero2 = (s: Fp2): boolean => s.a % P === 0n && s.b % P === 0n;

/** The inverse; zero has none. */
export function invert2(s: Fp2): Fp2 {
  const factor = Fp.inv(Fp.create(s.a * s.a + s.b * s.b));
  return { a: (s.a * factor) % P, b: (-s.b * factor) % P };
}

/** `s` to a power from 1 on. */
function power2(s: Fp2, exponent: bigint): Fp2 {
  let power = s;
  for (const bit of exponent.toString(2).slice(1)) {
    power = square2(power);
    if (bit === "1") power = mul2(power, s);
  }
  return power;
}

const add6 = (s: Fp6, t: Fp6): Fp6 => ({ x: add2(s.x, t.x), y: add2(s.y, t.y), z: add2(s.z, t.z) });
const sub6 = (s: Fp6, t: Fp6): Fp6 => ({ x: sub2(s.x, t.x), y: sub2(s.y, t.y), z: sub2(s.z, t.z) });
const timesV = (s: Fp6): Fp6 => ({ x: timesXi(s.z), y: s.x, z: s.y });
const reduce6 = (s: Fp6): Fp6 => ({ x: reduce2(s.x), y: reduce2(s.y), z: reduce2(s.z) });

/** A product by Karatsuba's method: six products of Fp2. */
function product6(s: Fp6, t: Fp6): Fp6 {
  const [x, y, z] = [product2(s.x, t.x), product2(s.y, t.y), product2(s.z, t.z)];
  const yz = sub2(product2(add2(s.y, s.z), add2(t.y, t.z)), add2(y, z));
  const xy = sub2(product2(add2(s.x, s.y), add2(t.x, t.y)), add2(x, y));
  const xz = sub2(product2(add2(s.x, s.z), add2(t.x, t.z)), add2(x, z));
  return { x: add2(x, timesXi(yz)), y: add2(xy, timesXi(z)), z: add2(xz, y) };
}

/** The product with `tx + ty v`: five products of Fp2. */
function productSparse6(s: Fp6, tx: Fp2, ty: Fp2): Fp6 {
  const [x, y] = [product2(s.x, tx), product2(s.y, ty)];
  const xy = sub2(product2(add2(s.x, s.y), add2(tx, ty)), add2(x, y));
  return { x: add2(x, timesXi(product2(s.z, ty))), y: xy, z: add2(y, product2(s.z, tx)) };
}

function invert6({ x, y, z }: Fp6): Fp6 {
  const tx = reduce2(sub2(squared2(x), timesXi(product2(y, z))));
  const ty = reduce2(sub2(timesXi(squared2(z)), product2(x, y)));
  const tz = reduce2(sub2(squared2(y), product2(x, z)));
  const norm = add2(product2(x, tx), timesXi(add2(product2(z, ty), product2(y, tz))));
  const inverse = invert2(reduce2(norm));
  return { x: mul2(tx, inverse), y: mul2(ty, inverse), z: mul2(tz, inverse) };
}

/** The product of which the three products of Fp6 are given: `sg tg`, `sh th` and `(sg + sh)(tg + th)`. */
function join12(g: Fp6, h: Fp6, both: Fp6): Fp12 {
  return { g: reduce6(add6(g, timesV(h))), h: reduce6(sub6(both, add6(g, h))) };
}

export function mul12(s: Fp12, t: Fp12): Fp12 {
  return join12(product6(s.g, t.g), product6(s.h, t.h), product6(add6(s.g, s.h), add6(t.g, t.h)));
}

export function square12({ g, h }: Fp12): Fp12 {
  const gh = product6(g, h);
  const both = product6(add6(g, h), add6(g, timesV(h)));
  return { g: reduce6(sub6(both, add6(gh, timesV(gh)))), h: reduce6(add6(gh, gh)) };
}

/** The inverse of an element of norm one over Fp6, as all of the cyclotomic subgroup are. */
export const conjugate12 = ({ g, h }: Fp12): Fp12 => ({ g, h: { x: negate2(h.x), y: negate2(h.y), z: negate2(h.z) } });

/** The inverse; zero has none. */
export function invert12({ g, h }: Fp12): Fp12 {
  const inverse = invert6(reduce6(sub6(product6(g, g), timesV(product6(h, h)))));
  return conjugate12({ g: reduce6(product6(g, inverse)), h: reduce6(product6(h, inverse)) });
}

/** `1`, or the line `c0 + c1 w + c3 w³`, as a factor of a Miller loop: thirteen products of Fp2. */
export function mulLine({ g, h }: Fp12, c0: Fp2, c1: Fp2, c3: Fp2): Fp12 {
  const first = { x: product2(g.x, c0), y: product2(g.y, c0), z: product2(g.z, c0) };
  return join12(first, productSparse6(h, c1, c3), productSparse6(add6(g, h), add2(c0, c1), c3));
}

/** Times `(1 + s1 w + s3 w³)(1 + t1 w + t3 w³)`: twenty products of Fp2 for two lines. */
export function mulLines({ g, h }: Fp12, s1: Fp2, s3: Fp2, t1: Fp2, t3: Fp2): Fp12 {
  const [one, three] = [product2(s1, t1), product2(s3, t3)];
  const cross = sub2(product2(add2(s1, s3), add2(t1, t3)), add2(one, three));
  const even = reduce6({ x: add2(ONE2, timesXi(three)), y: one, z: cross });
  const [odd1, odd3] = [add2(s1, t1), add2(s3, t3)];
  const sum = { x: add2(even.x, odd1), y: add2(even.y, odd3), z: even.z };
  return join12(product6(g, even), productSparse6(h, odd1, odd3), product6(add6(g, h), sum));
}

/** The square of `s + t y` for y² = ξ; the part of y is left halved. */
const squared4 = (s: Fp2, t: Fp2): readonly [Fp2, Fp2] => [add2(squared2(s), timesXi(squared2(t))), product2(s, t)];
/** `(3 wide ± 2 s)`, reduced. */
const triple = (wide: Fp2, s: Fp2, sign: bigint): Fp2 => reduce2({ a: 3n * wide.a + sign * s.a, b: 3n * wide.b + sign * s.b });
const sextuple = (half: Fp2, s: Fp2): Fp2 => reduce2({ a: 6n * half.a + 2n * s.a, b: 6n * half.b + 2n * s.b });

/** The square of an element of the cyclotomic subgroup (Granger and Scott, PKC 2010, section 3.2). */
export function cyclotomicSquare({ g, h }: Fp12): Fp12 {
  const [xx, xy] = squared4(g.x, h.y);
  const [yy, yz] = squared4(h.x, g.z);
  const [zz, zx] = squared4(g.y, h.z);
  return {
    g: { x: triple(xx, g.x, -2n), y: triple(yy, g.y, -2n), z: triple(zz, g.z, -2n) },
    h: { x: sextuple(timesXi(zx), h.x), y: sextuple(xy, h.y), z: sextuple(yz, h.z) },
  };
}

/** ξ to the powers of j (p - 1) / 6, which Frobenius multiplies the coefficient of w to the j by. */
export const FROBENIUS: readonly [Fp2, Fp2, Fp2, Fp2, Fp2] = frobeniusFactors();

function frobeniusFactors(): readonly [Fp2, Fp2, Fp2, Fp2, Fp2] {
  const first = power2(XI, (P - 1n) / 6n);
  const second = square2(first);
  const third = mul2(second, first);
  return [first, second, third, square2(second), mul2(third, second)];
}

/** The p-th power. */
export function frobenius12({ g, h }: Fp12): Fp12 {
  const [one, two, three, four, five] = FROBENIUS;
  const times = (s: Fp2, factor: Fp2) => mul2(conjugate2(s), factor);
  return {
    g: { x: conjugate2(g.x), y: times(g.y, two), z: times(g.z, four) },
    h: { x: times(h.x, one), y: times(h.y, three), z: times(h.z, five) },
  };
}

/** Whether two elements are the same, in whatever form. */
export function isEqual12(s: Fp12, t: Fp12): boolean {
  const { g, h } = { g: sub6(s.g, t.g), h: sub6(s.h, t.h) };
  return [g.x, g.y, g.z, h.x, h.y, h.z].every(isZero2);
}
