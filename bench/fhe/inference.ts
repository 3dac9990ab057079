/**
 * Encrypted inference on the shipped models: every output beside the reference executor's, and how long the server's part takes.
 * `npx tsx bench/fhe/inference.ts [--program DIR] [--only NAME,...] [--rows N]` after `cargo build --release --examples` in
 * `src/paths/fhe/engine`; DIR is where cargo left `lwe` and `linear_int16`. Prints one JSON object.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { parseModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { encodeLweCircuit } from "../../src/paths/fhe/compile/lwe-circuit.ts";
import { compileLwe } from "../../src/paths/fhe/compile/lwe-compile.ts";
import { percentiles } from "../statistics.ts";
import { load, provenance, repository } from "../suite.ts";

const MODELS = [
  "breast-cancer-logistic",
  "breast-cancer-tree",
  "breast-cancer-forest",
  "breast-cancer-mlp-fhe",
  "digits-mlp-fhe",
];

/** What the engine's example prints. */
interface Measured {
  readonly keygenMs: number;
  readonly serverKeyBytes: number;
  readonly encryptMs: readonly number[];
  readonly evaluateMs: readonly number[];
  readonly decryptMs: readonly number[];
  readonly outputs: readonly (readonly number[])[];
  readonly threads: number;
}

function file(name: string, part: string): Uint8Array {
  return new Uint8Array(readFileSync(join(repository, "models", name, part)));
}

/** Encoded held-back rows, as many as asked for. */
function samples(name: string, checked: CheckedModel, count: number): readonly Int32Array[] {
  const card = parseModelPackage(file(name, "model.json"));
  const { rows } = JSON.parse(readFileSync(join(repository, "models", name, "heldback.json"), "utf8")) as {
    rows: readonly { readonly x: readonly number[] }[];
  };
  return rows.slice(0, count).map(({ x }) => encodeInput(checked.model.input, standardizeRow(card, x)));
}

function measure(name: string, count: number, program: string, folder: string) {
  const checked = parseIntegerModel(file(name, "integer.json"));
  const { circuit, price } = compileLwe(checked);
  const [circuitFile, rowsFile] = [join(folder, "circuit.json"), join(folder, "rows.json")];
  // A linear model takes microseconds: many rows, so that the first one's cold caches do not count.
  const rows = samples(name, checked, price.pbs === 0 ? 143 : count);
  writeFileSync(circuitFile, encodeLweCircuit(circuit));
  writeFileSync(rowsFile, JSON.stringify(rows.map((row) => [...row])));
  const run = (binary: string): unknown =>
    JSON.parse(execFileSync(join(program, binary), [circuitFile, rowsFile], { encoding: "utf8" }));
  const measured = run("lwe") as Measured;
  const different = rows.filter((row, at) => runInteger(checked, row).join() !== measured.outputs[at]?.join()).length;
  writeFileSync(rowsFile, JSON.stringify(rows.slice(0, 2).map((row) => [...row])));
  const highLevel = price.pbs === 0 ? (run("linear_int16") as { evaluateMs: readonly number[] }).evaluateMs : null;
  const evaluate = percentiles(measured.evaluateMs);
  return {
    model: name,
    price,
    rows: rows.length,
    different,
    evaluateMs: evaluate,
    encryptMs: percentiles(measured.encryptMs),
    decryptMs: percentiles(measured.decryptMs),
    keygenMs: measured.keygenMs,
    serverKeyBytes: measured.serverKeyBytes,
    threads: measured.threads,
    highLevelInt16Ms: highLevel,
    timesFaster: highLevel === null ? null : Math.round(percentiles(highLevel).p50 / evaluate.p50),
  };
}

const { values } = parseArgs({
  options: {
    program: { type: "string", default: join(repository, "src/paths/fhe/engine/target/release/examples") },
    only: { type: "string", default: MODELS.join() },
    rows: { type: "string", default: "5" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "triseal-lwe-"));
try {
  const before = load();
  const models = values.only.split(",").map((name) => measure(name, Number(values.rows), values.program, folder));
  console.log(JSON.stringify({ provenance: provenance([]), load: { before, after: load() }, models }, null, 1));
} finally {
  rmSync(folder, { recursive: true });
}
