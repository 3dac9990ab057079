import { readFileSync } from "node:fs";
import { bn254 } from "@noble/curves/bn254.js";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { openVerifier } from "../../../src/paths/zk/evidence/groth16.ts";
import {
  decodeProofDocument,
  decodeSignalsDocument,
  type PointG1,
  type PointG2,
  type Proof,
  parseVerificationKey,
  type VerificationKey,
} from "../../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";

const vector = JSON.parse(readFileSync(new URL("../../vectors/zk/groth16.json", import.meta.url), "utf8"));
const key = parseVerificationKey(utf8(JSON.stringify(vector.key)));
const signals = decodeSignalsDocument(vector.publicSignals);
const rust = decodeProofDocument(vector.proofs.rust);
const snarkjs = decodeProofDocument(vector.proofs.snarkjs);
const verifier = openVerifier(key);

const { Fp, Fp2 } = bn254.fields;
const negateG1 = ({ x, y }: PointG1): PointG1 => ({ x, y: Fp.neg(y) });
const negateG2 = ({ x, y }: PointG2): PointG2 => ({ x, y: [Fp.neg(y[0]), Fp.neg(y[1])] });
const GENERATOR_G1: PointG1 = { x: 1n, y: 2n };

function generatorG2(): PointG2 {
  const { x, y } = bn254.G2.Point.BASE.toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
}

/** A point of the twisted curve outside the subgroup: almost every point with a small x is. */
function outsideSubgroup(): PointG2 {
  for (let c0 = 1n; c0 < 100n; c0++) {
    const x = Fp2.fromBigTuple([c0, 1n]);
    try {
      const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.mul(x, x), x), bn254.G2.Point.CURVE().b));
      if (!bn254.G2.Point.fromAffine({ x, y }).isTorsionFree()) return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
    } catch {
      // no such y: the next x
    }
  }
  throw new Error("no point found");
}

describe("verification of a proof", () => {
  it("accepts what each prover proved, and with signs changed what is the same proof in another spelling", () => {
    expect([rust, snarkjs].map((proof) => verifier.verify(proof, signals))).toEqual([true, true]);
    const respelled = { a: negateG1(rust.a), b: negateG2(rust.b), c: rust.c };
    expect(verifier.verify(respelled, signals)).toBe(true);
  });

  it("refuses another value of every public signal, also one that no constraint uses", () => {
    for (let index = 0; index < signals.length; index++) {
      for (const change of [1n, -1n]) {
        const changed = signals.with(index, (signals[index] ?? 0n) + change);
        expect(verifier.verify(rust, changed)).toBe(false);
      }
    }
  });

  it("refuses another number of signals and aliases beyond the field order", () => {
    expect(verifier.verify(rust, signals.slice(1))).toBe(false);
    expect(verifier.verify(rust, [...signals, 0n])).toBe(false);
    expect(verifier.verify(rust, [])).toBe(false);
    for (const alias of [FIELD_ORDER, -FIELD_ORDER]) {
      expect(verifier.verify(rust, signals.with(0, (signals[0] ?? 0n) + alias))).toBe(false);
    }
  });

  it("refuses every proof with one part changed, exchanged, at infinity or outside its group", () => {
    const changed: Proof[] = [
      { ...rust, a: snarkjs.a },
      { ...rust, b: snarkjs.b },
      { ...rust, c: snarkjs.c },
      { ...rust, a: rust.c, c: rust.a },
      { ...rust, a: negateG1(rust.a) },
      { ...rust, b: negateG2(rust.b) },
      { ...rust, c: negateG1(rust.c) },
      { ...rust, a: { x: rust.a.x, y: rust.a.y + 1n } },
      { ...rust, a: { x: 0n, y: 0n } },
      { ...rust, c: { x: 0n, y: 0n } },
      { ...rust, b: { x: [0n, 0n], y: [0n, 0n] } },
      { ...rust, b: { x: rust.b.x, y: [rust.b.y[1], rust.b.y[0]] } },
      { ...rust, b: outsideSubgroup() },
    ];
    expect(changed.map((proof) => verifier.verify(proof, signals))).toEqual(changed.map(() => false));
  });
});

describe("opening a verification key", () => {
  const refused = (change: Partial<VerificationKey>, message: RegExp) =>
    expect(() => openVerifier({ ...key, ...change })).toThrow(
      expect.objectContaining({ code: "ZK_KEY_INVALID", message: expect.stringMatching(message) }),
    );

  it("refuses a key whose second phase is missing, under which anyone can forge", () => {
    refused({ delta: key.gamma }, /second phase/);
    refused({ delta: generatorG2(), gamma: key.delta }, /second phase/);
    refused({ delta: generatorG2() }, /second phase/);
  });

  it("refuses points that are zero, off their curve or outside their subgroup", () => {
    refused({ alpha: { x: 0n, y: 0n } }, /alpha/);
    refused({ alpha: { x: 1n, y: 1n } }, /alpha/);
    refused({ beta: outsideSubgroup() }, /beta/);
    refused({ gamma: { x: [0n, 0n], y: [0n, 0n] } }, /gamma/);
    refused({ delta: outsideSubgroup() }, /delta/);
    refused({ ic: key.ic.with(2, { x: 3n, y: 3n }) }, /IC\[2\]/);
    refused({ ic: key.ic.with(1, { x: 0n, y: 0n }) }, /IC\[1\]/);
    refused({ ic: [] }, /no `IC`/);
  });

  it("gives a verifier that accepts no proof of another key", () => {
    for (const change of [{ alpha: GENERATOR_G1 }, { beta: key.delta }, { ic: key.ic.toReversed() }]) {
      expect(openVerifier({ ...key, ...change }).verify(rust, signals)).toBe(false);
    }
  });
});
