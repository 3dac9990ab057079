import { readFileSync } from "node:fs";
import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
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
import { knownKey } from "../../fixtures/zk-leg.ts";

const vector = JSON.parse(readFileSync(new URL("../../vectors/zk/groth16.json", import.meta.url), "utf8"));
const key = parseVerificationKey(utf8(JSON.stringify(vector.key)));
const signals = decodeSignalsDocument(vector.publicSignals);
const rust = decodeProofDocument(vector.proofs.rust);
const snarkjs = decodeProofDocument(vector.proofs.snarkjs);
const verifier = openVerifier(key);

const { Fp, Fp2, Fr } = bn254.fields;
const negateG1 = ({ x, y }: PointG1): PointG1 => ({ x, y: Fp.neg(y) });
const negateG2 = ({ x, y }: PointG2): PointG2 => ({ x, y: [Fp.neg(y[0]), Fp.neg(y[1])] });
const GENERATOR_G1: PointG1 = { x: 1n, y: 2n };

function affineG2(point: InstanceType<typeof bn254.G2.Point>): PointG2 {
  const { x, y } = point.toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
}

const generatorG2 = (): PointG2 => affineG2(bn254.G2.Point.BASE);

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

describe("beside the library's own pairing", () => {
  const known = knownKey(31_337n, 4);
  const opened = openVerifier(known.key);
  const { G1, G2 } = bn254;
  const g1 = ({ x, y }: PointG1) => G1.Point.fromAffine({ x, y });
  const g2 = ({ x, y }: PointG2) => G2.Point.fromAffine({ x: Fp2.fromBigTuple([...x]), y: Fp2.fromBigTuple([...y]) });

  /** The textbook's equation, each part in the library's own arithmetic and with its own checks; it reduces what is not reduced. */
  function referenceVerdict({ a, b, c }: Proof, publicSignals: readonly bigint[]): boolean {
    if (![a.x, a.y, ...b.x, ...b.y, c.x, c.y].every((part) => Fp.isValid(part))) return false;
    try {
      const { alpha, beta, gamma, delta, ic } = known.key;
      const [pa, pb, pc] = [g1(a), g2(b), g1(c)];
      for (const point of [pa, pc]) point.assertValidity();
      pb.assertValidity();
      if (pa.is0() || pb.is0() || pc.is0() || !pb.isTorsionFree()) return false;
      const inputs = publicSignals.reduce(
        (sum, signal, at) => sum.add(g1(ic[at + 1] ?? GENERATOR_G1).multiplyUnsafe(signal)),
        g1(ic[0] ?? GENERATOR_G1),
      );
      const pairs = [
        { g1: pa.negate(), g2: pb },
        { g1: g1(alpha), g2: g2(beta) },
        { g1: pc, g2: g2(delta) },
        ...(inputs.is0() ? [] : [{ g1: inputs, g2: g2(gamma) }]),
      ];
      const { Fp12 } = bn254.fields;
      return Fp12.eql(bn254.pairingBatch(pairs), Fp12.ONE);
    } catch {
      return false;
    }
  }

  /** Signals of every size: small, small negative, and of the field's size. */
  const signal = fc.oneof(
    fc.bigInt({ min: 0n, max: 255n }),
    fc.bigInt({ min: FIELD_ORDER - 255n, max: FIELD_ORDER - 1n }),
    fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n }),
  );
  const four = fc.array(signal, { minLength: 4, maxLength: 4 });

  it("accepts random proofs, and refuses them for other signals", () => {
    fc.assert(
      fc.property(four, four, (mine, other) => {
        const proof = known.prove(mine);
        expect([opened.verify(proof, mine), referenceVerdict(proof, mine)]).toEqual([true, true]);
        expect(opened.verify(proof, other)).toBe(referenceVerdict(proof, other));
      }),
      { numRuns: 6 },
    );
  });

  it("gives the same verdict on points that are none, outside their group, on another curve, or not reduced", () => {
    const mine = [3n, FIELD_ORDER - 4n, 5n ** 90n, 6n];
    const proof = known.prove(mine);
    const { a, b, c } = proof;
    const order = Fp.ORDER;
    const outside = outsideSubgroup();
    const cases: Proof[] = [
      proof,
      { ...proof, a: { x: a.x + order, y: a.y } },
      { ...proof, a: { x: a.x, y: a.y - order } },
      { ...proof, b: { x: [b.x[0] + order, b.x[1]], y: b.y } },
      { ...proof, b: { x: b.x, y: [b.y[0], b.y[1] - order] } },
      { ...proof, c: { x: c.x, y: c.y + order } },
      { ...proof, a: { x: 0n, y: 0n } },
      { ...proof, b: { x: [0n, 0n], y: [0n, 0n] } },
      { ...proof, b: outside },
      // A point outside that differs from the right one by a point of the cofactor's group.
      {
        ...proof,
        b: affineG2(
          g2(b).add(
            g2(outside)
              .multiplyUnsafe(FIELD_ORDER - 1n)
              .add(g2(outside)),
          ),
        ),
      },
      // On y² = x³ + 4, a curve of another order.
      { ...proof, a: { x: 0n, y: 2n } },
      { ...proof, c: { x: 0n, y: 2n } },
      // On the curve, but the twist's points read as those of another twist.
      { ...proof, b: { x: [b.x[1], b.x[0]], y: [b.y[1], b.y[0]] } },
      { ...proof, b: { x: [1n, 0n], y: [2n, 0n] } },
      { ...proof, a: { x: a.y, y: a.x } },
    ];
    const verdicts = cases.map((item) => opened.verify(item, mine));
    expect(verdicts).toEqual(cases.map((item) => referenceVerdict(item, mine)));
    expect(verdicts).toEqual(cases.map((_, at) => at === 0));
  });

  it("accepts a proof whose signals sum up to the zero point", () => {
    const last = Fr.div(Fr.neg(31_347n + 31_348n + 31_349n + 31_350n), 31_351n);
    const mine = [1n, 1n, 1n, last];
    const proof = known.prove(mine);
    expect([opened.verify(proof, mine), referenceVerdict(proof, mine)]).toEqual([true, true]);
    expect(opened.verify({ ...proof, a: negateG1(proof.a) }, mine)).toBe(false);
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
