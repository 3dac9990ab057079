/** Models of the zk suite, each as a constraint system, with the witness of one real sample. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { type ModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { readPackages } from "../../src/model/read/read-package.ts";
import { architectureOf } from "../../src/paths/zk/compile/architecture.ts";
import { type Circuit, compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { bindWeights, compileArchitecture } from "../../src/paths/zk/compile/committed-circuit.ts";
import { generateWitness } from "../../src/paths/zk/compile/witness.ts";
import { encodeR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import { type BenchOptions, repository } from "../suite.ts";
import { irisModel, mnistModel } from "./made-models.ts";

/** A model to prove. */
export interface ZkModel {
  readonly name: string;
  readonly architecture: string;
  /** Where the weights are from. */
  readonly weights: string;
  readonly checked: CheckedModel;
  /** Whether weights are constants of the circuit or private wires. */
  readonly mode: "baked" | "committed";
  /** The float model, as a peer reads it. */
  readonly onnx: Uint8Array;
  readonly sample: readonly number[];
}

/** A compiled model. */
export interface ZkWorkload extends ZkModel {
  readonly rows: number;
  readonly domain: number;
  readonly wires: number;
  readonly publicSignals: number;
  readonly compileMs: number;
  readonly witnessMs: number;
  readonly witness: Uint8Array;
  readonly r1csFile: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "breast-cancer-logistic": "logistic 30",
  "breast-cancer-mlp": "MLP 30-16-2",
  "digits-mlp": "MLP 64-32-10",
  "mnist-lenet5": "LeNet-5",
  "breast-cancer-forest": "20 trees of depth 6",
};

export async function shippedModels(names: readonly string[]): Promise<ZkModel[]> {
  const packages = await readPackages(join(repository, "models"));
  return names.map((name) => {
    const found = packages.find(({ model }) => model.name === name);
    if (found === undefined) throw new Error(`${name} is not shipped`);
    const checked = parseIntegerModel(new Uint8Array(readFileSync(join(repository, "models", name, "integer.json"))));
    const weights = `shipped, ${checked.digest}`;
    return {
      name,
      architecture: ARCHITECTURES[name] ?? name,
      weights,
      checked,
      mode: "baked",
      onnx: found.onnx,
      sample: sampleOf(name, found.model),
    };
  });
}

function sampleOf(name: string, model: ModelPackage): readonly number[] {
  const file = JSON.parse(readFileSync(join(repository, "models", name, "heldback.json"), "utf8")) as {
    readonly rows: readonly { readonly x: readonly number[] }[];
  };
  return standardizeRow(model, file.rows[0]?.x ?? []);
}

/** Two models that others' figures are of, trained here: a peer needs their float weights. */
function trainedModels(progress: (text: string) => void): readonly [ZkModel, ZkModel] {
  progress("training 4-128-64-3 on iris and 784-128-10 on MNIST");
  const [iris, mnist] = [irisModel(), mnistModel()];
  const trained = (accuracy: number) => `trained by the bench; float accuracy ${accuracy} on rows held back`;
  const mode = "baked" as const;
  return [
    { name: "iris-mlp", architecture: "MLP 4-128-64-3", weights: trained(iris.accuracy), mode, ...iris },
    { name: "mnist-mlp", architecture: "MLP 784-128-10", weights: trained(mnist.accuracy), mode, ...mnist },
  ];
}

/** The models of a run: those of the issue, smallest first, or those of them that `only` names; only the smallest with `smallest`. */
export async function zkModels({ smallest, only, progress }: BenchOptions): Promise<readonly ZkModel[]> {
  const dense = await shippedModels(["breast-cancer-logistic", "breast-cancer-mlp", "digits-mlp"]);
  if (smallest) return dense.slice(0, 1).flatMap((model) => [model, committed(model)]);
  const wanted = (name: string) => only === null || only.includes(name);
  const [iris, mnist] = wanted("iris-mlp") || wanted("mnist-mlp") ? trainedModels(progress) : [null, null];
  const all = [
    ...dense,
    ...(iris === null ? [] : [iris]),
    ...(await shippedModels(["breast-cancer-forest"])),
    ...(mnist === null ? [] : [mnist]),
    ...(await shippedModels(["mnist-lenet5"])),
    ...dense.map(committed),
  ];
  return all.filter(({ name }) => wanted(name));
}

/** The same model with private weights. */
function committed(model: ZkModel): ZkModel {
  return { ...model, name: `${model.name}-committed`, mode: "committed" };
}

function circuitOf({ checked, mode }: ZkModel): Circuit {
  if (mode === "baked") return compileCircuit(checked);
  const salt = crypto.getRandomValues(new Uint8Array(31));
  return bindWeights(compileArchitecture(architectureOf(checked)), checked, salt);
}

/** Compiles `model`, writes its constraint system into `folder`, and makes the witness. */
export function compileWorkload(model: ZkModel, folder: string): ZkWorkload {
  const started = performance.now();
  const circuit = circuitOf(model);
  const compileMs = performance.now() - started;
  const r1csFile = join(folder, `${model.name}.r1cs`);
  writeFileSync(r1csFile, encodeR1cs(circuit.system));
  const input = encodeInput(model.checked.model.input, model.sample);
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const times = Array.from({ length: 5 }, () => {
    const from = performance.now();
    const { file } = generateWitness(circuit, model.checked, { input, salt, context: 1n });
    return { ms: performance.now() - from, file };
  }).sort((left, right) => left.ms - right.ms);
  const { ms: witnessMs, file: witness } = times[2] ?? { ms: 0, file: new Uint8Array() };
  const { rows, wires, publicSignals } = circuit.system;
  const domain = rows + publicSignals + 1;
  return { ...model, rows: circuit.usedRows, domain, wires, publicSignals, compileMs, witnessMs, witness, r1csFile };
}
