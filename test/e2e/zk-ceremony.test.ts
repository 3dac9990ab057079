/** A whole ceremony on the command line, from powers of tau to a proof that names its contributors. */
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasCargo, prover, runCargo } from "../../scripts/cargo.ts";
import { testPowersOfTau } from "../fixtures/powers-of-tau.ts";
import { draftOnnx } from "../unit/model/onnx-draft.ts";
import { startService, temporaryFolder } from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

const DENSE = {
  nodes: [{ op: "Gemm", inputs: ["x", "w", "b"], output: "y" }],
  constants: { w: { shape: [2, 1], data: [1, -1] }, b: { shape: [1], data: [0.5] } },
};

describe.skipIf(!hasCargo())("a ceremony", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let powers: readonly string[];
  const at = (...names: string[]) => join(folder.path, ...names);
  const zk = (...args: string[]) => runCli(["zk", ...args]);
  const prove = () => zk("prove", at("dense"), "--input", at("input.json"), "--out", at("proof.json"));

  beforeAll(async () => {
    runCargo(prover, "build");
    folder = await temporaryFolder();
    await writeFile(at("dense.onnx"), draftOnnx(DENSE));
    const flags = ["--out", at("dense"), "--range", "-4,4", "--paths", "tee,zk"];
    expect((await runCli(["model", "build", at("dense.onnx"), ...flags])).code).toBe(0);
    const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }];
    await writeFile(at("input.json"), JSON.stringify({ inputs }));
    const ptau = testPowersOfTau(10);
    await writeFile(at("test.ptau"), ptau);
    powers = ["--ptau", at("test.ptau"), "--ptau-sha256", createHash("sha256").update(ptau).digest("hex")];
  }, 600_000);
  afterAll(() => folder.remove());

  it("has no key until somebody contributed, and then one that its transcript leads to", async () => {
    expect((await zk("setup", at("dense"), "--state", "ceremony", ...powers)).code).toBe(0);
    const early = await prove();
    expect([early.code, early.stderr]).toEqual([10, expect.stringContaining("ZK_KEY_INVALID")]);
    for (const name of ["alice", "bob"]) {
      const done = await zk("contribute", at("dense"), "--name", name, "--key", at(`${name}.seed`), ...powers);
      expect(done.code, done.stderr).toBe(0);
    }
    const twice = await zk("contribute", at("dense"), "--name", "bob", "--key", at("bob.seed"));
    expect(twice.code).toBe(30);
    const beacon = ["--value", "ab".repeat(32), "--source", "a test value", "--iterations-log", "4"];
    expect((await zk("beacon", at("dense"), ...beacon)).code).toBe(0);
    expect((await zk("beacon", at("dense"), ...beacon)).code).toBe(30);
    const checked = await zk("verify-setup", at("dense"), ...powers, "--json");
    expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true, state: "ceremony", beacon: true, keyIsOfCircuit: true });
  }, 120_000);

  it("gives proofs that are accepted by the entry that verify-setup prints, and by none without it", async () => {
    expect((await prove()).code).toBe(0);
    const { stdout } = await zk("verify-setup", at("dense"));
    const entry = stdout.slice(stdout.indexOf("- { state: ceremony")).replaceAll("\n", " ").slice(2);
    const trust = (setups: string) =>
      `apiVersion: triseal.dev/trust/v1\nservices:\n  - name: a\n    gateway: { keys: [{ publicKey: ${"ab".repeat(32)} }], teeTypes: [] }\n    logs: [{ origin: a.example/log, publicKey: ${"cd".repeat(32)} }]\n    witnesses: { accept: none, because: a test }\n    policySigners: []\n    paths: { zk: { setups: [${setups}] } }\n`;
    await writeFile(at("trust.yaml"), trust(entry));
    const named = await zk("verify", at("proof.json"), "--trust", at("trust.yaml"));
    expect([named.code, named.stdout]).toEqual([0, expect.stringContaining("whose transcript you named")]);
    await writeFile(at("none.yaml"), trust(""));
    expect((await zk("verify", at("proof.json"), "--trust", at("none.yaml"))).code).toBe(10);
  }, 60_000);

  it("makes a key of the threshold statement too, which a gateway then takes statements under", async () => {
    const keyDir = at("threshold-statement");
    const party = ["--name", "carol", "--key", at("carol.seed")];
    const made = await zk("setup", keyDir, "--state", "single-party", ...party, ...powers);
    expect(made.code, made.stderr).toBe(0);
    const checked = await zk("verify-setup", keyDir, ...powers, "--json");
    expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true, state: "single-party", keyIsOfCircuit: true });
    const policy = { file: join(repository, "policies/examples/threshold.policy.yaml") };
    const service = await startService({ config: { zk: { threshold: { keyDir, signers: [] } }, policy } });
    try {
      const response = await fetch(`${service.url}/v1/zk/statement-challenges`, {
        method: "POST",
        headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "threshold-statement" }),
      });
      expect([response.status, await response.text()]).toEqual([200, expect.stringContaining("groth16-single-party")]);
    } finally {
      await service.close();
    }
  }, 120_000);

  it("of private weights is contributed to by somebody who has the architecture and no model", async () => {
    const flags = ["--out", at("hidden"), "--range", "-4,4", "--paths", "tee,zk", "--zk-mode", "committed"];
    expect((await runCli(["model", "build", at("dense.onnx"), ...flags])).code).toBe(0);
    expect((await zk("setup", at("hidden"), "--state", "ceremony", ...powers)).code).toBe(0);
    await mkdir(at("party"));
    const hand = async (from: string, to: string, more: readonly string[] = []) => {
      const files = ["setup.json", "verification_key.json", "model.zkey", ...more];
      for (const file of files) await copyFile(at(from, file), at(to, file));
    };
    await hand("hidden", "party", ["architecture.json"]);
    const done = await zk("contribute", at("party"), "--name", "carol", "--key", at("carol.seed"), ...powers);
    expect(done.code, done.stderr).toBe(0);
    // Another architecture in its place is another circuit: the contributor is not fooled by it.
    const architecture = await readFile(at("party", "architecture.json"), "utf8");
    await writeFile(
      at("party", "architecture.json"),
      architecture.replace('"max":255', '"max":127').replace(/"biasBits":\d+/, '"biasBits":15'),
    );
    const fooled = await zk("contribute", at("party"), "--name", "dave", "--key", at("dave.seed"), ...powers);
    expect([fooled.code, fooled.stderr]).toEqual([10, expect.stringContaining("ZK_SETUP_INVALID")]);

    await hand("party", "hidden");
    const proved = await zk("prove", at("hidden"), "--input", at("input.json"), "--out", at("hidden.json"));
    expect(proved.code, proved.stderr).toBe(0);
    const checked = await zk("verify-setup", at("hidden"), ...powers, "--json");
    expect(JSON.parse(checked.stdout)).toMatchObject({
      keyIsOfCircuit: true,
      weightCommitment: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const { stdout } = await zk("verify-setup", at("hidden"));
    expect(stdout).toContain("entries for paths.zk of a trust file");
    const verified = await zk("verify", at("hidden.json"), "--accept-setup", "ceremony", "--model", at("hidden"), "--json");
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, circuitRecompiled: true, weightsVouchedBy: "recomputed" });
  }, 120_000);

  it("is refused where its key was exchanged or its transcript shortened", async () => {
    const setup = JSON.parse(await readFile(at("dense", "setup.json"), "utf8")) as { contributions: object[] };
    await writeFile(at("dense", "setup.json"), JSON.stringify({ ...setup, contributions: setup.contributions.slice(1) }));
    expect((await zk("verify-setup", at("dense"))).code).toBe(10);
    expect((await prove()).code).toBe(10);
    await writeFile(at("dense", "setup.json"), JSON.stringify(setup));
    await copyFile(new URL("../vectors/zk/small.zkey", import.meta.url), at("dense", "model.zkey"));
    expect((await zk("verify-setup", at("dense"))).code).toBe(10);
    expect((await prove()).code).not.toBe(0);
  }, 60_000);
});
