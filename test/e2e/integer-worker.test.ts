import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { labelOf, standardizeRow } from "../../src/model/model-package.ts";
import { readPackage } from "../../src/model/read/read-package.ts";
import {
  boundRequest,
  createWorkplace,
  heldBackRows,
  never,
  oipBody,
  type RunningPath,
  startPath,
  startWorker,
  type Workplace,
} from "./worker-harness.ts";

let place: Workplace;
let running: RunningPath;

beforeAll(async () => {
  place = await createWorkplace();
  running = startPath(place);
  await running.path.admitted(AbortSignal.timeout(60_000));
});

afterAll(async () => {
  await running.path.close();
  await place.remove();
});

async function integerForm(name: string) {
  const [, form] = await readPackage(join(place.folder, "models", name));
  if (form?.integer === null || form === undefined) throw new Error(name);
  return { model: form.model, checked: form.integer.checked };
}

function infer(model: Awaited<ReturnType<typeof integerForm>>["model"], rows: readonly (readonly number[])[]) {
  const [input] = model.inputs;
  const shape = [rows.length, ...(input?.shape.slice(1) ?? [])];
  const body = oipBody([{ name: input?.name ?? "", datatype: "FP32", shape, data: rows.flat() }]);
  return running.path.infer(boundRequest(model, body), { signal: never });
}

describe("a worker that serves an integer form", () => {
  it.each(["digits-mlp", "breast-cancer-mlp"])(
    "answers %s with the reference's integers, under the digest of integer.json",
    async (name) => {
      const { model, checked } = await integerForm(name);
      expect([model.name, model.digest]).toEqual([`${name}-int`, checked.digest]);
      const rows = (await heldBackRows(name)).slice(0, 64);
      const samples = rows.map((row) => standardizeRow(model, row.x));
      const { outputs } = parseInferenceResponse((await infer(model, samples)).body);
      const want = samples.flatMap((sample) => [...runInteger(checked, encodeInput(checked.model.input, sample))]);
      expect(outputs[0]).toMatchObject({ datatype: "INT32", data: Int32Array.from(want) });
      const right = rows.filter((row, at) => labelOf(model, outputs, at)?.label === row.label).length;
      expect(right).toBeGreaterThanOrEqual(60);
    },
  );

  it("refuses an input out of range, before it runs, and says nothing about the value", async () => {
    const { model } = await integerForm("digits-mlp");
    const [row] = await heldBackRows("digits-mlp");
    const sample = [...(row?.x ?? [])];
    for (const value of [32, -1, 1e9]) {
      sample[3] = value;
      const failed: unknown = await infer(model, [sample]).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: "INPUT_OUT_OF_RANGE" });
      expect(String((failed as Error).message)).not.toContain(String(value));
    }
  });

  it("does not start when the integer model, or a known answer, is not the one that model.json states", async () => {
    const folder = join(place.folder, "models", "digits-mlp");
    for (const file of ["integer.json", "known-answers.json"]) {
      const bytes = await readFile(join(folder, file), "utf8");
      await writeFile(
        join(folder, file),
        bytes.replace(/"bias":\[(-?\d)|"y":\[(-?\d)/, (found) => `${found}1`),
      );
      await expect(startWorker(place.command())).rejects.toThrow(/MODEL_INVALID|digest|canonical|known answers/);
      await writeFile(join(folder, file), bytes);
    }
  });
});
