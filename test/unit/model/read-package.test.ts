import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { readPackage, readPackages } from "../../../src/model/read/read-package.ts";

const shipped = join(dirname(fileURLToPath(import.meta.url)), "../../../models");
const invalid = expect.objectContaining({ code: "MODEL_INVALID" });
const tensor = (name: string) => [{ name, datatype: "FP32", shape: [1] }];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-models-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, onnx = "onnx", change: object = {}): Promise<string> {
  await mkdir(join(folder, name), { recursive: true });
  const document = { v: 1, name, version: "1", digest: digestOf(utf8("onnx")), licence: "MIT", paths: ["tee"] };
  await writeFile(
    join(folder, name, "model.json"),
    JSON.stringify({ ...document, inputs: tensor("x"), outputs: tensor("y"), ...change }),
  );
  await writeFile(join(folder, name, "model.onnx"), onnx);
  return join(folder, name);
}

describe("reading model packages", () => {
  it("reads every shipped model, and each has the digest that it states", async () => {
    const names = (await readPackages(shipped)).map(({ model }) => model.name);
    const folders = [
      "breast-cancer-forest",
      "breast-cancer-logistic",
      "breast-cancer-mlp",
      "breast-cancer-mlp-fhe",
      "breast-cancer-tree",
      "digits-mlp",
      "digits-mlp-fhe",
      "mnist-lenet5",
    ];
    expect(names).toEqual(folders.flatMap((name) => [name, `${name}-int`]));
  });

  it("passes over folders that are no packages, and sorts the rest by name", async () => {
    await write("b");
    await write("a");
    await mkdir(join(folder, "notes"));
    await writeFile(join(folder, "README.md"), "x");
    expect((await readPackages(folder)).map(({ model }) => model.name)).toEqual(["a", "b"]);
  });

  it("refuses a model of another digest, another name, no model, or one that is too large", async () => {
    await expect(readPackage(await write("a", "changed"))).rejects.toEqual(invalid);
    await expect(readPackage(await write("a", "onnx", { name: "b" }))).rejects.toEqual(invalid);
    await expect(readPackage(await write("a"), 3)).rejects.toEqual(invalid);
    await expect(readPackage(await write("a"), 4)).resolves.toBeDefined();
    await rm(join(folder, "a", "model.onnx"));
    await expect(readPackage(join(folder, "a"))).rejects.toEqual(invalid);
    await expect(readPackage(join(folder, "none"))).rejects.toEqual(invalid);
  });

  it("refuses a folder that is missing, empty, or holds one invalid package", async () => {
    await expect(readPackages(join(folder, "none"))).rejects.toEqual(invalid);
    await expect(readPackages(folder)).rejects.toEqual(invalid);
    await write("a");
    await write("b", "changed");
    await expect(readPackages(folder)).rejects.toEqual(invalid);
  });
});
