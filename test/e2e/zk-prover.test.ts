/** Both prover programs, as real processes behind the pool, and the verifier against them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bn254 } from "@noble/curves/bn254.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasCargo, prover, proverProgram, runCargo } from "../../scripts/cargo.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { openProverPool, type PoolLimits, type Prover } from "../../src/paths/zk/server/prover-pool.ts";
import type { ProverProgram } from "../../src/paths/zk/server/prover-process.ts";
import { isBuilt, rustProgram, snarkjsProgram } from "../../src/paths/zk/server/prover-programs.ts";
import { ConstraintBuilder } from "../../src/paths/zk/wire/constraint-system.ts";
import { parseVerificationKey, proofDocument, verificationKeyDocument } from "../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../src/paths/zk/wire/field.ts";
import { encodeR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import { encodeWitness } from "../../src/paths/zk/wire/wtns.ts";
import { smallCircuit, smallWitness } from "../fixtures/zk-circuit.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const SCRIPT = at("dist/src/paths/zk/snarkjs/main.js");
const KEY = at("test/vectors/zk/small.zkey");
const key = parseVerificationKey(readFileSync(at("test/vectors/zk/small.vk.json")));
const LIMITS: PoolLimits = { workers: 2, memoryMib: 1024, maxQueued: 2 };
const cargo = hasCargo();
if (!cargo) console.log("zk: cargo is not installed, so the tests of the Rust prover are skipped");

const folder = mkdtempSync(join(tmpdir(), "triseal-zk-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = encodeWitness(smallWitness(3n, 77n));
const BROKEN = encodeWitness([1n, 13n, 77n, 3n, 9n]);
const signal = new AbortController().signal;
const progress = () => undefined;
const code = (expected: string) => expect.objectContaining({ code: expected });

/** `accepted` or `rejected` for each case, by snarkjs itself. */
function secondOpinion(cases: readonly object[]): string[] {
  const file = join(folder, "cases.json");
  writeFileSync(file, JSON.stringify(cases));
  return execFileSync(process.execPath, [SCRIPT, "verify", "--cases", file], { encoding: "utf8" }).trim().split("\n");
}

/** The key file with the generators as delta: what key generation leaves before anybody contributed. */
function uncontributedKey(): string {
  const bytes = readFileSync(KEY);
  const montgomery = (value: bigint) => {
    const field = (value * 2n ** 256n) % bn254.fields.Fp.ORDER;
    return Buffer.from(field.toString(16).padStart(64, "0"), "hex").reverse();
  };
  const { x, y } = bn254.G2.Point.BASE.toAffine();
  const head = 12 + 12 + 4 + 12;
  Buffer.concat([1n, 2n, x.c0, x.c1, y.c0, y.c1].map(montgomery)).copy(bytes, head + 468);
  const file = join(folder, "uncontributed.zkey");
  writeFileSync(file, bytes);
  return file;
}

function proverSuite(programFor: (keyFile: string) => ProverProgram): void {
  let pool: Prover;
  beforeAll(async () => {
    pool = await openProverPool(programFor(KEY), LIMITS);
  });
  afterAll(() => pool.close());

  it("proves a witness, and the proof holds for its public signals alone", async () => {
    const { proof, publicSignals } = await pool.prove(GOOD, { signal, progress });
    expect(publicSignals).toEqual([12n, 77n]);
    const verifier = openVerifier(key);
    expect(verifier.verify(proof, publicSignals)).toBe(true);
    expect(verifier.verify(proof, [12n, 78n])).toBe(false);
  });

  it("gives no proof of a witness that breaks the circuit or is malformed, and goes on", async () => {
    await expect(pool.prove(BROKEN, { signal, progress })).rejects.toThrow(code("ZK_WITNESS_INVALID"));
    await expect(pool.prove(encodeWitness([1n, 2n]), { signal, progress })).rejects.toThrow(code("ZK_WITNESS_INVALID"));
    await expect(pool.prove(GOOD, { signal, progress })).resolves.toMatchObject({ publicSignals: [12n, 77n] });
  });

  it("proves more jobs than it has processes, and refuses those beyond its queue", async () => {
    const stages: string[] = [];
    const jobs = Array.from({ length: 5 }, () => pool.prove(GOOD, { signal, progress: (stage) => stages.push(stage) }));
    const results = await Promise.allSettled(jobs);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(4);
    expect(results[4]).toMatchObject({ status: "rejected", reason: code("ZK_PROVER_OVERLOADED") });
    expect(stages.filter((stage) => stage === "queued")).toHaveLength(2);
  });

  it("rejects a cancelled job with its reason, and proves the next", async () => {
    const cancel = new AbortController();
    const job = pool.prove(GOOD, { signal: cancel.signal, progress: () => cancel.abort(new Error("enough")) });
    await expect(job).rejects.toThrow("enough");
    await expect(pool.prove(GOOD, { signal, progress })).resolves.toMatchObject({ publicSignals: [12n, 77n] });
  });

  it("refuses a key without a second phase, a truncated key and a missing one", async () => {
    await expect(openProverPool(programFor(uncontributedKey()), LIMITS)).rejects.toThrow(code("ZK_KEY_INVALID"));
    const truncated = join(folder, "truncated.zkey");
    writeFileSync(truncated, readFileSync(KEY).subarray(0, 900));
    await expect(openProverPool(programFor(truncated), LIMITS)).rejects.toThrow(code("FORMAT_INVALID"));
    await expect(openProverPool(programFor(join(folder, "none")), LIMITS)).rejects.toThrow(code("ZK_PROVER_LOST"));
  });

  it("fails every job once it is closed", async () => {
    const closing = await openProverPool(programFor(KEY), { ...LIMITS, workers: 1 });
    const jobs = [closing.prove(GOOD, { signal, progress }), closing.prove(GOOD, { signal, progress })];
    const settled = Promise.allSettled(jobs);
    await closing.close();
    await expect(closing.prove(GOOD, { signal, progress })).rejects.toThrow(code("ZK_PROVER_LOST"));
    expect((await settled).map(({ status }) => status)).toContain("rejected");
  });
}

describe("the npm prover", () => {
  proverSuite((keyFile) => snarkjsProgram(SCRIPT, keyFile));

  it("ends with its own usage text for a command that it does not know", () => {
    expect(() => execFileSync(process.execPath, [SCRIPT, "prove"], { stdio: "pipe" })).toThrow(/USAGE/);
  });
});

describe.skipIf(!cargo)("the Rust prover", () => {
  beforeAll(() => runCargo(prover, "build"), 600_000);

  it("passes its own tests", () => runCargo(prover, "test", ["--quiet"]), 600_000);

  it("was built", () => {
    expect(isBuilt(proverProgram)).toBe(true);
    expect(isBuilt(`${proverProgram}-not`)).toBe(false);
  });

  it("makes a development key that both provers and the verifier take", async () => {
    const [r1cs, zkey, vk] = ["c.r1cs", "c.zkey", "vk.json"].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(r1cs, encodeR1cs(smallCircuit()));
    execFileSync(proverProgram, ["dev-setup", "--r1cs", r1cs, "--zkey", zkey, "--vk", vk], { stdio: "pipe" });
    const verifier = openVerifier(parseVerificationKey(readFileSync(vk)));
    for (const program of [rustProgram(proverProgram, zkey, 1024), snarkjsProgram(SCRIPT, zkey)]) {
      const pool = await openProverPool(program, LIMITS);
      const { proof, publicSignals } = await pool.prove(GOOD, { signal, progress });
      expect(verifier.verify(proof, publicSignals)).toBe(true);
      expect(verifier.verify(proof, [12n, 0n])).toBe(false);
      await pool.close();
    }
  });

  describe("key generation from powers of tau", () => {
    const POWERS = at("test/vectors/zk/small.ptau");
    const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const run = (...args: string[]) => execFileSync(proverProgram, args, { stdio: "pipe", encoding: "utf8" });
    const [r1cs, prepared, contributed] = ["p.r1cs", "p.zkey", "q.zkey"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const prepare = (powers: string, digest: string, circuit = r1cs) =>
      run("prepare", "--r1cs", circuit, "--ptau", powers, "--ptau-sha256", digest, "--zkey", prepared);
    const digest = sha256(readFileSync(POWERS));
    beforeAll(() => writeFileSync(r1cs, encodeR1cs(smallCircuit())));

    it("gives the bytes that `snarkjs zkey new` gives, apart from its hash of the ceremony", () => {
      prepare(POWERS, digest);
      const key = readFileSync(prepared);
      // Made once with snarkjs 0.7.6 from the same circuit and powers.
      expect(sha256(key.subarray(0, -68))).toBe("720e75c7f4156958bc29927700381c5ce4effa2f705cc90360f5fb6efdd46cf6");
    });

    it("gives a key that is refused until somebody contributed, and that both provers take then", async () => {
      prepare(POWERS, digest);
      await expect(openProverPool(rustProgram(proverProgram, prepared, 1024), LIMITS)).rejects.toThrow(code("ZK_KEY_INVALID"));
      const vk = join(folder, "q.vk.json");
      const bound = ["--circuit", "11".repeat(32), "--previous", "22".repeat(32)];
      run("contribute", "--from", prepared, "--to", contributed, ...bound);
      run("verification-key", "--zkey", contributed, "--vk", vk);
      const verifier = openVerifier(parseVerificationKey(readFileSync(vk)));
      for (const program of [rustProgram(proverProgram, contributed, 1024), snarkjsProgram(SCRIPT, contributed)]) {
        const pool = await openProverPool(program, LIMITS);
        const { proof, publicSignals } = await pool.prove(GOOD, { signal, progress });
        expect(verifier.verify(proof, publicSignals)).toBe(true);
        expect(verifier.verify(proof, publicSignals.with(1, 78n))).toBe(false);
        await pool.close();
      }
    });

    it("refuses powers of another digest, powers that are no powers of one number, and too few of them", () => {
      expect(() => prepare(POWERS, digest.replace(/^./, "0"))).toThrow(/ZK_SETUP_INVALID.*digest/);
      const mixed = readFileSync(POWERS);
      // Two powers of tau trade places: every point is valid.
      const start = 12 + 12 + 44 + 12;
      const [second, third] = [1, 2].map((index) => Buffer.from(mixed.subarray(start + 64 * index, start + 64 * (index + 1))));
      third?.copy(mixed, start + 64);
      second?.copy(mixed, start + 128);
      const file = join(folder, "mixed.ptau");
      writeFileSync(file, mixed);
      expect(() => prepare(file, sha256(mixed))).toThrow(/ZK_SETUP_INVALID.*one number/);
      const builder = new ConstraintBuilder(0);
      builder.padRows(20);
      const large = join(folder, "large.r1cs");
      writeFileSync(large, encodeR1cs(builder.build()));
      expect(() => prepare(POWERS, digest, large)).toThrow(/ZK_SETUP_INVALID.*too few/);
    });
  });

  proverSuite((keyFile) => rustProgram(proverProgram, keyFile, 1024));
});

describe("a prover that dies", () => {
  const dying = (program: string): ProverProgram => ({ kind: "rust", command: process.execPath, args: ["-e", program] });
  const ready = "console.log(JSON.stringify({ ready: true }));";

  it("is restarted once for the job, and then the job fails", async () => {
    const pool = await openProverPool(dying(`${ready} process.stdin.once("data", () => process.exit(3))`), LIMITS);
    const stages: string[] = [];
    const job = pool.prove(GOOD, { signal, progress: (stage) => stages.push(stage) });
    await expect(job).rejects.toThrow(code("ZK_PROVER_LOST"));
    expect(stages).toEqual(["proving", "proving"]);
    await pool.close();
  });

  it("of a job that takes more memory than it may is ended, and the job is not tried again", async () => {
    const hungry = `${ready} const held = []; setInterval(() => held.push(Buffer.alloc(2 ** 24, 1)), 5)`;
    const pool = await openProverPool(dying(hungry), { ...LIMITS, memoryMib: 200 });
    const stages: string[] = [];
    const job = pool.prove(GOOD, { signal, progress: (stage) => stages.push(stage) });
    await expect(job).rejects.toThrow(code("ZK_PROVER_MEMORY"));
    expect(stages).toEqual(["proving"]);
    await pool.close();
  });

  it.each([
    ["text", `console.log("hello")`],
    ["an answer to another request", `console.log(JSON.stringify({ id: "9", ms: 1 }))`],
    ["an answer without a proof", `console.log(JSON.stringify({ id: "0", ms: 1 }))`],
    ["an answer beyond its size", `console.log("x".repeat(2 ** 21))`],
  ])("or answers with %s gives no proof", async (_, answer) => {
    const pool = await openProverPool(dying(`${ready} process.stdin.once("data", () => ${answer})`), LIMITS);
    await expect(pool.prove(GOOD, { signal, progress })).rejects.toThrow(/protocol|expected/);
    await pool.close();
  });
});

describe("the verifier beside snarkjs", () => {
  const vector = JSON.parse(readFileSync(at("test/vectors/zk/groth16.json"), "utf8"));

  it("gives the same verdict on valid and changed proofs and signals", () => {
    const { publicSignals, proofs, key: document } = vector;
    const base = { key: document, publicSignals, proof: proofs.rust };
    const cases = [
      base,
      { ...base, proof: proofs.snarkjs },
      { ...base, proof: { ...proofs.rust, pi_a: proofs.snarkjs.pi_a } },
      { ...base, proof: { ...proofs.rust, pi_b: proofs.snarkjs.pi_b } },
      { ...base, proof: { ...proofs.rust, pi_c: proofs.snarkjs.pi_c } },
      { ...base, proof: { ...proofs.rust, pi_a: proofs.rust.pi_c, pi_c: proofs.rust.pi_a } },
      ...[0, 1, 2].map((index) => ({ ...base, publicSignals: publicSignals.with(index, "12345") })),
      { ...base, publicSignals: publicSignals.with(0, String(FIELD_ORDER - 1n)) },
      { ...base, publicSignals: publicSignals.with(0, String(FIELD_ORDER + BigInt(publicSignals[0]))) },
    ];
    const ours = cases.map(({ key: keyDocument, publicSignals: signals, proof }) => {
      const verifier = openVerifier(parseVerificationKey(Buffer.from(JSON.stringify(keyDocument))));
      const point = ([x, y]: string[]) => ({ x: BigInt(x ?? ""), y: BigInt(y ?? "") });
      const parts = {
        a: point(proof.pi_a),
        b: { x: proof.pi_b[0].map(BigInt), y: proof.pi_b[1].map(BigInt) },
        c: point(proof.pi_c),
      };
      return verifier.verify(parts, signals.map(BigInt)) ? "accepted" : "rejected";
    });
    expect(ours).toEqual(secondOpinion(cases));
    expect(new Set(ours)).toEqual(new Set(["accepted", "rejected"]));
  });

  it("refuses a key without a second phase, under which snarkjs accepts a forged proof", () => {
    const missing = { ...key, delta: key.gamma };
    const signals = [666n, 667n];
    const [G1, { Fp }] = [bn254.G1.Point, bn254.fields];
    const inputs = signals.reduce(
      (sum, value, index) => sum.add(G1.fromAffine(key.ic[index + 1] ?? { x: 0n, y: 0n }).multiply(value)),
      G1.fromAffine(key.ic[0] ?? { x: 0n, y: 0n }),
    );
    const { x, y } = inputs.toAffine();
    const forged = { a: key.alpha, b: key.beta, c: { x, y: Fp.neg(y) } };
    const document = verificationKeyDocument(missing);
    const opinion = secondOpinion([{ key: document, publicSignals: signals.map(String), proof: proofDocument(forged) }]);
    expect(opinion).toEqual(["accepted"]);
    expect(() => openVerifier(missing)).toThrow(code("ZK_KEY_INVALID"));
  });
});
