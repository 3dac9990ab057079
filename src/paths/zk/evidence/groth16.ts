/**
 * Verification of Groth16 proofs on BN254, in the browser too. A key is opened once: its points are checked, what is fixed
 * is computed, and each proof then costs one Miller loop over three pairs and one final exponentiation.
 */
import { bn254 } from "@noble/curves/bn254.js";
import { zkError } from "../wire/codes.ts";
import type { PointG1, PointG2, Proof, VerificationKey } from "../wire/documents.ts";
import { FIELD_ORDER } from "../wire/field.ts";
import { finalExponentiation, fixLines, type Lines, linesOf, millerLoop, pairing, type Slope } from "./pairing.ts";
import { isEqual12 } from "./tower.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fp2 } = bn254.fields;

type Curve1 = InstanceType<typeof G1>;
type Curve2 = InstanceType<typeof G2>;

/** Proofs are malleable: two documents can prove one statement. Neither a proof nor its hash is an identifier. */
export interface Groth16Verifier {
  /**
   * Whether `proof` proves the key's circuit for `publicSignals`.
   * @returns false for signals of another number or not below the field order, for points outside their groups, and for a
   *   proof that does not hold. Says nothing about who made the key: see setup.ts.
   */
  verify(proof: Proof, publicSignals: readonly bigint[]): boolean;
}

/** A point on the curve that is not zero; null otherwise. G1 has prime order, so every point is in the group. */
export function readG1({ x, y }: PointG1): Curve1 | null {
  if (!Fp.isValid(x) || !Fp.isValid(y) || !Fp.eql(Fp.sqr(y), Fp.add(Fp.mul(Fp.sqr(x), x), G1.CURVE().b))) return null;
  return G1.fromAffine({ x, y });
}

/** The lines of a point on the twisted curve, in the subgroup of prime order, that is not zero; null otherwise. */
function readLines(point: PointG2): Lines | null {
  if (![...point.x, ...point.y].every((part) => Fp.isValid(part))) return null;
  const [x, y] = [Fp2.fromBigTuple([...point.x]), Fp2.fromBigTuple([...point.y])];
  if (!Fp2.eql(Fp2.sqr(y), Fp2.add(Fp2.mul(Fp2.sqr(x), x), G2.CURVE().b))) return null;
  return linesOf({ x: { a: x.c0, b: x.c1 }, y: { a: y.c0, b: y.c1 } });
}

/** A point on the twisted curve, in the subgroup of prime order, that is not zero; null otherwise. */
export function readG2(point: PointG2): Curve2 | null {
  if (readLines(point) === null) return null;
  return G2.fromAffine({ x: Fp2.fromBigTuple([...point.x]), y: Fp2.fromBigTuple([...point.y]) });
}

function keyPoint<T>(point: T | null, name: string): T {
  if (point === null) throw zkError("ZK_KEY_INVALID", `${name} of the verification key is zero or outside its group`);
  return point;
}

const isSame = (one: PointG2, two: PointG2): boolean =>
  [...one.x, ...one.y].every((part, at) => part === [...two.x, ...two.y][at]);

/** Points of `IC` may be zero: a public signal that no constraint uses would have one, and is refused. */
function readKey(key: VerificationKey) {
  const opened = {
    alpha: keyPoint(readG1(key.alpha), "alpha"),
    beta: keyPoint(readLines(key.beta), "beta"),
    gamma: keyPoint(readLines(key.gamma), "gamma"),
    delta: keyPoint(readLines(key.delta), "delta"),
    ic: key.ic.map((point, index) => keyPoint(readG1(point), `IC[${index}]`)),
  };
  const { x, y } = G2.BASE.toAffine();
  if (isSame(key.delta, key.gamma) || isSame(key.delta, { x: [x.c0, x.c1], y: [y.c0, y.c1] })) {
    throw zkError("ZK_KEY_INVALID", "the key has no second phase: delta was never contributed to, so anyone can forge proofs");
  }
  if (opened.ic.length === 0) throw zkError("ZK_KEY_INVALID", "the verification key has no `IC`");
  return opened;
}

/** Signals from here on are summed with a table of their point, made the first time: commitment and context are as large. */
const LARGE_SIGNAL = 2n ** 128n;
/** Bits of a table's windows: a table has about 800 points, and a product with it takes 51 additions and no doubling. */
const WINDOW_BITS = 5;

/** `IC[0] + sum signal_i IC[i]`. Small signals and small negative ones, as outputs are, cost few additions. */
function openInputs(ic: readonly Curve1[]): (signals: readonly bigint[]) => Curve1 {
  const tabled = new Set<Curve1>();
  const times = (point: Curve1, scalar: bigint): Curve1 => {
    if (scalar >= LARGE_SIGNAL && !tabled.has(point)) tabled.add(point.precompute(WINDOW_BITS));
    return point.multiplyUnsafe(scalar);
  };
  return (signals) => {
    let sum = ic[0] ?? G1.ZERO;
    for (const [index, signal] of signals.entries()) {
      const point = ic[index + 1] ?? G1.ZERO;
      const negative = FIELD_ORDER - signal;
      if (signal === 0n) continue;
      sum = signal <= negative ? sum.add(times(point, signal)) : sum.subtract(times(point, negative));
    }
    return sum;
  };
}

/** The negative points as unit lines take them, by one inversion. No point of G1 has y = 0: its order is odd. */
function negativeSlopes(c: Curve1, inputs: Curve1): readonly [Slope, Slope] {
  if (inputs.is0())
    return [
      { x: Fp.neg(Fp.div(c.X, c.Y)), y: Fp.neg(Fp.div(c.Z, c.Y)) },
      { x: 0n, y: 0n },
    ];
  const both = Fp.inv(Fp.mul(c.Y, inputs.Y));
  const slope = ({ X, Z }: Curve1, inverse: bigint): Slope => ({ x: Fp.neg(Fp.mul(X, inverse)), y: Fp.neg(Fp.mul(Z, inverse)) });
  return [slope(c, Fp.mul(both, inputs.Y)), slope(inputs, Fp.mul(both, c.Y))];
}

/**
 * A verifier for `key`.
 * @throws TrisealError `ZK_KEY_INVALID` for a point that is zero or outside its group, and for a key whose second phase is
 *   missing (delta is gamma or the generator), which other implementations accept.
 */
export function openVerifier(key: VerificationKey): Groth16Verifier {
  const { alpha, beta, gamma, delta, ic } = readKey(key);
  const expected = pairing(alpha.toAffine(), beta);
  const lines = [fixLines(delta), fixLines(gamma)] as const;
  const combine = openInputs(ic);
  return {
    verify(proof, publicSignals) {
      if (publicSignals.length + 1 !== ic.length) return false;
      if (publicSignals.some((signal) => signal < 0n || signal >= FIELD_ORDER)) return false;
      const [a, b, c] = [readG1(proof.a), readLines(proof.b), readG1(proof.c)];
      if (a === null || b === null || c === null) return false;
      const slopes = negativeSlopes(c, combine(publicSignals));
      return isEqual12(finalExponentiation(millerLoop(b, proof.a, { lines, slopes })), expected);
    },
  };
}
