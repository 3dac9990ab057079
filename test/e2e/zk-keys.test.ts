/** Keys of every generator that we ship or read: what they show of a model, and that no public signal can be altered under them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasCargo, prover, proverProgram, runCargo } from "../../scripts/cargo.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { CheckedModel, IntegerModel } from "../../src/model/integer/integer-model.ts";
import { checkIntegerModel } from "../../src/model/integer/parse-model.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { estimateProof } from "../../src/paths/zk/compile/estimate.ts";
import { generateWitness } from "../../src/paths/zk/compile/witness.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { type KeyProgram, openKeyProgram } from "../../src/paths/zk/server/key-program.ts";
import { makeDevKey } from "../../src/paths/zk/server/make-dev-key.ts";
import { openProverPool } from "../../src/paths/zk/server/prover-pool.ts";
import { snarkjsProgram } from "../../src/paths/zk/server/prover-programs.ts";
import { encodeR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import { encodeWitness } from "../../src/paths/zk/wire/wtns.ts";
import { readVerificationKey } from "../../src/paths/zk/wire/zkey.ts";
import { testPowersOfTau } from "../fixtures/powers-of-tau.ts";
import { smallCircuit, smallWitness } from "../fixtures/zk-circuit.ts";

const repository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const SCRIPT = repository("dist/src/paths/zk/snarkjs/main.js");
const SNARKJS = repository("node_modules/snarkjs/build/cli.cjs");
const cargo = hasCargo();
if (!cargo) console.log("zk: cargo is not installed, so keys of the Rust program are not tested");

const folder = mkdtempSync(join(tmpdir(), "triseal-zk-keys-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const put = (name: string, bytes: Uint8Array) => {
  writeFileSync(at(name), bytes);
  return at(name);
};
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const code = (expected: string) => expect.objectContaining({ code: expected });

/** Three inputs, two outputs; the weights and biases are given. */
function dense(weights: readonly number[], bias: readonly number[]): CheckedModel {
  const draft: IntegerModel = {
    v: 1,
    input: { name: "x", shape: [3], encoding: { kind: "affine", multiplier: 1, zero: 0, max: 15 } },
    ops: [{ op: "linear", x: 0, rows: 2, bits: 4, weights: Int8Array.from(weights), bias: [...bias] }],
    output: { name: "y", meaning: "logits", scale: 1, offset: 0 },
  };
  return checkIntegerModel(draft);
}

const ONE = dense([1, -2, 3, 4, 5, -6], [7, -8]);
const OTHER = dense([-7, 6, 5, -4, 3, 2], [-1, 0]);

const smallKeyProof = {
  system: smallCircuit(),
  witness: encodeWitness(smallWitness(3n, 77n)),
  signals: [12n, 77n],
};
const circuit = compileCircuit(ONE);
const modelWitness = generateWitness(circuit, ONE, {
  input: Int32Array.of(1, 2, 15),
  salt: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
  context: 123_456_789n,
});
const modelProof = { system: circuit.system, witness: modelWitness.file, signals: modelWitness.publicSignals };

/** Proves under a key; the proof must hold for its signals and for no others. */
async function expectBound(zkey: Uint8Array, { witness, signals }: typeof modelProof): Promise<void> {
  const file = put(`${sha256(zkey).slice(0, 16)}.zkey`, zkey);
  const pool = await openProverPool(snarkjsProgram(SCRIPT, file), { workers: 1, memoryMib: 1024, maxQueued: 1 });
  try {
    const options = { signal: new AbortController().signal, progress: () => undefined };
    const { proof, publicSignals } = await pool.prove(witness, options);
    expect(publicSignals).toEqual(signals);
    const verifier = openVerifier(readVerificationKey(zkey).key);
    expect(verifier.verify(proof, signals)).toBe(true);
    for (const [index, signal] of signals.entries()) {
      for (const altered of [signal + 1n, 0n, 1n].filter((value) => value !== signal)) {
        expect(verifier.verify(proof, signals.with(index, altered)), `signal ${index}`).toBe(false);
      }
    }
  } finally {
    await pool.close();
  }
}

describe("an altered public signal is refused, also one that no other row uses", () => {
  it("under a development key that was made without the Rust program", async () => {
    await expectBound(await makeDevKey(smallKeyProof.system, () => undefined), smallKeyProof);
    const zkey = await makeDevKey(circuit.system, () => undefined);
    await expectBound(zkey, modelProof);
    expect(estimateProof(circuit)).toMatchObject({ provingKeyBytes: zkey.length, constraints: circuit.usedRows });
  }, 60_000);

  it("under a key of snarkjs from powers of tau and a contribution", async () => {
    const run = (...args: string[]) => execFileSync(process.execPath, [SNARKJS, ...args], { stdio: "pipe" });
    const r1cs = put("small.r1cs", encodeR1cs(smallKeyProof.system));
    const powers = repository("test/vectors/zk/small.ptau");
    run("powersoftau", "prepare", "phase2", powers, at("phase2.ptau"));
    run("groth16", "setup", r1cs, at("phase2.ptau"), at("empty.zkey"));
    const empty = new Uint8Array(readFileSync(at("empty.zkey")));
    expect(() => openVerifier(readVerificationKey(empty).key)).toThrow(code("ZK_KEY_INVALID"));
    run("zkey", "contribute", at("empty.zkey"), at("contributed.zkey"), "--name=test", "-e=test entropy of a test key");
    await expectBound(new Uint8Array(readFileSync(at("contributed.zkey"))), smallKeyProof);
  }, 120_000);

  it("and a verification key is read from no file that is truncated or foreign", async () => {
    const zkey = new Uint8Array(readFileSync(repository("test/vectors/zk/small.zkey")));
    expect(() => readVerificationKey(zkey.subarray(0, 700))).toThrow(code("FORMAT_INVALID"));
    expect(() => readVerificationKey(modelProof.witness)).toThrow(code("FORMAT_INVALID"));
    const foreign = zkey.slice();
    foreign[12 + 12 + 4 + 12 + 4] = (foreign[12 + 12 + 4 + 12 + 4] ?? 0) ^ 1;
    expect(() => readVerificationKey(foreign)).toThrow(code("FORMAT_INVALID"));
  });
});

describe.skipIf(!cargo)("keys of the Rust program", () => {
  let program: KeyProgram;
  let ptau: string;
  let digest: string;
  const previous = digestOf(new Uint8Array(1));

  /** The key of a model on the test's powers, before and after one contribution. */
  async function keysOf(name: string, checked: CheckedModel) {
    const r1cs = put(`${name}.r1cs`, encodeR1cs(compileCircuit(checked).system));
    const [prepared, contributed] = [at(`${name}.0.zkey`), at(`${name}.1.zkey`)];
    await program.prepare({ r1cs, ptau, sha256: digest, zkey: prepared });
    await program.contribute(prepared, contributed, digestOf(readFileSync(r1cs)), previous);
    return { prepared, contributed };
  }

  beforeAll(async () => {
    runCargo(prover, "build");
    program = openKeyProgram(proverProgram, () => undefined);
    const powers = testPowersOfTau(9);
    [ptau, digest] = [put("test.ptau", powers), sha256(powers)];
  }, 600_000);

  it("bind every public signal: a development key, and one from powers of tau with a contribution", async () => {
    for (const proven of [smallKeyProof, modelProof]) {
      const [r1cs, zkey] = [put("dev.r1cs", encodeR1cs(proven.system)), at("dev.zkey")];
      await program.devSetup({ r1cs, zkey, vk: at("dev.json") });
      await expectBound(new Uint8Array(readFileSync(zkey)), proven);
    }
    const { contributed } = await keysOf("one", ONE);
    await expectBound(new Uint8Array(readFileSync(contributed)), modelProof);
  }, 60_000);

  it("of two models of one architecture on one powers-of-tau file have byte-identical IC, and differ in delta alone", async () => {
    const [one, other] = [await keysOf("one", ONE), await keysOf("other", OTHER)];
    const section3 = (file: string) => JSON.stringify(readVerificationKey(new Uint8Array(readFileSync(file))).key.ic, String);
    const keyOf = (file: string) => readVerificationKey(new Uint8Array(readFileSync(file))).key;
    expect(keyOf(one.contributed).ic).toEqual(keyOf(other.contributed).ic);
    expect(section3(one.prepared)).toBe(section3(other.prepared));
    const { delta: first, ...shared } = keyOf(one.contributed);
    const { delta: second, ...alsoShared } = keyOf(other.contributed);
    expect(shared).toEqual(alsoShared);
    expect(first).not.toEqual(second);
    expect(readFileSync(one.prepared)).not.toEqual(readFileSync(other.prepared));
  }, 60_000);

  it("are told from keys of another circuit, of other powers, and from keys with a point that was not divided", async () => {
    const [one, other] = [await keysOf("one", ONE), await keysOf("other", OTHER)];
    await expect(program.assertSameKey(one.prepared, one.contributed)).resolves.toBeUndefined();
    await expect(program.assertSameKey(one.prepared, other.contributed)).rejects.toThrow(code("ZK_SETUP_INVALID"));
    const key = readFileSync(one.contributed);
    const undivided = readFileSync(one.prepared);
    // The header with the new delta, on points that it was not divided out of.
    key.copy(undivided, 0, 0, 12 + 12 + 4 + 12 + 660);
    await expect(program.assertSameKey(one.prepared, put("undivided.zkey", undivided))).rejects.toThrow(code("ZK_SETUP_INVALID"));
  }, 60_000);

  it("are prepared from no powers of another digest, and contributed to only with whole hashes", async () => {
    const r1cs = put("again.r1cs", encodeR1cs(circuit.system));
    const refused = program.prepare({ r1cs, ptau, sha256: "0".repeat(64), zkey: at("never.zkey") });
    await expect(refused).rejects.toThrow(code("ZK_SETUP_INVALID"));
    await expect(program.powers(ptau, "0".repeat(64))).rejects.toThrow(code("ZK_SETUP_INVALID"));
    await expect(program.applyFactor(at("none.zkey"), at("never.zkey"), 5n)).rejects.toThrow(code("FORMAT_INVALID"));
    const { prepared } = await keysOf("one", ONE);
    await expect(program.applyFactor(prepared, at("never.zkey"), 0n)).rejects.toThrow(code("ZK_SETUP_INVALID"));
  }, 60_000);
});
