import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { draftOnnx } from "../unit/model/onnx-draft.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (...names: string[]) => join(folder.path, ...names);
const shipped = (...names: string[]) => join(repository, "models", ...names);

async function put(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(at(name), content);
  return at(name);
}

const dense = {
  nodes: [
    { op: "Gemm", inputs: ["x", "w", "b"], output: "h" },
    { op: "Sigmoid", inputs: ["h"], output: "y" },
  ],
  constants: { w: { shape: [2, 1], data: [1, -1] }, b: { shape: [1], data: [0.5] } },
};

beforeAll(async () => {
  folder = await temporaryFolder();
  await put("dense.onnx", draftOnnx(dense));
  await put("strange.onnx", draftOnnx({ nodes: [{ op: "Erf", inputs: ["x"], output: "bend7" }] }));
});

afterAll(() => folder.remove());

describe("triseal model preflight", () => {
  it("says which paths a shipped model can take, what that costs, and how right the integers are", async () => {
    const flags = [
      "--data",
      shipped("digits-mlp", "calibration.json"),
      "--test",
      shipped("digits-mlp", "heldback.json"),
      "--json",
    ];
    const { code, stdout } = await runCli(["model", "preflight", shipped("digits-mlp", "model.onnx"), ...flags]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as {
      paths: { path: string; can: boolean; because: string; estimate: { constraints: number } | null }[];
      warnings: string[];
    };
    expect(report).toMatchObject({ ok: true, comparison: { samples: 450, refused: 0, right: { float: 446, integer: 446 } } });
    expect(report.paths.map(({ path, can }) => [path, can])).toEqual([
      ["tee", true],
      ["zk", true],
      ["fhe", false],
    ]);
    expect(report.paths[2]?.because).toMatch(/an activation up to \d+; encrypted ones go up to 7/);
    const integer = parseIntegerModel(await readFile(shipped("digits-mlp", "integer.json")));
    expect(report.paths[1]?.estimate?.constraints).toBe(compileCircuit(integer).usedRows);
    expect(report.warnings).toEqual([]);
  });

  it("says what an inference on encrypted inputs costs", async () => {
    const name = "breast-cancer-logistic";
    const data = ["--data", shipped(name, "calibration.json")];
    const { code, stdout } = await runCli(["model", "preflight", shipped(name, "model.onnx"), ...data]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^fhe {2}yes on encrypted inputs, 0 bootstraps an inference/m)]);
  });

  it("calibrates on -8,8 without data, and warns", async () => {
    const { code, stdout } = await runCli(["model", "preflight", at("dense.onnx")]);
    expect(code).toBe(0);
    expect(stdout).toContain("warning   calibrated on made-up inputs of even chance from -8 to 8");
    expect(stdout).toContain("estimate, not measured");
    expect(stdout).toContain("`Sigmoid` node `y` is monotone and is not computed");
  });

  it("refuses with 20 what integers cannot express, naming operation, node and what to do", async () => {
    const plain = await runCli(["model", "preflight", at("strange.onnx")]);
    expect([plain.code, plain.stdout]).toEqual([20, ""]);
    expect(plain.stderr).toMatch(/^triseal: MODEL_UNSUPPORTED: `Erf` node `bend7`: [^\n]*tee path[^\n]*\n$/);
    const json = await runCli(["model", "preflight", at("strange.onnx"), "--json"]);
    expect(json.code).toBe(20);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: "MODEL_UNSUPPORTED", op: "Erf", node: "bend7" });
  });

  it.each<[string, () => Promise<readonly string[]>]>([
    ["a file that is no ONNX", async () => [await put("junk.onnx", "junk")]],
    ["a file that is not there", async () => [at("none.onnx")]],
    ["rows of another length", async () => [at("dense.onnx"), "--data", await put("wide.csv", "1,2,3\n")]],
    ["a data file of another kind", async () => [at("dense.onnx"), "--data", await put("data.txt", "1,2\n")]],
    ["a range that is none", async () => [at("dense.onnx"), "--range", "8,-8"]],
    ["a width beyond eight bits", async () => [at("dense.onnx"), "--weight-bits", "16"]],
    ["a percentile of nothing", async () => [at("dense.onnx"), "--percentile", "0"]],
    [
      "labels that the model has not",
      async () => [at("dense.onnx"), "--data", await put("l.json", '{"v":1,"model":"m","rows":[{"x":[1,2],"label":"cat"}]}')],
    ],
  ])("refuses %s with 30", async (_, make) => {
    const { code, stdout, stderr } = await runCli(["model", "preflight", ...(await make())]);
    expect([code, stdout]).toEqual([30, ""]);
    expect(stderr).toMatch(/^triseal: (?:MODEL_INVALID|FORMAT_INVALID): [^\n]+\n$/);
  });
});

describe("triseal model build", () => {
  it("makes the same bytes twice, of a package that list accepts under two names", async () => {
    for (const out of ["one/dense", "two/dense"]) {
      const built = await runCli(["model", "build", at("dense.onnx"), "--out", at(out), "--range", "-4,4", "--licence", "MIT"]);
      expect(built.code, built.stderr).toBe(0);
    }
    const files = (await readdir(at("one", "dense"))).sort();
    expect(files).toEqual(["integer.json", "known-answers.json", "model.json", "model.onnx"]);
    for (const file of files) expect(await readFile(at("one", "dense", file))).toEqual(await readFile(at("two", "dense", file)));
    const card = JSON.parse(await readFile(at("one", "dense", "model.json"), "utf8")) as object;
    expect(card).toMatchObject({ licence: "MIT", integer: { calibration: { data: null, range: { lo: -4, hi: 4 } } } });
    const { stdout } = await runCli(["model", "list", "--models", at("one"), "--json"]);
    const listed = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(listed).toMatchObject([
      { name: "dense", form: "float" },
      { name: "dense-int", form: "integer", meaning: "logits" },
    ]);
  });

  it("makes a shipped package again, byte for byte", async () => {
    const name = "breast-cancer-mlp";
    await mkdir(at("again"));
    for (const file of ["model.onnx", "model.json", "calibration.json", "heldback.json"]) {
      await cp(shipped(name, file), at("again", file));
    }
    const data = ["--data", at("again", "calibration.json"), "--test", at("again", "heldback.json"), "--name", name];
    expect((await runCli(["model", "build", at("again", "model.onnx"), "--out", at("again"), ...data])).code).toBe(0);
    for (const file of ["model.json", "integer.json", "known-answers.json"]) {
      expect(await readFile(at("again", file), "utf8")).toBe(await readFile(shipped(name, file), "utf8"));
    }
  });

  it("hands weights out only where it is told to, and not those that committed mode hides", async () => {
    const build = async (...more: string[]) => {
      const { code, stderr } = await runCli(["model", "build", at("dense.onnx"), "--out", at("out"), ...more]);
      return { code, stderr, card: await readFile(at("out", "model.json"), "utf8").catch(() => "") };
    };
    for (const wrong of [["weights"], [""], ["model", "--zk-mode", "committed"]])
      expect(await build("--hand-out", ...wrong)).toMatchObject({
        code: 30,
        card: "",
        stderr: expect.stringContaining("--hand-out"),
      });
    expect((await build()).card).not.toMatch(/visibility|provingKey/);
    const { integer } = JSON.parse((await build("--hand-out", "model")).card) as { integer: object };
    expect(integer).toMatchObject({ visibility: "public" });
    expect(integer).not.toHaveProperty("provingKey");
    const both = JSON.parse((await build("--hand-out", "proving-key")).card) as { integer: object };
    expect(both.integer).toMatchObject({ visibility: "public", provingKey: "public" });
  });

  it("refuses a path that this version cannot build for with 20, one that nobody knows with 30, and writes nothing", async () => {
    for (const [paths, code] of [
      ["tee,fhe", 20],
      ["fhe", 20],
      ["mpc", 30],
    ] as const) {
      const built = await runCli(["model", "build", at("dense.onnx"), "--out", at("never"), "--paths", paths]);
      expect([built.code, built.stdout]).toEqual([code, ""]);
    }
    await expect(readdir(at("never"))).rejects.toThrow("ENOENT");
  });
});
