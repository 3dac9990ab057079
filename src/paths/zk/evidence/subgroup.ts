/**
 * Membership in the group of prime order r on BN254's twisted curve, by the endomorphism ψ (Frobenius, taken through the
 * twist), which multiplies every point of that group by p. With u the curve's parameter, a point P is taken where
 * `[u + 1] P + ψ([u] P) + ψ²([u] P) = ψ³([2u] P)`: one multiplication by 63 bits in place of 127.
 *
 * It is no weaker than `[r] P = 0`. The left side less the right is f(ψ) P for f = (u + 1) + uT + uT² - 2uT³, and ψ is a root
 * of T² - tT + p. So f(ψ) P = 0 gives [N] P = 0, where N is the resultant of f with that polynomial; every point of the curve
 * has [r h] P = 0 for the cofactor h; and gcd(N, r h) = r. A test computes these numbers.
 */
import { psiFrobenius } from "@noble/curves/abstract/tower.js";
import { bn254 } from "@noble/curves/bn254.js";

const G2 = bn254.G2.Point;
const { Fp, Fp2 } = bn254.fields;

type Point = InstanceType<typeof G2>;

/** The curve's parameter: p and r are polynomials in it. */
export const CURVE_PARAMETER = 4965661367192848881n;

let frobenius: ReturnType<typeof psiFrobenius> | null = null;

/** Whether `point`, of the curve and not zero, is in the group of prime order. Public points only: its time tells the point. */
export function isInPrimeGroup(point: Point): boolean {
  frobenius ??= psiFrobenius(Fp, Fp2, Fp2.NONRESIDUE);
  const { psi, psi2 } = frobenius;
  const multiple = point.multiplyUnsafe(CURVE_PARAMETER);
  if (multiple.is0()) return false;
  const { x, y } = multiple.toAffine();
  const [x1, y1] = psi(x, y);
  const [x2, y2] = psi2(x, y);
  const [x3, y3] = psi2(x1, y1);
  const once = G2.fromAffine({ x: x1, y: y1 });
  const twice = G2.fromAffine({ x: x2, y: y2 });
  const thrice = G2.fromAffine({ x: x3, y: y3 });
  return multiple.add(point).add(once).add(twice).equals(thrice.double());
}
