/**
 * Groth16 proofs over the library's WebAssembly, by the arrangement of its keys: the quotient is taken at the odd points of the
 * doubled domain, whose Lagrange polynomials the key holds. The library's own `prove` builds its WebAssembly anew for each
 * proof, reads the whole key, multiplies the matrices term by term from JavaScript, and keeps to one thread.
 */
import { randomBytes } from "node:crypto";
import type { Curve, Task } from "snarkjs";
import { type ProvingKey, readWitness } from "./proving-key.ts";
import { classify, sumFull, sumWires } from "./sums.ts";

const FIELD_BYTES = 32;

/** A proof as snarkjs writes it, with the public signals that it is about. */
export interface Proven {
  readonly proof: object;
  readonly publicSignals: readonly string[];
}

const fieldTask = (...steps: Task): Task => steps;

/** Products of the matrices A and B with the witness by rows, and their product. */
async function rowsOf(curve: Curve, key: ProvingKey, witness: Uint8Array): Promise<readonly Uint8Array[]> {
  const len = key.domain * FIELD_BYTES;
  const sizes = [{ val: 0 }, { val: key.domain }, { val: 0 }, { val: key.wires }];
  const params = [{ var: 0 }, { val: key.termCount }, { var: 1 }, { var: 2 }, { var: 3 }, { var: 4 }, ...sizes];
  return await curve.tm.queueAction(
    fieldTask(
      { cmd: "ALLOCSET", var: 0, buff: key.terms },
      { cmd: "ALLOCSET", var: 1, buff: witness },
      { cmd: "ALLOC", var: 2, len },
      { cmd: "ALLOC", var: 3, len },
      { cmd: "ALLOC", var: 4, len },
      { cmd: "CALL", fnName: "qap_buildABC", params },
      { cmd: "GET", out: 0, var: 2, len },
      { cmd: "GET", out: 1, var: 3, len },
      { cmd: "GET", out: 2, var: 4, len },
    ),
  );
}

/** From values on the domain to values at the odd points of the doubled one. */
async function toOddPoints(curve: Curve, values: Uint8Array, domain: number): Promise<Uint8Array> {
  const root = curve.Fr.w[Math.log2(domain) + 1] ?? new Uint8Array(FIELD_BYTES);
  const size = { val: domain };
  const [result = values] = await curve.tm.queueAction(
    fieldTask(
      { cmd: "ALLOCSET", var: 0, buff: values },
      { cmd: "ALLOCSET", var: 1, buff: curve.Fr.e(1n) },
      { cmd: "ALLOCSET", var: 2, buff: root },
      { cmd: "CALL", fnName: "frm_ifft", params: [{ var: 0 }, size] },
      { cmd: "CALL", fnName: "frm_batchApplyKey", params: [{ var: 0 }, size, { var: 1 }, { var: 2 }, { var: 0 }] },
      { cmd: "CALL", fnName: "frm_fft", params: [{ var: 0 }, size] },
      { cmd: "GET", out: 0, var: 0, len: values.length },
    ),
  );
  return result;
}

/** `A B - C` at the odd points of the doubled domain, in plain form. */
async function quotient(curve: Curve, key: ProvingKey, witness: Uint8Array): Promise<Uint8Array> {
  const rows = await rowsOf(curve, key, witness);
  const [a, b, c] = await Promise.all(rows.map((values) => toOddPoints(curve, values, key.domain)));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three polynomials were asked for");
  const size = { val: key.domain };
  const [result = a] = await curve.tm.queueAction(
    fieldTask(
      { cmd: "ALLOCSET", var: 0, buff: a },
      { cmd: "ALLOCSET", var: 1, buff: b },
      { cmd: "ALLOCSET", var: 2, buff: c },
      { cmd: "CALL", fnName: "qap_joinABC", params: [{ var: 0 }, { var: 1 }, { var: 2 }, size, { var: 0 }] },
      { cmd: "CALL", fnName: "frm_batchFromMontgomery", params: [{ var: 0 }, size, { var: 0 }] },
      { cmd: "GET", out: 0, var: 0, len: a.length },
    ),
  );
  return result;
}

/** A uniform scalar, from 64 bytes of the system's generator. */
const randomScalar = (order: bigint): bigint => BigInt(`0x${randomBytes(64).toString("hex")}`) % order;

function orderWords(order: bigint): Uint32Array {
  return Uint32Array.from({ length: 8 }, (_, at) => Number((order >> BigInt(32 * at)) & 0xffff_ffffn));
}

/** Coordinates as decimal strings, also of G2's pairs. */
const document = (point: readonly (bigint | readonly bigint[])[]): unknown =>
  point.map((part) => (typeof part === "bigint" ? part.toString() : part.map(String)));

function publicSignalsOf(witness: Uint8Array, count: number): string[] {
  const view = new DataView(witness.buffer, witness.byteOffset, witness.byteLength);
  return Array.from({ length: count }, (_, at) => {
    let value = 0n;
    for (let word = 3; word >= 0; word--) value = (value << 64n) | view.getBigUint64((at + 1) * FIELD_BYTES + word * 8, true);
    return value.toString();
  });
}

/**
 * Proves the `.wtns` file. The proof is not verified: a witness that does not satisfy the circuit gives one that does not hold.
 * @throws Failure `ZK_WITNESS_INVALID` for a witness of another circuit's size.
 */
export async function prove(curve: Curve, key: ProvingKey, file: Uint8Array): Promise<Proven> {
  const witness = readWitness(file, key.wires);
  const { G1, G2, Fr } = curve;
  const { alpha1, beta1, beta2, delta1, delta2 } = key.header;
  // The quotient is the longest way: its tasks stand first in the queue.
  const quotientOdd = quotient(curve, key, witness);
  const scalars = classify(witness, orderWords(curve.r));
  const sums = [key.a, key.b1, key.b2, key.c].map((list) => sumWires(curve, list, scalars));
  const hSum = await sumFull(curve, key.h, await quotientOdd);
  const [aSum = G1.zero, b1Sum = G1.zero, b2Sum = G2.zero, cSum = G1.zero] = await Promise.all(sums);
  scalars.words.fill(0);
  scalars.small.fill(0);
  const [r, s] = [Fr.e(randomScalar(curve.r)), Fr.e(randomScalar(curve.r))];
  const a = G1.add(G1.add(aSum, alpha1), G1.timesFr(delta1, r));
  const b1 = G1.add(G1.add(b1Sum, beta1), G1.timesFr(delta1, s));
  const b = G2.add(G2.add(b2Sum, beta2), G2.timesFr(delta2, s));
  const blinded = G1.sub(G1.add(G1.timesFr(a, s), G1.timesFr(b1, r)), G1.timesFr(delta1, Fr.mul(r, s)));
  const c = G1.add(G1.add(cSum, hSum), blinded);
  const proof = {
    pi_a: document(G1.toObject(G1.toAffine(a))),
    pi_b: document(G2.toObject(G2.toAffine(b))),
    pi_c: document(G1.toObject(G1.toAffine(c))),
    protocol: "groth16",
    curve: "bn128",
  };
  return { proof, publicSignals: publicSignalsOf(witness, key.publicSignals) };
}
