/** Private weights on the command line and behind a gateway: one key for two models, and who vouches for whose weights. */
import { chmod, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPackage } from "../../src/model/read/read-package.ts";
import { parseTrust, verifyBundle } from "../../src/verify/index.ts";
import { draftOnnx } from "../unit/model/onnx-draft.ts";
import { bundleOf, clock, infer, type Service, startService, temporaryFolder, verdictOn } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

const dense = (weights: readonly number[], bias: number) => ({
  nodes: [{ op: "Gemm", inputs: ["x", "w", "b"], output: "y" }],
  constants: { w: { shape: [2, 1], data: weights }, b: { shape: [1], data: [bias] } },
});

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (...names: string[]) => join(folder.path, ...names);
const zk = (...args: string[]) => runCli(["zk", ...args]);
const build = (name: string, ...more: readonly string[]) =>
  runCli([
    "model",
    "build",
    at(`${name}.onnx`),
    "--out",
    at("models", name),
    "--range",
    "-4,4",
    "--paths",
    "tee,zk",
    "--zk-mode",
    "committed",
    ...more,
  ]);
const prove = (name: string) => zk("prove", at("models", name), "--input", at("input.json"), "--out", at(`${name}.json`));
const accept = ["--accept-setup", "dev-insecure"];
const json = async <T>(...names: string[]) => JSON.parse(await readFile(at(...names), "utf8")) as T;

interface Document {
  readonly publicSignals: readonly string[];
  readonly setup: { readonly keyDigest: string; readonly architectureDigest: string };
  readonly modelDigest: string;
}

const commitmentIn = ({ publicSignals }: Document) =>
  BigInt(publicSignals[1] ?? "0")
    .toString(16)
    .padStart(64, "0");

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(at("models"));
  await writeFile(at("one.onnx"), draftOnnx(dense([1, -1], 0.5)));
  await writeFile(at("two.onnx"), draftOnnx(dense([-0.5, 0.25], 0)));
  const built = await build("one");
  expect(built.code, built.stderr).toBe(0);
  expect(built.stdout).toContain("weights private: commitment ");
  const shared = await build("two", "--setup", at("models", "one", "model.zkey"));
  expect(shared.code, shared.stderr).toBe(0);
  const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, -2] }];
  await writeFile(at("input.json"), JSON.stringify({ inputs }));
  for (const name of ["one", "two"]) expect((await prove(name)).code).toBe(0);
}, 240_000);
afterAll(() => folder.remove());

describe("two models of one architecture with private weights", () => {
  it("share a key and a setup, and have each a commitment and a secret salt of their own", async () => {
    for (const file of ["model.zkey", "setup.json", "verification_key.json", "architecture.json"]) {
      expect(await readFile(at("models", "two", file))).toEqual(await readFile(at("models", "one", file)));
    }
    const [one, two] = [await json<Document>("one.json"), await json<Document>("two.json")];
    expect(commitmentIn(one)).not.toBe(commitmentIn(two));
    expect(one.modelDigest).not.toBe(two.modelDigest);
    const secret = at("models", "one", "weights-secret.json");
    expect((await stat(secret)).mode & 0o777).toBe(0o600);
    const { salt } = await json<{ salt: string }>("models", "one", "weights-secret.json");
    expect(salt).toMatch(/^[0-9a-f]{62}$/);
    for (const file of ["model.json", "setup.json", "architecture.json", "integer.json"]) {
      expect(await readFile(at("models", "one", file), "utf8")).not.toContain(salt);
    }
    expect(await readFile(at("one.json"), "utf8")).not.toContain(salt);
  }, 120_000);

  it("are proven, and the verdict says who vouches that the weights are the model's", async () => {
    const alone = await zk("verify", at("one.json"), ...accept);
    expect(alone.code, alone.stderr).toBe(0);
    expect(alone.stdout).toContain("[assertion] that the committed weights are the model's is the prover's word");
    const audited = await zk("verify", at("one.json"), ...accept, "--model", at("models", "one"));
    expect(audited.code, audited.stderr).toBe(0);
    expect(audited.stdout).toContain("the commitment was made again from the model and the salt");
    expect(audited.stdout).toContain("compiled again from the architecture");
    // An auditor with the model and without the salt can recompile, and vouch for nothing.
    await mkdir(at("audit", "one"), { recursive: true });
    for (const file of ["model.json", "model.onnx", "integer.json", "known-answers.json"]) {
      await copyFile(at("models", "one", file), at("audit", "one", file));
    }
    const half = await zk("verify", at("one.json"), ...accept, "--model", at("audit", "one"), "--json");
    expect(JSON.parse(half.stdout)).toMatchObject({ ok: true, circuitRecompiled: true, weightsVouchedBy: "asserted" });
  }, 120_000);

  it("are told apart: another model, another salt, and weights that the trust file does not name are refused", async () => {
    expect((await zk("verify", at("one.json"), ...accept, "--model", at("models", "two"))).code).toBe(30);
    const document = await json<Document>("one.json");
    const trust = async (weights: string) => {
      const models = `[{ name: one-int, digest: "${document.modelDigest}", weights: ["${weights}"] }]`;
      const setups = `[{ state: dev-insecure, because: "a test" }]`;
      const service = `  - name: a\n    gateway: { keys: [{ publicKey: ${"ab".repeat(32)} }], teeTypes: [] }\n    logs: [{ origin: a.example/log, publicKey: ${"cd".repeat(32)} }]\n    witnesses: { accept: none, because: a test }\n    policySigners: []\n`;
      await writeFile(
        at("trust.yaml"),
        `apiVersion: triseal.dev/trust/v1\nservices:\n${service}    paths: { zk: { setups: ${setups}, models: ${models} } }\n`,
      );
      return zk("verify", at("one.json"), "--trust", at("trust.yaml"), "--json");
    };
    const named = await trust(commitmentIn(document));
    expect(JSON.parse(named.stdout)).toMatchObject({ ok: true, weightsVouchedBy: "named" });
    const other = await trust(commitmentIn(await json<Document>("two.json")));
    expect([other.code, JSON.parse(other.stdout)]).toEqual([
      10,
      { ok: false, code: "ZK_WEIGHTS_NOT_ACCEPTED", message: expect.any(String) },
    ]);
    const malformed = await trust("4242");
    expect([malformed.code, JSON.parse(malformed.stdout)]).toEqual([30, expect.objectContaining({ code: "TRUST_FILE_INVALID" })]);
  }, 120_000);

  it("are refused with signals that changed places, another's commitment, or as proofs of baked weights", async () => {
    const document = await json<Document>("one.json");
    const [input = "", weights = "", ...rest] = document.publicSignals;
    const { architectureDigest, ...setup } = document.setup;
    const two = await json<Document>("two.json");
    const cases: readonly [object, string][] = [
      [{ publicSignals: [weights, input, ...rest] }, "ZK_PROOF_INVALID"],
      [{ publicSignals: [input, two.publicSignals[1] ?? "", ...rest] }, "ZK_PROOF_INVALID"],
      [{ modelDigest: two.modelDigest }, "ZK_CONTEXT_MISMATCH"],
      [{ publicSignals: [input, weights, rest.at(-1)] }, "ZK_PROOF_INVALID"],
      [{ setup: { ...setup, modelDigest: architectureDigest } }, "ZK_CONTEXT_MISMATCH"],
      [{ setup: { ...document.setup, modelDigest: document.modelDigest } }, "FORMAT_INVALID"],
    ];
    for (const [change, code] of cases) {
      await writeFile(at("changed.json"), JSON.stringify({ ...document, ...change }));
      const { stdout } = await zk("verify", at("changed.json"), ...accept, "--json");
      expect(JSON.parse(stdout), code).toMatchObject({ ok: false, code });
    }
    // Presented as one of baked weights it verifies as what it is not, and any look at the model refuses it.
    const relabelled = { ...document, setup: { ...setup, modelDigest: document.modelDigest } };
    await writeFile(at("changed.json"), JSON.stringify(relabelled));
    expect((await zk("verify", at("changed.json"), ...accept, "--model", at("models", "one"))).code).toBe(30);
  }, 120_000);
});

describe("a package with private weights", () => {
  it("keeps its salt when it is built again, so that its commitment stays", async () => {
    const before = await readFile(at("models", "one", "weights-secret.json"));
    await chmod(at("models", "one", "weights-secret.json"), 0o644);
    const again = await build("one", "--setup", at("models", "two", "model.zkey"));
    expect(again.code, again.stderr).toBe(0);
    expect(await readFile(at("models", "one", "weights-secret.json"))).toEqual(before);
    expect((await stat(at("models", "one", "weights-secret.json"))).mode & 0o777).toBe(0o600);
  }, 120_000);

  it("can be set up by somebody who has the architecture and no model, and not be proven with", async () => {
    await mkdir(at("party"), { recursive: true });
    for (const file of ["architecture.json", "setup.json", "verification_key.json", "model.zkey"]) {
      await copyFile(at("models", "one", file), at("party", file));
    }
    const checked = await zk("verify-setup", at("party"), "--json");
    expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true, state: "dev-insecure" });
    expect((await zk("setup", at("party"), "--state", "dev-insecure")).code).toBe(0);
    const refused = await zk("prove", at("party"), "--input", at("input.json"), "--out", at("never.json"));
    expect([refused.code, refused.stderr]).toEqual([30, expect.stringContaining("MODEL_INVALID")]);
    // The key that they made serves the owner's model.
    const taken = await build("two", "--setup", at("party", "model.zkey"));
    expect(taken.code, taken.stderr).toBe(0);
    expect(await readFile(at("models", "two", "setup.json"))).toEqual(await readFile(at("party", "setup.json")));
    const exported = await zk("export-solidity", at("party"), "--out", at("v.sol"));
    expect([exported.code, await readFile(at("v.sol"), "utf8")]).toEqual([0, expect.stringContaining("// Architecture sha256:")]);
  }, 120_000);

  it("is refused with another architecture, a baked key, no salt, or a salt of another form", async () => {
    await writeFile(
      at("wide.onnx"),
      draftOnnx({ ...dense([1, -1], 0), nodes: [...dense([1, -1], 0).nodes, { op: "Relu", inputs: ["y"], output: "z" }] }),
    );
    const wide = await build("wide", "--setup", at("models", "one", "model.zkey"));
    expect([wide.code, wide.stderr]).toEqual([30, expect.stringContaining("ZK_SETUP_INVALID")]);
    const baked = await runCli([
      "model",
      "build",
      at("one.onnx"),
      "--out",
      at("baked", "one"),
      "--range",
      "-4,4",
      "--paths",
      "zk",
      "--setup",
      at("models", "one", "model.zkey"),
    ]);
    expect([baked.code, baked.stderr]).toEqual([30, expect.stringContaining("ZK_SETUP_INVALID")]);
    const mode = await build("one", "--zk-mode", "hidden");
    expect([mode.code, mode.stderr]).toEqual([30, expect.stringContaining("--zk-mode")]);
    const secret = at("models", "two", "weights-secret.json");
    const kept = await readFile(secret, "utf8");
    for (const [content, code] of [
      [kept.replace(/"salt":"../, '"salt":"'), "FORMAT_INVALID"],
      [kept.replace(/sha256:[0-9a-f]{64}/, `sha256:${"0".repeat(64)}`), "MODEL_INVALID"],
      ["", "FORMAT_INVALID"],
    ] as const) {
      await writeFile(secret, content);
      const refused = await prove("two");
      expect([refused.code, refused.stderr]).toEqual([30, expect.stringContaining(code)]);
      if (content !== "") expect(refused.stderr).not.toContain(content.slice(-60, -10));
    }
    await writeFile(secret, kept);
  }, 120_000);
});

describe("a gateway with a model of private weights", () => {
  let service: Service;
  beforeAll(async () => {
    const card = await json<{ integer: object }>("models", "one", "model.json");
    const opened = { ...card, integer: { ...card.integer, visibility: "public", provingKey: "public" } };
    await writeFile(at("models", "one", "model.json"), JSON.stringify(opened));
    service = await startService({ config: { modelsDir: at("models"), zk: { models: ["one-int"] } } });
  }, 120_000);
  afterAll(() => service?.close());

  it("hands out no key for callers' proofs, whatever the package says: they would need the weights", async () => {
    const response = await fetch(`${service.url}/v1/zk/challenges`, {
      method: "POST",
      headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "one-int", parameters: {} }),
    });
    expect(await response.json()).toMatchObject({ code: "PROVING_KEY_CONFIDENTIAL" });
    const flags = ["--input", at("input.json"), "--out", at("never.json"), "--gateway", service.url, "--key", service.apiKey];
    const refused = await zk("prove", at("models", "one"), ...flags, "--trust", service.trustFile);
    expect([refused.code, refused.stderr]).toEqual([20, expect.stringContaining("MODEL_UNSUPPORTED")]);
  }, 120_000);

  it("answers with a proof that names architecture and commitment, and its trust file vouches for both", async () => {
    const request = Buffer.from(
      JSON.stringify({
        id: "00112233445566778899aabbccddeeff",
        parameters: { assurance: "proof", classification: "personal" },
        inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2] }],
      }),
    );
    const answer = await infer(service, request, { model: "one-int" });
    expect(answer.status).toBe(200);
    const bundle = await bundleOf(service, answer.receiptId);
    const verdict = await verdictOn(service, bundle, { request, response: answer.bytes });
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    const claims = verdict.claims.map(({ text }) => text).join("\n");
    expect(claims).toContain("proven for a committed input, committed weights and stated outputs");
    expect(claims).not.toContain("that the weights are the model's is the service's word");

    const text = await readFile(service.trustFile, "utf8");
    const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
    const unnamed = text.replace(/\n +weights:\n +- "?[0-9a-f]{64}"?/, "");
    expect(unnamed).not.toBe(text);
    const asserted = await verifyBundle(bundle, parseTrust(Buffer.from(unnamed)), options);
    expect(asserted.outcome).toBe("accepted");
    expect(
      asserted.claims.find(({ text: claim }) => claim.includes("that the weights are the model's is the service's word")),
    ).toMatchObject({
      basis: "assertion",
    });
    const other = parseTrust(Buffer.from(text.replace(/(weights:\n +- "?)[0-9a-f]{64}/, `$1${"ab".repeat(32)}`)));
    expect(await verifyBundle(bundle, other, options)).toMatchObject({ outcome: "rejected", code: "ZK_WEIGHTS_NOT_ACCEPTED" });

    await writeFile(at("bundle.triseal.json"), bundle);
    const verify = (model: string) =>
      runCli(["verify", at("bundle.triseal.json"), "--trust", service.trustFile, "--model", at("models", model), "--json"]);
    const audited = JSON.parse((await verify("one")).stdout) as { checks: { id: string; status: string }[] };
    expect(audited.checks.find(({ id }) => id === "zk.weights-recomputed")?.status).toBe("pass");
    expect(audited.checks.find(({ id }) => id === "zk.circuit-recompiled")?.status).toBe("pass");
    const [, form] = await readPackage(at("models", "one"));
    expect(claims).toContain(form?.model.digest ?? "no model");
  }, 120_000);
});
