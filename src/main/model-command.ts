/** `triseal model`: which paths a model can take, its integer form, and what a folder holds. */
import { availableParallelism, loadavg } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import { readPackages } from "../model/read/read-package.ts";
import { buildPackage } from "./model/build-package.ts";
import { COMPILERS, type PathJudgement } from "./model/path-compiler.ts";
import { type QuantisedSource, quantiseSource, type SourceFlags } from "./model/quantise-source.ts";
import { packageRoot } from "./package-root.ts";

/** Exit codes: a model that integers cannot express, and a file that is malformed. */
const UNSUPPORTED_EXIT = 20;
const MALFORMED_EXIT = 30;

const EXITS: Readonly<Record<string, number>> = {
  MODEL_UNSUPPORTED: UNSUPPORTED_EXIT,
  MODEL_INVALID: MALFORMED_EXIT,
  FORMAT_INVALID: MALFORMED_EXIT,
  ZK_KEY_INVALID: MALFORMED_EXIT,
  ZK_SETUP_INVALID: MALFORMED_EXIT,
};

/** Runs `work`; a refusal is one line, or one JSON object, and its exit code. */
async function refusing(json: true | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isTrisealError(error) || EXITS[error.code] === undefined) throw error;
    const { code, message, details } = error;
    if (json) console.log(JSON.stringify({ ok: false, code, message, ...details }));
    else console.error(`triseal: ${code}: ${message}`);
    process.exitCode = EXITS[code] ?? 1;
  }
}

function judgements(quantised: QuantisedSource): readonly (PathJudgement & { readonly path: string })[] {
  return COMPILERS.map((compiler) => ({ path: compiler.path, ...compiler.judge(quantised.checked) }));
}

function report(quantised: QuantisedSource) {
  const { model, checked, calibration, comparison, warnings } = quantised;
  return {
    ok: true,
    input: { name: model.input.name, shape: model.input.shape, encoding: checked.model.input.encoding.kind },
    output: checked.model.output,
    integerDigest: checked.digest,
    operations: checked.model.ops.length,
    largestSum: Math.max(...checked.values.map(({ magnitude }) => magnitude)),
    paths: judgements(quantised),
    calibration: {
      data: calibration.data?.digest ?? null,
      range: calibration.range,
      samples: calibration.samples,
      percentile: calibration.percentile,
    },
    comparison,
    notes: model.notes,
    warnings,
  };
}

/**
 * How much longer a proof takes here and now than on two idle cores: its two threads share the cores with whatever else runs (mean of
 * the last minute; 1 where the system does not tell).
 */
function slowdown(): number {
  const cores = availableParallelism();
  return Math.max(1, ((loadavg()[0] ?? 0) + 2) / cores);
}

function estimateLines(judgement: PathJudgement): readonly string[] {
  const { estimate } = judgement;
  if (estimate === null) return [];
  const factor = slowdown();
  const { domain, publicSignals, proveMs, memoryMiB, provingKeyBytes } = estimate;
  return [
    `        domain 2^${Math.log2(domain)}, ${publicSignals} public signals, proving key ${(provingKeyBytes / 2 ** 20).toFixed(1)} MiB`,
    `        estimate, not measured: prove ${proveMs.native} ms native / ${proveMs.npm} ms npm on two idle cores, memory ${memoryMiB.native} / ${memoryMiB.npm} MiB`,
    ...(factor < 1.5 ? [] : [`        this machine is busy: expect about ${factor.toFixed(1)} times as long here and now`]),
  ];
}

function comparisonLines({ comparison }: QuantisedSource): readonly string[] {
  if (comparison === null) return ["accuracy  unknown: give --test or --data"];
  const { samples, right, agree, refused, largestError, on } = comparison;
  const share = (count: number) => `${((100 * count) / samples).toFixed(2)} %`;
  return [
    `compared  on ${samples} samples of --${on}${on === "data" ? " (the calibration's own: give --test for held-back ones)" : ""}`,
    ...(right === null ? [] : [`accuracy  float ${share(right.float)}, integer ${share(right.integer)}`]),
    ...(agree === null ? [] : [`agreement ${share(agree)}`]),
    `refused   ${refused} out of range; largest error ${largestError.toPrecision(3)}`,
  ];
}

function printReport(quantised: QuantisedSource): void {
  const { checked, model, warnings } = quantised;
  const lines = [
    `model     ${model.input.name} [${model.input.shape.join(",")}] -> ${checked.model.output.meaning}, ${checked.model.ops.length} integer operations`,
    `digest    ${checked.digest} (integer form)`,
    ...judgements(quantised).flatMap((item) => [
      `${item.path.padEnd(4)} ${item.can ? "yes" : "no "} ${item.because}`,
      ...estimateLines(item),
      ...(item.variants ?? []).flatMap((variant) => [
        `     ${variant.can ? "yes" : "no "} ${variant.name}: ${variant.because}`,
        ...estimateLines(variant),
      ]),
    ]),
    ...comparisonLines(quantised),
    ...model.notes.map((note) => `note      ${note}`),
    ...warnings.map((warning) => `warning   ${warning}`),
  ];
  console.log(lines.join("\n"));
}

function preflight(file: string, flags: SourceFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const quantised = await quantiseSource(file, flags);
    if (flags.json) console.log(JSON.stringify(report(quantised)));
    else printReport(quantised);
  });
}

interface BuildFlags extends SourceFlags {
  readonly out: string;
  readonly paths: string;
  readonly name?: string;
  readonly licence?: string;
  readonly setup?: string;
  readonly zkMode: string;
  readonly handOut?: string;
}

function handsOutOf({ handOut, zkMode }: BuildFlags): "model" | "proving-key" | null {
  if (handOut === undefined) return null;
  if (zkMode === "committed") throw new TrisealError("FORMAT_INVALID", "--hand-out shows the weights that committed mode hides");
  if (handOut === "model" || handOut === "proving-key") return handOut;
  throw new TrisealError("FORMAT_INVALID", "--hand-out wants model or proving-key");
}

function zkModeOf(text: string): "baked" | "committed" {
  if (text === "baked" || text === "committed") return text;
  throw new TrisealError("FORMAT_INVALID", "--zk-mode wants baked or committed");
}

function build(file: string, flags: BuildFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const quantised = await quantiseSource(file, flags);
    const { folder, model, integer, files, notes } = await buildPackage(quantised, {
      folder: resolve(flags.out),
      paths: flags.paths.split(","),
      name: flags.name ?? null,
      licence: flags.licence ?? null,
      setup: flags.setup ?? null,
      zkMode: zkModeOf(flags.zkMode),
      handsOut: handsOutOf(flags),
      silent: flags.json === true,
    });
    if (flags.json) {
      console.log(JSON.stringify({ ...report(quantised), models: [model.name, integer.name], files, built: notes }));
      return;
    }
    printReport(quantised);
    for (const note of notes) console.log(`zk        ${note}`);
    console.log(`built     ${folder}: ${files.join(", ")}\nserves    ${model.name} (float), ${integer.name} (integer)`);
  });
}

function list(flags: { readonly models?: string; readonly json?: true }): Promise<void> {
  return refusing(flags.json, async () => {
    const packages = await readPackages(resolve(flags.models ?? join(packageRoot, "models")));
    for (const { model } of packages) {
      const { name, digest, paths, meaning } = model;
      const form = meaning === undefined ? "float" : "integer";
      if (flags.json) console.log(JSON.stringify({ name, form, digest, paths, meaning: meaning ?? null }));
      else console.log(`${name.padEnd(32)} ${form.padEnd(8)} ${paths.join(",").padEnd(12)} ${digest}`);
    }
  });
}

function withSource(command: Command): Command {
  return command
    .option(
      "--data <file>",
      "samples to calibrate with: .npy, .json or .csv, one row per sample (raw values where model.json standardises)",
    )
    .option("--range <lo,hi>", "range of inputs to accept; without --data calibrates on made-up inputs of it (default -8,8)")
    .option("--test <file>", "held-back samples to compare float and integer form on; the data's own otherwise")
    .option("--percentile <p>", "end activations at this percentile of the samples' largest numbers", "100")
    .option("--input-bits <n>", "bits of an encoded input, 2 to 8", "8")
    .option("--weight-bits <n,...>", "bits of weights per layer, 2 to 8; the last counts for all further layers", "8")
    .option("--activation-bits <n,...>", "bits of activations per layer, likewise", "8")
    .option("--json", "print one JSON object");
}

/** Adds `model` to the command line. */
export function addModelCommand(program: Command): void {
  const model = program.command("model").description("integer forms of models, and which paths a model can take");
  withSource(
    model
      .command("preflight <file.onnx>")
      .description("say which paths the model can take, why not, and what integers cost in accuracy"),
  ).action(preflight);
  withSource(model.command("build <file.onnx>").description("write a model package with the integer form and its known answers"))
    .requiredOption("--out <dir>", "folder of the package; its name is the model's")
    .option("--paths <list>", "paths to build for", "tee")
    .option("--name <name>", "name of the model instead of the folder's")
    .option(
      "--setup <state|file>",
      "zk: `dev-insecure`, or the file of a proving key with its setup.json beside it",
      "dev-insecure",
    )
    .option(
      "--zk-mode <mode>",
      "zk: `baked` weights, or `committed`: private, one key for all models of the architecture",
      "baked",
    )
    .option(
      "--hand-out <what>",
      "show callers the weights: `model`, to open commitments, or `proving-key` too, to prove themselves (default: neither)",
    )
    .option("--licence <id>", "licence to state in model.json")
    .action(build);
  model
    .command("list")
    .description("models that a folder of packages serves, each checked as a worker checks it")
    .option("--models <dir>", "folder of packages instead of the shipped ones")
    .option("--json", "print one JSON object per model")
    .action(list);
}
