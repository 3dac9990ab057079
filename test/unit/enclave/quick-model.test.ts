import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { knownRuns, WrongAnswer } from "../../../enclave/worker/integer-run.ts";
import { openQuickModel } from "../../../enclave/worker/quick-model.ts";
import type { ModelBytes } from "../../../enclave/worker/session.ts";
import type { ModelPackage } from "../../../src/model/model-package.ts";
import { type LoadedPackage, readPackage } from "../../../src/model/read/read-package.ts";
import { pickModel, slowModel } from "../../e2e/worker-onnx.ts";

const FOREVER = Number.POSITIVE_INFINITY;

const [float, integer] = await readPackage(join(import.meta.dirname, "../../../models/digits-mlp"));

function bytesOf({ model, onnx, integer: form }: LoadedPackage): ModelBytes {
  return { name: model.name, onnx, answers: form === null ? null : knownRuns(form) };
}

/** A package around a graph of the tests. */
function packageOf(inputs: ModelPackage["inputs"], outputs: ModelPackage["outputs"]): ModelPackage {
  return { ...float.model, name: "made", inputs, outputs };
}

function feed(model: ModelPackage, rows: number) {
  const [input] = model.inputs;
  const length = input?.shape.at(-1) ?? 0;
  return { name: input?.name ?? "", type: "float32", dims: [rows, length], data: new Float32Array(rows * length) } as const;
}

describe("a model that runs on the worker's main thread", () => {
  it("is one that was measured to be quick, and takes no larger tensor than was measured", async () => {
    const quick = await openQuickModel(float.model, bytesOf(float), "cpu", FOREVER);
    const one = feed(float.model, 1);
    expect([quick?.fits([one]), quick?.fits([feed(float.model, 2)]), quick?.fits([{ ...one, name: "other" }])]).toEqual([
      true,
      false,
      false,
    ]);
    const fetches = float.model.outputs.map(({ name }) => name);
    const outputs = await quick?.run({ model: float.model.name, feeds: [one], fetches });
    expect(outputs?.map(({ name }) => name)).toEqual(fetches);
  });

  it("is none that takes longer than the limit", async () => {
    expect(await openQuickModel(float.model, bytesOf(float), "cpu", 0)).toBeNull();
  });

  it("is none of another provider, whose times are another thing", async () => {
    expect(await openQuickModel(float.model, bytesOf(float), "cuda", FOREVER)).toBeNull();
  });

  it("is none with an operation whose time does not follow from shapes", async () => {
    const value = (name: string) => ({ name, datatype: "FP32", shape: [1] }) as const;
    for (const onnx of [slowModel(), pickModel()]) {
      const bytes = { name: "made", onnx, answers: null };
      expect(await openQuickModel(packageOf([value("x")], [value("y")]), bytes, "cpu", FOREVER)).toBeNull();
    }
  });

  it("is none that takes texts, and none whose graph cannot be read", async () => {
    const [input] = float.model.inputs;
    if (input === undefined) throw new Error("the model has no input");
    const texts = packageOf([{ ...input, datatype: "BYTES" }], float.model.outputs);
    expect(await openQuickModel(texts, bytesOf(float), "cpu", FOREVER)).toBeNull();
    const garbled = { name: "made", onnx: Uint8Array.of(0xff, 0xff, 0xff), answers: null };
    expect(await openQuickModel(float.model, garbled, "cpu", FOREVER)).toBeNull();
  });

  it("must give its known answers there, too, where it is an integer model", async () => {
    if (integer === undefined) throw new Error("the package has no integer form");
    const bytes = bytesOf(integer);
    expect(await openQuickModel(integer.model, bytes, "cpu", FOREVER)).not.toBeNull();
    const changed = bytes.answers?.map((run) => ({ ...run, data: run.data.map((item) => item + 1) })) ?? [];
    await expect(openQuickModel(integer.model, { ...bytes, answers: changed }, "cpu", FOREVER)).rejects.toThrow(WrongAnswer);
  });
});
