import { bn254 } from "@noble/curves/bn254.js";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { assertDistinctDeltas, judgeSetup, parseAcceptedSetups, verifySetup } from "../../../src/paths/zk/evidence/setup.ts";
import { verifyStandalone } from "../../../src/paths/zk/evidence/standalone.ts";
import {
  g1Json,
  g2Json,
  type PointG1,
  type PointG2,
  type VerificationKey,
  verificationKeyDigest,
} from "../../../src/paths/zk/wire/documents.ts";
import {
  beaconFactor,
  challengeOf,
  contributionMessage,
  decodeSetupDocument,
  devSetup,
  encodeSetup,
  nextHash,
  parseSetup,
  type Setup,
  setupDocument,
  startHash,
  transcriptDigest,
} from "../../../src/paths/zk/wire/setup.ts";
import { standaloneContext } from "../../../src/paths/zk/wire/standalone.ts";
import { createSeedSigner } from "../../../src/signing/ed25519-signer.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fr } = bn254.fields;
const code = (expected: string) => expect.objectContaining({ code: expected });
const named = (text: string): Sha256Digest => digestOf(utf8(text));

const g1 = (scalar: bigint): PointG1 => G1.BASE.multiply(scalar).toAffine();
const g2 = (scalar: bigint): PointG2 => {
  const { x, y } = G2.BASE.multiply(scalar).toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
};

const signer = (seed: number) => createSeedSigner(`test-${seed}`, new Uint8Array(32).fill(seed));
const [ALICE, BOB, MALLORY] = [signer(1), signer(2), signer(3)];
const CIRCUIT = named("circuit");
const [ALPHA, BETA] = [g1(1001n), g2(1002n)];
const PHASE1 = { digest: named("powers"), alpha: ALPHA, beta: BETA, zkey: named("prepared") };
const BEACON = { source: "a test value", value: "ab".repeat(32), iterationsLog: 3 };

const keyWith = (delta: bigint): VerificationKey => ({
  alpha: ALPHA,
  beta: BETA,
  gamma: g2(1n),
  delta: g2(delta),
  ic: [g1(5n), g1(6n)],
});

interface Ceremony {
  readonly setup: Setup;
  readonly key: VerificationKey;
}

/** A ceremony whose contributors' secrets are small numbers; `forge` changes a contribution before it is hashed and signed. */
function ceremony(
  parties: readonly { readonly signer: typeof ALICE; readonly factor: bigint; readonly claimed?: bigint }[],
  withBeacon: boolean,
  state: "ceremony" | "single-party" = "ceremony",
): Ceremony {
  let delta = 1n;
  const start: Setup = {
    ...devSetup({ modelDigest: named("model"), circuitDigest: CIRCUIT, keyDigest: named("later") }),
    state,
    phase1: PHASE1,
  };
  let hash = startHash(start, PHASE1);
  const contributions = parties.map(({ signer: by, factor, claimed }, at) => {
    const before = g1(delta);
    const nonce = 77n + BigInt(at);
    const commitment = G1.fromAffine(before).multiply(nonce).toAffine();
    delta = Fr.mul(delta, factor);
    const after = { previous: hash, zkey: named(`key ${at}`), delta1: g1(delta), delta2: g2(delta) };
    const challenge = challengeOf(CIRCUIT, hash, { before, delta1: after.delta1, delta2: after.delta2, commitment });
    const response = Fr.add(nonce, Fr.mul(challenge, claimed ?? factor));
    const next = nextHash(CIRCUIT, after);
    const signature = by.sign(contributionMessage(CIRCUIT, { previous: hash, next }));
    hash = next;
    return { ...after, next, name: by.keyId, publicKey: by.publicKey, signature, proof: { commitment, response } };
  });
  let beacon: Setup["beacon"] = null;
  if (withBeacon) {
    delta = Fr.mul(delta, beaconFactor({ previous: hash, ...BEACON }));
    const after = { previous: hash, zkey: named("last key"), delta1: g1(delta), delta2: g2(delta) };
    beacon = { ...after, next: nextHash(CIRCUIT, after), ...BEACON };
  }
  const key = keyWith(delta);
  return { setup: { ...start, keyDigest: verificationKeyDigest(key), contributions, beacon }, key };
}

const TWO = [
  { signer: ALICE, factor: 31n },
  { signer: BOB, factor: 37n },
];
const { setup, key } = ceremony(TWO, true);

/** The document with one member changed, decoded again. */
function changed(change: (document: { [name: string]: JsonValue }) => void): Setup {
  const document = structuredClone(setupDocument(setup)) as { [name: string]: JsonValue };
  change(document);
  return decodeSetupDocument(document);
}

const item = (document: { [name: string]: JsonValue }, at: number) =>
  (document["contributions"] as JsonObject[])[at] as { [name: string]: JsonValue };

describe("a ceremony's transcript", () => {
  it("leads to its key, with and without a beacon, and survives its own document", () => {
    expect(() => verifySetup(setup, key)).not.toThrow();
    const plain = ceremony(TWO, false);
    expect(() => verifySetup(plain.setup, plain.key)).not.toThrow();
    expect(() => verifySetup(parseSetup(encodeSetup(setup)), key)).not.toThrow();
    expect(transcriptDigest(parseSetup(encodeSetup(setup)))).toBe(transcriptDigest(setup));
  });

  it("is refused for another key, also one that differs in alpha, beta, gamma, delta or IC alone", () => {
    const others: VerificationKey[] = [
      { ...key, alpha: g1(7n) },
      { ...key, beta: g2(7n) },
      { ...key, gamma: g2(7n) },
      { ...key, delta: g2(7n) },
      { ...key, ic: [g1(5n), g1(7n)] },
    ];
    for (const other of others) expect(() => verifySetup(setup, other)).toThrow(code("ZK_SETUP_INVALID"));
    for (const other of others.slice(0, 4)) {
      const relabelled = { ...setup, keyDigest: verificationKeyDigest(other) };
      expect(() => verifySetup(relabelled, other)).toThrow(code("ZK_SETUP_INVALID"));
    }
  });

  it("is refused where any of its members is changed", () => {
    const other = g1Json(g1(99n));
    const changes: ((document: { [name: string]: JsonValue }) => void)[] = [
      (document) => Object.assign(document, { circuitDigest: named("other") }),
      (document) => Object.assign(document["phase1"] as object, { digest: named("other") }),
      (document) => Object.assign(document["phase1"] as object, { zkey: named("other") }),
      (document) => Object.assign(document["phase1"] as object, { alpha: other }),
      (document) => Object.assign(item(document, 0), { previous: named("other") }),
      (document) => Object.assign(item(document, 0), { next: named("other") }),
      (document) => Object.assign(item(document, 0), { zkey: named("other") }),
      (document) => Object.assign(item(document, 0), { delta1: other }),
      (document) => Object.assign(item(document, 1), { delta2: g2Json(g2(99n)) }),
      (document) => Object.assign(item(document, 1), { publicKey: MALLORY.publicKey }),
      (document) => Object.assign(item(document, 1), { signature: "00".repeat(64) }),
      (document) => Object.assign(item(document, 1)["proof"] as object, { response: "1" }),
      (document) => Object.assign(item(document, 1)["proof"] as object, { commitment: other }),
      (document) => Object.assign(document["beacon"] as object, { value: "cd".repeat(32) }),
      (document) => Object.assign(document["beacon"] as object, { iterationsLog: 4 }),
      (document) => Object.assign(document, { beacon: null }),
      (document) => Object.assign(document, { contributions: [item(document, 1)] }),
      (document) => Object.assign(document, { contributions: [item(document, 1), item(document, 0)] }),
      (document) => Object.assign(document, { contributions: [item(document, 0), item(document, 0)] }),
    ];
    for (const change of changes) {
      expect(() => verifySetup(changed(change), key), change.toString()).toThrow(code("ZK_SETUP_INVALID"));
    }
  });

  it("is refused where a contributor did not know the factor, changed nothing, or undid everything before", () => {
    const unknown = ceremony([{ signer: ALICE, factor: 31n, claimed: 32n }], false);
    expect(() => verifySetup(unknown.setup, unknown.key)).toThrow(/does not show that its factor was known/);
    const nothing = ceremony([...TWO, { signer: MALLORY, factor: 1n }], false);
    expect(() => verifySetup(nothing.setup, nothing.key)).toThrow(/changed nothing/);
    // Mallory throws the others' secrets away: delta is 41 and its factor between the deltas unknown to Mallory.
    const overwritten = Fr.div(41n, Fr.mul(31n, 37n));
    const thrown = ceremony([...TWO, { signer: MALLORY, factor: overwritten, claimed: 41n }], false);
    expect(() => verifySetup(thrown.setup, thrown.key)).toThrow(/does not show that its factor was known/);
  });

  it("is refused where one party contributed twice, and where nobody did", () => {
    const twice = ceremony([...TWO, { signer: ALICE, factor: 43n }], false);
    expect(() => verifySetup(twice.setup, twice.key)).toThrow(/stands twice/);
    const nobody = { ...setup, contributions: [], beacon: null };
    expect(() => verifySetup(nobody, key)).toThrow(/nobody contributed/);
  });

  it("is refused where its key has no second phase", () => {
    const bare = keyWith(1n);
    expect(() => verifySetup({ ...setup, keyDigest: verificationKeyDigest(bare) }, bare)).toThrow(code("ZK_KEY_INVALID"));
    const dev = devSetup({ modelDigest: named("m"), circuitDigest: CIRCUIT, keyDigest: verificationKeyDigest(bare) });
    expect(() => verifySetup(dev, bare)).toThrow(code("ZK_KEY_INVALID"));
  });
});

describe("a setup's document", () => {
  it.each<[string, (document: { [name: string]: JsonValue }) => void]>([
    ["an unknown state", (document) => Object.assign(document, { state: "trusted" })],
    ["an unknown member", (document) => Object.assign(document, { extra: 1 })],
    ["no powers of tau", (document) => Object.assign(document, { phase1: null })],
    ["a transcript of a dev-insecure key", (document) => Object.assign(document, { state: "dev-insecure" })],
    ["two contributions of a single party", (document) => Object.assign(document, { state: "single-party" })],
    ["a point in another form", (document) => Object.assign(item(document, 0), { delta1: ["1", "2"] })],
    ["a coordinate beyond the field", (document) => Object.assign(item(document, 0), { delta1: ["9".repeat(77), "2", "1"] })],
    ["too many iterations", (document) => Object.assign(document["beacon"] as object, { iterationsLog: 25 })],
  ])("is refused with %s", (_, change) => {
    expect(() => changed(change)).toThrow(code("FORMAT_INVALID"));
  });

  it("is refused beyond its size, and where it is no JSON", () => {
    expect(() => parseSetup(new Uint8Array(1024 * 1024 + 1))).toThrow(code("FORMAT_INVALID"));
    expect(() => parseSetup(utf8("{"))).toThrow(code("FORMAT_INVALID"));
    expect(() => parseSetup(utf8("[]"))).toThrow(code("FORMAT_INVALID"));
  });
});

describe("what a relying party accepts", () => {
  const powers = { digest: PHASE1.digest, alpha: g1Json(ALPHA), beta: g2Json(BETA) };
  const contributors = [ALICE, BOB, MALLORY].map(({ keyId, publicKey }) => ({ name: keyId, publicKey }));
  const judge = (entries: JsonValue, judged = setup) => judgeSetup(judged, parseAcceptedSetups(entries)).accepted;
  const dev = devSetup({ modelDigest: named("m"), circuitDigest: CIRCUIT, keyDigest: named("k") });

  it("is nothing where it named nothing", () => {
    for (const judged of [setup, dev]) expect(judgeSetup(judged, parseAcceptedSetups(undefined)).accepted).toBeNull();
  });

  it("is a ceremony by its transcript, or by enough of its contributors on named powers", () => {
    expect(judge([{ state: "ceremony", transcript: transcriptDigest(setup), powers }])).toBe("named");
    expect(judge([{ state: "ceremony", contributors, minimum: 2, powers, beacon: "required" }])).toBe("named");
    expect(judge([{ state: "ceremony", contributors, minimum: 3, powers }])).toBeNull();
    expect(judge([{ state: "ceremony", contributors: contributors.slice(1), minimum: 2, powers }])).toBeNull();
    expect(judge([{ state: "ceremony", transcript: named("other"), powers }])).toBeNull();
    const plain = ceremony(TWO, false).setup;
    expect(judge([{ state: "ceremony", contributors, minimum: 2, powers, beacon: "required" }], plain)).toBeNull();
  });

  it("is no ceremony on other powers of tau, by file or by point", () => {
    const others = [
      { ...powers, digest: named("other") },
      { ...powers, alpha: g1Json(g1(9n)) },
      { ...powers, beta: g2Json(g2(9n)) },
    ];
    for (const other of others) {
      expect(judge([{ state: "ceremony", transcript: transcriptDigest(setup), powers: other }])).toBeNull();
      expect(judge([{ state: "ceremony", contributors, minimum: 1, powers: other }])).toBeNull();
    }
  });

  it("is a weak setup only with a reason, which the judgement repeats, and only of its own state", () => {
    const weak = [{ state: "dev-insecure", because: "a demonstration" }];
    expect(judgeSetup(dev, parseAcceptedSetups(weak))).toMatchObject({ accepted: "unnamed", because: "a demonstration" });
    expect(judge(weak)).toBeNull();
    expect(judge([{ state: "ceremony", accept: "any", because: "internal" }])).toBe("unnamed");
    expect(judge([{ state: "dev-insecure", because: "one key", key: named("k") }], dev)).toBe("unnamed");
    expect(judge([{ state: "dev-insecure", because: "one key", key: named("j") }], dev)).toBeNull();
  });

  it.each<[string, JsonValue]>([
    ["a weak entry without a reason", [{ state: "dev-insecure" }]],
    ["any ceremony without a reason", [{ state: "ceremony", accept: "any" }]],
    ["named contributors without powers", [{ state: "ceremony", contributors, minimum: 1 }]],
    ["a minimum beyond its contributors", [{ state: "ceremony", contributors, minimum: 4, powers }]],
    ["a contributor twice", [{ state: "ceremony", contributors: [...contributors, contributors[0] ?? {}], minimum: 1, powers }]],
    ["a state that is none", [{ state: "trusted", because: "x" }]],
    ["no list", { state: "dev-insecure", because: "x" }],
  ])("is malformed with %s", (_, entries) => {
    expect(() => parseAcceptedSetups(entries)).toThrow(code("TRUST_FILE_INVALID"));
  });
});

describe("keys that are used side by side", () => {
  const other = named("another circuit");
  it("may share a delta only within one circuit", () => {
    const entry = { circuitDigest: CIRCUIT, key };
    expect(() => assertDistinctDeltas([entry, entry, { circuitDigest: other, key: keyWith(5n) }])).not.toThrow();
    expect(() => assertDistinctDeltas([entry, { circuitDigest: other, key: { ...key, ic: [g1(8n), g1(9n)] } }])).toThrow(
      code("ZK_SETUP_INVALID"),
    );
    expect(() => assertDistinctDeltas([entry, { circuitDigest: other, key }])).toThrow(code("ZK_SETUP_INVALID"));
  });
});

describe("a key that a stranger wrote to an honest ceremony's deltas", () => {
  const powers = { digest: PHASE1.digest, alpha: g1Json(ALPHA), beta: g2Json(BETA) };
  const contributors = [{ name: "alice", publicKey: ALICE.publicKey }];
  const byName = parseAcceptedSetups([{ state: "ceremony", powers, contributors, minimum: 1 }]);
  const modelDigest = named("model");
  const nonce = new Uint8Array(32);
  const signals = [77n, 5n, standaloneContext(modelDigest, nonce)];
  // IC sums up to minus the last delta, so that e(alpha, beta) e(-delta, 1) e(1, delta) is what is wanted.
  const free = [g1(11n), g1(12n), g1(13n)];
  const sum = signals.reduce(
    (total, signal, at) => {
      return total.add(G1.fromAffine(free[at] ?? g1(1n)).multiply(signal));
    },
    G1.fromAffine(setup.beacon?.delta1 ?? g1(1n)),
  );
  const verificationKey: VerificationKey = { ...key, ic: [sum.negate().toAffine(), ...free] };
  const relabelled = { ...setup, keyDigest: verificationKeyDigest(verificationKey) };
  const proof = { a: key.alpha, b: key.beta, c: g1(1n) };
  const document = { modelDigest, nonce, publicSignals: signals, proof, verificationKey, setup: relabelled };

  it("passes its transcript, and is said to be nobody's key unless the relying party names it", () => {
    expect(verifyStandalone(document, byName, null)).toMatchObject({ setup: { accepted: "named" }, isKeyNamed: false });
    const other = [{ digest: setup.keyDigest, model: modelDigest }];
    expect(verifyStandalone(document, byName, null, other).isKeyNamed).toBe(false);
    const elsewhere = [{ digest: relabelled.keyDigest, model: named("another model") }];
    expect(verifyStandalone(document, byName, null, elsewhere).isKeyNamed).toBe(false);
    const own = [{ digest: relabelled.keyDigest, model: modelDigest }];
    expect(verifyStandalone(document, byName, null, own).isKeyNamed).toBe(true);
  });

  it("is refused where the transcript is named, which covers the key", () => {
    const byTranscript = parseAcceptedSetups([{ state: "ceremony", transcript: transcriptDigest(setup), powers }]);
    expect(() => verifyStandalone(document, byTranscript, null)).toThrow(code("ZK_SETUP_NOT_ACCEPTED"));
    const forged = parseAcceptedSetups([{ state: "ceremony", transcript: transcriptDigest(relabelled), powers }]);
    expect(verifyStandalone(document, forged, null).isKeyNamed).toBe(true);
  });
});
