/** Reads model packages from a folder. What is read is measured: the digest is taken from the bytes that are handed out. */
import { open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { digestOf } from "../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { MAX_MODEL_JSON_BYTES, type ModelPackage, parseModelPackage } from "../model-package.ts";

/** Largest `model.onnx`, in bytes, unless a caller sets another bound. ONNX itself ends at 2 GiB. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Most packages that one folder may hold. */
const MAX_PACKAGES = 1024;

/** A model package together with the bytes of its model. */
export interface LoadedPackage {
  readonly model: ModelPackage;
  /** The exact bytes of `model.onnx`, whose SHA-256 is `model.digest`. */
  readonly onnx: Uint8Array;
}

async function readBounded(file: string, label: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) throw new TrisealError("MODEL_INVALID", `${label}: more than ${maxBytes} bytes`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (isTrisealError(cause)) throw cause;
    throw new TrisealError("MODEL_INVALID", `${label}: cannot be read`, { cause });
  }
}

/**
 * The package in `folder`: `model.json`, and `model.onnx` if its SHA-256 is the digest that `model.json` states.
 * @throws TrisealError `MODEL_INVALID`: a file missing or too large, another digest, a folder that has not the model's name.
 */
export async function readPackage(folder: string, maxModelBytes = MAX_MODEL_BYTES): Promise<LoadedPackage> {
  const name = basename(folder);
  const model = parseModelPackage(await readBounded(join(folder, "model.json"), `\`${name}/model.json\``, MAX_MODEL_JSON_BYTES));
  if (model.name !== name) throw new TrisealError("MODEL_INVALID", `the folder \`${name}\` holds a model of another name`);
  const onnx = await readBounded(join(folder, "model.onnx"), `\`${name}/model.onnx\``, maxModelBytes);
  if (digestOf(onnx) !== model.digest) {
    throw new TrisealError("MODEL_INVALID", `\`${name}/model.onnx\` has not the digest that its model.json states`);
  }
  return { model, onnx };
}

/**
 * The packages in the folders below `folder`, sorted by name. A folder without `model.json` is no package and is passed over.
 * @throws TrisealError `MODEL_INVALID`: `folder` cannot be read, holds none or too many, or one of them is invalid.
 */
export async function readPackages(folder: string, maxModelBytes = MAX_MODEL_BYTES): Promise<readonly LoadedPackage[]> {
  let names: string[];
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const holds = await Promise.all(folders.map(async (name) => (await readdir(join(folder, name))).includes("model.json")));
    names = folders.filter((_, index) => holds[index]).sort();
  } catch (cause) {
    throw new TrisealError("MODEL_INVALID", "the models folder cannot be read", { cause });
  }
  if (names.length === 0) throw new TrisealError("MODEL_INVALID", "the models folder holds no model package");
  if (names.length > MAX_PACKAGES) throw new TrisealError("MODEL_INVALID", `more than ${MAX_PACKAGES} model packages`);
  const packages: LoadedPackage[] = [];
  for (const name of names) packages.push(await readPackage(join(folder, name), maxModelBytes));
  return packages;
}
