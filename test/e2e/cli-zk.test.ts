/** `triseal zk` and `model build --paths tee,zk`, as processes. The Rust prover is used where an earlier test built it. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseStandalone, standaloneContext } from "../../src/paths/zk/wire/standalone.ts";
import { draftOnnx } from "../unit/model/onnx-draft.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

const DENSE = {
  nodes: [{ op: "Gemm", inputs: ["x", "w", "b"], output: "y" }],
  constants: { w: { shape: [2, 1], data: [1, -1] }, b: { shape: [1], data: [0.5] } },
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (...names: string[]) => join(folder.path, ...names);
const zk = (...args: string[]) => runCli(["zk", ...args]);

async function put(name: string, content: string): Promise<string> {
  await writeFile(at(name), content);
  return at(name);
}

const request = (data: readonly number[], parameters: object = {}) =>
  JSON.stringify({ parameters, inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data }] });

const SALT = "000102030405060708090a0b0c0d0e0f";

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(at("dense.onnx"), draftOnnx(DENSE));
  const flags = ["--out", at("dense"), "--range", "-4,4", "--paths", "tee,zk"];
  const built = await runCli(["model", "build", at("dense.onnx"), ...flags]);
  expect(built.code, built.stderr).toBe(0);
  expect(built.stdout).toContain("zk        setup dev-insecure: whoever made the key can forge proofs");
  await put("input.json", request([1, -2], { triseal_salt: SALT }));
  const proved = await zk("prove", at("dense"), "--input", at("input.json"), "--out", at("proof.json"));
  expect(proved.code, proved.stderr).toBe(0);
  expect(proved.stdout).toMatch(/\nproved in \d+ ms\n$/);
  expect(proved.stdout).toContain(SALT);
}, 120_000);

afterAll(() => folder.remove());

describe("triseal zk verify", () => {
  const accept = ["--accept-setup", "dev-insecure"];

  it("refuses a dev-insecure proof with 10, unless the state or the trust file accepts it", async () => {
    const bare = await zk("verify", at("proof.json"));
    expect([bare.code, bare.stdout]).toEqual([10, ""]);
    expect(bare.stderr).toMatch(/^triseal: ZK_SETUP_NOT_ACCEPTED: [^\n]+\n$/);
    expect((await zk("verify", at("proof.json"), "--accept-setup", "ceremony")).code).toBe(10);
    const accepted = await zk("verify", at("proof.json"), ...accept, "--model", at("dense"));
    expect(accepted.code, accepted.stderr).toBe(0);
    expect(accepted.stdout).toMatch(/^ACCEPTED\nmodel {5}sha256:/);
    expect(accepted.stdout).toContain("  [assertion] the circuit of this key gives these outputs");
    expect(accepted.stdout).toContain("what it does not show");
  });

  it("takes the setups of one service of the trust file, and no others", async () => {
    const service = (name: string, setups: string, more = "") =>
      `  - name: ${name}\n    gateway: { keys: [{ publicKey: ${"ab".repeat(32)} }], teeTypes: [] }\n    logs: [{ origin: ${name}.example/log, publicKey: ${"cd".repeat(32)} }]\n    witnesses: { accept: none, because: a test }\n    policySigners: []\n    paths: { zk: { setups: [${setups}] } }\n${more}`;
    const weak = `{ state: dev-insecure, because: "a test of ours" }`;
    const trust = await put(
      "trust.yaml",
      `apiVersion: triseal.dev/trust/v1\nservices:\n${service("a", weak)}${service("b", "")}`,
    );
    const named = await zk("verify", at("proof.json"), "--trust", trust, "--service", "a");
    expect(named.code, named.stderr).toBe(0);
    expect(named.stdout).toContain("a test of ours");
    expect((await zk("verify", at("proof.json"), "--trust", trust, "--service", "b")).code).toBe(10);
    expect((await zk("verify", at("proof.json"), "--trust", trust)).code).toBe(30);
    expect((await zk("verify", at("proof.json"), "--trust", trust, "--service", "c")).code).toBe(30);
    const { setup } = JSON.parse(await readFile(at("proof.json"), "utf8")) as { setup: Record<string, string> };
    for (const digest of [setup["modelDigest"], setup["circuitDigest"], setup["keyDigest"]]) {
      const measurements = `    revoked: { keys: [], measurements: [{ digest: "${digest}", because: withdrawn }] }\n`;
      const withdrawn = await put(
        "revoked.yaml",
        `apiVersion: triseal.dev/trust/v1\nservices:\n${service("a", weak, measurements)}`,
      );
      const refused = await zk("verify", at("proof.json"), "--trust", withdrawn);
      expect([refused.code, refused.stderr]).toEqual([10, expect.stringMatching(/^triseal: VERIFICATION_FAILED: /)]);
    }
  });

  it("refuses with 10 another nonce, another output, another proof and another model's setup", async () => {
    const document = JSON.parse(await readFile(at("proof.json"), "utf8")) as {
      nonce: string;
      modelDigest: string;
      publicSignals: string[];
      proof: { pi_a: unknown; pi_c: unknown };
    };
    const { publicSignals, proof, nonce } = document;
    const otherNonce = `${nonce[0] === "0" ? "1" : "0"}${nonce.slice(1)}`;
    const cases: [object, string][] = [
      [{ nonce: otherNonce }, "ZK_CONTEXT_MISMATCH"],
      [{ modelDigest: `sha256:${"0".repeat(64)}` }, "ZK_CONTEXT_MISMATCH"],
      [{ publicSignals: publicSignals.with(1, "7") }, "ZK_PROOF_INVALID"],
      [{ publicSignals: publicSignals.with(0, "7") }, "ZK_PROOF_INVALID"],
      [{ publicSignals: publicSignals.slice(1) }, "ZK_PROOF_INVALID"],
      [{ proof: { ...proof, pi_a: proof.pi_c, pi_c: proof.pi_a } }, "ZK_PROOF_INVALID"],
    ];
    for (const [change, expected] of cases) {
      const file = await put("changed.json", JSON.stringify({ ...document, ...change }));
      const { code, stdout } = await zk("verify", file, ...accept, "--json");
      expect(code, expected).toBe(10);
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: expected });
    }
    // A context recomputed for another nonce is a public signal that the proof does not hold for.
    const { modelDigest } = parseStandalone(new TextEncoder().encode(JSON.stringify(document)));
    const context = standaloneContext(modelDigest, Uint8Array.from(Buffer.from(otherNonce, "hex"))).toString();
    const moved = { ...document, nonce: otherNonce, publicSignals: publicSignals.with(-1, context) };
    const { stdout } = await zk("verify", await put("moved.json", JSON.stringify(moved)), ...accept, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ code: "ZK_PROOF_INVALID" });
  }, 60_000);

  it("answers 30 to what is no proof, and to a state that is none", async () => {
    expect((await zk("verify", at("input.json"), ...accept)).code).toBe(30);
    expect((await zk("verify", at("none.json"), ...accept)).code).toBe(30);
    expect((await zk("verify", at("proof.json"), "--accept-setup", "any")).code).toBe(30);
  });
});

describe("triseal zk prove", () => {
  it.each<[string, string, number]>([
    ["an input out of range", request([100, 0]), 30],
    ["two samples", JSON.stringify({ inputs: [{ name: "x", shape: [2, 2], datatype: "FP32", data: [0, 0, 0, 0] }] }), 30],
    ["a short salt", request([0, 0], { triseal_salt: "00" }), 30],
    ["no request", "[]", 30],
  ])("refuses %s before anything is proven", async (_, body, expected) => {
    const { code } = await zk("prove", at("dense"), "--input", await put("bad.json", body), "--out", at("never.json"));
    expect(code).toBe(expected);
    await expect(readFile(at("never.json"))).rejects.toThrow("ENOENT");
  });

  it("proves one input twice with two nonces, and prints one JSON object", async () => {
    const again = await zk("prove", at("dense"), "--input", at("input.json"), "--out", at("again.json"), "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, salt: SALT, setup: "dev-insecure" });
    const [one, two] = [await readFile(at("proof.json"), "utf8"), await readFile(at("again.json"), "utf8")].map(
      (text) => JSON.parse(text) as { nonce: string; publicSignals: string[] },
    );
    expect(one?.nonce).not.toBe(two?.nonce);
    expect(one?.publicSignals.slice(0, -1)).toEqual(two?.publicSignals.slice(0, -1));
  });

  it("says what to build where the package has no key", async () => {
    const plain = await runCli(["model", "build", at("dense.onnx"), "--out", at("plain"), "--range", "-4,4"]);
    expect(plain.code).toBe(0);
    const { code, stderr } = await zk("prove", at("plain"), "--input", at("input.json"), "--out", at("never.json"));
    expect([code, stderr]).toEqual([30, expect.stringContaining("triseal model build --paths tee,zk")]);
  });
});

describe("a key from elsewhere", () => {
  const build = (...setup: string[]) =>
    runCli([
      "model",
      "build",
      at("dense.onnx"),
      "--out",
      at("second", "dense"),
      "--range",
      "-4,4",
      "--paths",
      "zk",
      "--setup",
      ...setup,
    ]);

  it("is taken with its setup, and without one is recorded as dev-insecure", async () => {
    expect((await build(at("dense", "model.zkey"))).code).toBe(0);
    expect(await readFile(at("second", "dense", "setup.json"))).toEqual(await readFile(at("dense", "setup.json")));
    await copyFile(at("dense", "model.zkey"), at("alone.zkey"));
    const { code, stdout } = await build(at("alone.zkey"));
    expect([code, stdout]).toEqual([0, expect.stringContaining("nothing shows how it was made")]);
  }, 60_000);

  it("is refused where it is another circuit's, truncated, missing, or of a state that a build cannot make", async () => {
    expect((await build(at("dense.onnx"))).code).toBe(30);
    expect((await build(at("none.zkey"))).code).toBe(30);
    expect((await build("ceremony")).code).toBe(30);
    const small = new URL("../vectors/zk/small.zkey", import.meta.url);
    await copyFile(small, at("foreign.zkey"));
    expect((await build(at("foreign.zkey"))).stderr).toContain("ZK_KEY_INVALID");
  }, 60_000);
});

describe("triseal zk setup and export-solidity", () => {
  it("make a new development key, and a contract for it", async () => {
    const before = await readFile(at("dense", "verification_key.json"), "utf8");
    expect((await zk("setup", at("dense"), "--state", "dev-insecure")).code).toBe(0);
    expect(await readFile(at("dense", "verification_key.json"), "utf8")).not.toBe(before);
    const checked = await zk("verify-setup", at("dense"), "--json");
    expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true, state: "dev-insecure", keyIsOfCircuit: false });
    expect((await zk("export-solidity", at("dense"), "--out", at("v.sol"))).code).toBe(0);
    expect(await readFile(at("v.sol"), "utf8")).toContain("// Setup dev-insecure");
  }, 60_000);

  it("refuse a state without its powers of tau, a contribution to no ceremony, and a foreign setup", async () => {
    expect((await zk("setup", at("dense"), "--state", "ceremony")).code).toBe(30);
    expect((await zk("setup", at("dense"), "--state", "trusted")).code).toBe(30);
    expect((await zk("contribute", at("dense"), "--name", "A", "--key", at("a.seed"))).code).toBe(30);
    const setup = JSON.parse(await readFile(at("dense", "setup.json"), "utf8")) as object;
    await put("dense/setup.json", JSON.stringify({ ...setup, circuitDigest: `sha256:${"0".repeat(64)}` }));
    expect((await zk("verify-setup", at("dense"))).code).toBe(10);
  });
});
