/** The linear model as one leveled dot product beside the same sums in tfhe-rs's 16-bit integers, in alternating calls. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { parseModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { encodeLweCircuit } from "../../src/paths/fhe/compile/lwe-circuit.ts";
import { compileLwe } from "../../src/paths/fhe/compile/lwe-compile.ts";
import { percentiles, quantile, ratioOfMedians } from "../statistics.ts";
import { repository } from "../suite.ts";
import { EXAMPLES } from "./direct.ts";
import type { LinearPart } from "./result.ts";

const MODEL = "breast-cancer-logistic";
const execute = promisify(execFile);

function file(part: string): Uint8Array {
  return new Uint8Array(readFileSync(join(repository, "models", MODEL, part)));
}

/** All held-back rows, encoded. */
function encodedRows(checked: CheckedModel): readonly Int32Array[] {
  const card = parseModelPackage(file("model.json"));
  const { rows } = JSON.parse(new TextDecoder().decode(file("heldback.json"))) as {
    rows: readonly { readonly x: readonly number[] }[];
  };
  return rows.map(({ x }) => encodeInput(checked.model.input, standardizeRow(card, x)));
}

async function example(name: string, circuit: string, rows: string): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await execute(join(EXAMPLES, name), [circuit, rows], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}

const wrapped = (value: number) => (value << 16) >> 16;

/** Rounds of all rows by the dot product and one row by 16-bit integers. */
export async function measureLinear(folder: string, rounds: number): Promise<LinearPart> {
  const checked = parseIntegerModel(file("integer.json"));
  const rows = encodedRows(checked);
  const [circuit, all, one] = ["linear.json", "rows.json", "row.json"].map((name) => join(folder, name));
  if (circuit === undefined || all === undefined || one === undefined) throw new Error("unreachable");
  await writeFile(circuit, encodeLweCircuit(compileLwe(checked).circuit));
  await writeFile(all, JSON.stringify(rows.map((row) => [...row])));
  const expected = rows.map((row) => [...runInteger(checked, row)]);
  const [lwe, medians, int16]: [number[], number[], number[]] = [[], [], []];
  let [lweErrors, int16Errors] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const at = round % rows.length;
    await writeFile(one, JSON.stringify([[...(rows[at] ?? [])]]));
    const { evaluateMs, outputs } = await example("lwe", circuit, all);
    const times = evaluateMs as readonly number[];
    lwe.push(...times);
    medians.push(quantile(times, 0.5));
    lweErrors += expected.filter(
      (row, index) => row.join() !== (outputs as readonly (readonly number[])[])[index]?.join(),
    ).length;
    const { evaluateMs: slow, sums } = await example("linear_int16", circuit, one);
    int16.push(...(slow as readonly number[]));
    if ((sums as readonly number[])[0] !== wrapped(expected[at]?.[0] ?? 0)) int16Errors++;
  }
  return {
    model: MODEL,
    features: rows[0]?.length ?? 0,
    lweMs: percentiles(lwe),
    int16Ms: percentiles(int16),
    rows: rows.length,
    lweErrors,
    int16Errors,
    ratio: ratioOfMedians(int16, medians),
  };
}
