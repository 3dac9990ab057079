/**
 * Verification of Groth16 proofs on BN254, in the browser too. A key is opened once: its points are checked, what is fixed
 * is computed, and each proof then costs one batch of Miller loops and one final exponentiation.
 */
import { bn254 } from "@noble/curves/bn254.js";
import { zkError } from "../wire/codes.ts";
import type { PointG1, PointG2, Proof, VerificationKey } from "../wire/documents.ts";
import { FIELD_ORDER } from "../wire/field.ts";
import { isInPrimeGroup } from "./subgroup.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fp2, Fp12 } = bn254.fields;
const { calcPairingPrecomputes } = bn254.utils;

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

/** A point on the twisted curve, in the subgroup of prime order, that is not zero; null otherwise. */
export function readG2(point: PointG2): Curve2 | null {
  if (![...point.x, ...point.y].every((part) => Fp.isValid(part))) return null;
  const [x, y] = [Fp2.fromBigTuple([...point.x]), Fp2.fromBigTuple([...point.y])];
  if (!Fp2.eql(Fp2.sqr(y), Fp2.add(Fp2.mul(Fp2.sqr(x), x), G2.CURVE().b))) return null;
  const read = G2.fromAffine({ x, y });
  return isInPrimeGroup(read) ? read : null;
}

function keyPoint<T>(point: T | null, name: string): T {
  if (point === null) throw zkError("ZK_KEY_INVALID", `${name} of the verification key is zero or outside its group`);
  return point;
}

/** Points of `IC` may be zero: a public signal that no constraint uses would have one, and is refused. */
function readKey(key: VerificationKey) {
  const opened = {
    alpha: keyPoint(readG1(key.alpha), "alpha"),
    beta: keyPoint(readG2(key.beta), "beta"),
    gamma: keyPoint(readG2(key.gamma), "gamma"),
    delta: keyPoint(readG2(key.delta), "delta"),
    ic: key.ic.map((point, index) => keyPoint(readG1(point), `IC[${index}]`)),
  };
  if (opened.delta.equals(opened.gamma) || opened.delta.equals(G2.BASE)) {
    throw zkError("ZK_KEY_INVALID", "the key has no second phase: delta was never contributed to, so anyone can forge proofs");
  }
  if (opened.ic.length === 0) throw zkError("ZK_KEY_INVALID", "the verification key has no `IC`");
  return opened;
}

/** `IC[0] + sum signal_i IC[i]`. Small signals and small negative ones, as outputs are, cost few additions. */
function combine(ic: readonly Curve1[], signals: readonly bigint[]): Curve1 {
  let sum = ic[0] ?? G1.ZERO;
  for (const [index, signal] of signals.entries()) {
    const point = ic[index + 1] ?? G1.ZERO;
    const negative = FIELD_ORDER - signal;
    if (signal === 0n) continue;
    sum = signal <= negative ? sum.add(point.multiplyUnsafe(signal)) : sum.subtract(point.multiplyUnsafe(negative));
  }
  return sum;
}

/**
 * A verifier for `key`.
 * @throws TrisealError `ZK_KEY_INVALID` for a point that is zero or outside its group, and for a key whose second phase is
 *   missing (delta is gamma or the generator), which other implementations accept.
 */
export function openVerifier(key: VerificationKey): Groth16Verifier {
  const { alpha, beta, gamma, delta, ic } = readKey(key);
  const expected = bn254.pairing(alpha, beta);
  const gammaLines = calcPairingPrecomputes(gamma.negate());
  const deltaLines = calcPairingPrecomputes(delta.negate());
  return {
    verify(proof, publicSignals) {
      if (publicSignals.length + 1 !== ic.length) return false;
      if (publicSignals.some((signal) => signal < 0n || signal >= FIELD_ORDER)) return false;
      const [a, b, c] = [readG1(proof.a), readG2(proof.b), readG1(proof.c)];
      if (a === null || b === null || c === null) return false;
      const inputs = combine(ic, publicSignals);
      const terms: [ReturnType<typeof calcPairingPrecomputes>, bigint, bigint][] = [
        [calcPairingPrecomputes(b), a.x, a.y],
        [deltaLines, c.x, c.y],
      ];
      if (!inputs.is0()) {
        const { x, y } = inputs.toAffine();
        terms.push([gammaLines, x, y]);
      }
      return Fp12.eql(Fp12.finalExponentiate(bn254.millerLoopBatch(terms)), expected);
    },
  };
}
