/** Reads model packages from a folder. What is read is measured: the digest is taken from the bytes that are handed out. */
import { open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { digestOf } from "../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../integer/integer-model.ts";
import { type EncodedAnswer, MAX_KNOWN_ANSWERS_BYTES, parseKnownAnswers } from "../integer/known-answers.ts";
import { MAX_INTEGER_MODEL_BYTES, parseIntegerModel } from "../integer/parse-model.ts";
import { integerPackage, MAX_MODEL_JSON_BYTES, type ModelPackage, parseModelPackage } from "../model-package.ts";
import { emitOnnx } from "../onnx/emit-onnx.ts";

/** Largest `model.onnx`, in bytes, unless a caller sets another bound. ONNX itself ends at 2 GiB. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Most packages that one folder may hold. */
const MAX_PACKAGES = 1024;

/** A model package together with the bytes of its model. */
export interface LoadedPackage {
  readonly model: ModelPackage;
  /** The exact bytes of `model.onnx`, whose SHA-256 is `model.digest`; for an integer form the graph that was emitted from it. */
  readonly onnx: Uint8Array;
  /** The integer form, whose digest is `model.digest`; null for a float model. */
  readonly integer: LoadedInteger | null;
}

/** An integer model with the answers that an executor must give before it serves. */
export interface LoadedInteger {
  readonly checked: CheckedModel;
  readonly answers: readonly EncodedAnswer[];
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

async function readInteger(
  folder: string,
  model: ModelPackage,
  form: NonNullable<ModelPackage["integer"]>,
): Promise<LoadedPackage> {
  const label = (file: string) => `\`${model.name}/${file}\``;
  const bytes = await readBounded(join(folder, "integer.json"), label("integer.json"), MAX_INTEGER_MODEL_BYTES);
  const checked = parseIntegerModel(bytes);
  const known = await readBounded(join(folder, "known-answers.json"), label("known-answers.json"), MAX_KNOWN_ANSWERS_BYTES);
  if (digestOf(known) !== form.knownAnswers) {
    throw new TrisealError("MODEL_INVALID", `${label("known-answers.json")} has not the digest that its model.json states`);
  }
  const answers = parseKnownAnswers(known, checked);
  return { model: integerPackage(model, checked), onnx: emitOnnx(checked), integer: { checked, answers } };
}

/**
 * The models of the package in `folder`: the float model of `model.onnx`, and the integer form if `model.json` names one. Every
 * file has the digest that `model.json` states; the reference executor gives the known answers.
 * @throws TrisealError `MODEL_INVALID`: a file missing, malformed or too large, another digest, a folder that has not the
 *   model's name; `MODEL_UNSUPPORTED` for an integer form that has no exact graph.
 */
export async function readPackage(
  folder: string,
  maxModelBytes = MAX_MODEL_BYTES,
): Promise<readonly [LoadedPackage, ...LoadedPackage[]]> {
  const name = basename(folder);
  const model = parseModelPackage(await readBounded(join(folder, "model.json"), `\`${name}/model.json\``, MAX_MODEL_JSON_BYTES));
  if (model.name !== name) throw new TrisealError("MODEL_INVALID", `the folder \`${name}\` holds a model of another name`);
  const onnx = await readBounded(join(folder, "model.onnx"), `\`${name}/model.onnx\``, maxModelBytes);
  if (digestOf(onnx) !== model.digest) {
    throw new TrisealError("MODEL_INVALID", `\`${name}/model.onnx\` has not the digest that its model.json states`);
  }
  const float: LoadedPackage = { model, onnx, integer: null };
  return model.integer === undefined ? [float] : [float, await readInteger(folder, model, model.integer)];
}

/**
 * The models of the packages in the folders below `folder`, sorted by folder, a float model before its integer form. A folder without `model.json` is no package and is passed over.
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
  for (const name of names) packages.push(...(await readPackage(join(folder, name), maxModelBytes)));
  const served = new Set(packages.map(({ model }) => model.name));
  if (served.size !== packages.length) throw new TrisealError("MODEL_INVALID", "two models in the folder have one name");
  return packages;
}
