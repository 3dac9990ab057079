/** The verifiers' part of a `.zkey` file, version 1, of Groth16 on BN254. */
import { TrisealError } from "../../../core/errors.ts";
import { parseContainer } from "./container.ts";
import { MAX_PUBLIC_SIGNALS, type PointG1, type PointG2, type VerificationKey } from "./documents.ts";
import { FIELD_BYTES, FIELD_ORDER, readUint256 } from "./field.ts";

const MAX_ZKEY_BYTES = 4 * 2 ** 30;
const HEADER_BYTES = 660;
const G1_BYTES = 64;
const BASE_ORDER = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

function inverseOfR(): bigint {
  // Fermat: R^(p - 2) mod p.
  let [result, base, exponent] = [1n, 2n ** 256n % BASE_ORDER, BASE_ORDER - 2n];
  for (; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % BASE_ORDER;
    base = (base * base) % BASE_ORDER;
  }
  return result;
}

const INVERSE_R = inverseOfR();

/** A coordinate, which the file holds in Montgomery form. */
function coordinate(view: DataView, offset: number): bigint {
  const value = readUint256(view, offset);
  if (value >= BASE_ORDER) throw new TrisealError("FORMAT_INVALID", "a coordinate is not below the field order");
  return (value * INVERSE_R) % BASE_ORDER;
}

const g1 = (view: DataView, at: number): PointG1 => ({ x: coordinate(view, at), y: coordinate(view, at + 32) });
const g2 = (view: DataView, at: number): PointG2 => ({
  x: [coordinate(view, at), coordinate(view, at + 32)],
  y: [coordinate(view, at + 64), coordinate(view, at + 96)],
});

/** Sizes of the circuit that a key is for. */
export interface KeySizes {
  readonly wires: number;
  readonly publicSignals: number;
  readonly domain: number;
}

/** What of a proving key is not for its prover alone. */
export interface ReadKey {
  readonly key: VerificationKey;
  readonly sizes: KeySizes;
  /** delta in the first group: what blinds `a` of every proof. Where it is zero, proofs show something of their witness. */
  readonly delta1: PointG1;
}

/**
 * The verification key inside a proving key, and its circuit's sizes. Points are not checked: see `openVerifier`.
 * @throws TrisealError `FORMAT_INVALID` for a file that is truncated, foreign or not of BN254.
 */
export function readVerificationKey(zkey: Uint8Array): ReadKey {
  const sections = parseContainer(zkey, "zkey", 1, MAX_ZKEY_BYTES);
  const head = sections.get(2, HEADER_BYTES);
  const fields = head.getUint32(0, true) === FIELD_BYTES && readUint256(head, 4) === BASE_ORDER;
  if (!fields || head.getUint32(36, true) !== FIELD_BYTES || readUint256(head, 40) !== FIELD_ORDER) {
    throw new TrisealError("FORMAT_INVALID", "the key is not on BN254");
  }
  const [wires, publicSignals, domain] = [72, 76, 80].map((at) => head.getUint32(at, true)) as [number, number, number];
  if (publicSignals > MAX_PUBLIC_SIGNALS || publicSignals >= wires) {
    throw new TrisealError("FORMAT_INVALID", "the key's sizes are out of range");
  }
  const points = sections.get(3, G1_BYTES * (publicSignals + 1));
  const ic = Array.from({ length: publicSignals + 1 }, (_, at) => g1(points, at * G1_BYTES));
  const key = { alpha: g1(head, 84), beta: g2(head, 212), gamma: g2(head, 340), delta: g2(head, 532), ic };
  return { key, sizes: { wires, publicSignals, domain }, delta1: g1(head, 468) };
}
