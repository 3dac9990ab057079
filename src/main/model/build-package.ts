/** Writes a model package: the float model, its integer form and known answers. The same input gives the same bytes. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { utf8 } from "../../core/bytes.ts";
import { digestOf } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Datatype } from "../../core/tensor.ts";
import { encodeKnownAnswers, makeKnownAnswers } from "../../model/integer/known-answers.ts";
import { encodeIntegerModel } from "../../model/integer/parse-model.ts";
import { integerPackage, type ModelPackage, parseModelPackage } from "../../model/model-package.ts";
import { fixedRandom } from "../../model/quantise/calibrate.ts";
import { COMPILERS, type CompiledFiles, type CompileRequest } from "./path-compiler.ts";
import type { QuantisedSource } from "./quantise-source.ts";

/** Known answers from samples, and from the corners and inside of the input range. */
const FROM_SAMPLES = 8;
const MADE_UP = 8;

/** What a build is told beyond the source. */
export interface BuildRequest {
  readonly folder: string;
  readonly paths: readonly string[];
  readonly name: string | null;
  readonly licence: string | null;
  /** State of the zk setup to make, or the file of a key; null takes the default. */
  readonly setup: string | null;
  /** zk: whether weights are the circuit's or private. */
  readonly zkMode: CompileRequest["zkMode"];
  /** What of the integer form callers may have; null keeps what the source's card says, and nothing without a card. */
  readonly handsOut: "model" | "proving-key" | null;
  readonly silent: boolean;
}

/** What was built. */
export interface BuiltPackage {
  readonly folder: string;
  readonly model: ModelPackage;
  readonly integer: ModelPackage;
  readonly files: readonly string[];
  /** What the paths say of what they made. */
  readonly notes: readonly string[];
}

/** Inputs that no data shows: both ends of the range and numbers between, as real numbers. */
function madeUpInputs({ checked }: QuantisedSource): readonly (readonly number[])[] {
  const { input } = checked.model;
  const range = checked.values[0];
  const random = fixedRandom(0x5ea1);
  const length = range?.lo.length ?? 0;
  const real = (at: number, q: number) => {
    const { encoding } = input;
    if (encoding.kind === "affine") return Math.fround((q - encoding.zero) / encoding.multiplier);
    const edges = encoding.edges[at] ?? [];
    // Just at an edge: the rank is the number of edges below.
    return edges[q] ?? Math.fround((edges.at(-1) ?? 0) + 1);
  };
  const sample = (choose: (hi: number) => number) => Array.from({ length }, (_, at) => real(at, choose(range?.hi[at] ?? 0)));
  const inner = Array.from({ length: MADE_UP - 2 }, () => sample((hi) => Math.floor(random() * (hi + 1))));
  return [sample(() => 0), sample((hi) => hi), ...inner];
}

const DATATYPES: Readonly<Record<number, Datatype>> = { 1: "FP32", 7: "INT64" };

/** A card for a model that has none. */
function newCard({ model, source }: QuantisedSource, name: string, licence: string): JsonObject {
  const { declared } = model.output;
  const datatype = DATATYPES[declared.elementType];
  if (datatype === undefined) {
    throw new TrisealError(
      "MODEL_UNSUPPORTED",
      `output \`${model.output.name.slice(0, 64)}\` is no tensor of FP32 or INT64: export scikit-learn models with zipmap off`,
    );
  }
  const shape = declared.shape ?? model.shapes.at(-1) ?? [];
  return {
    v: 1,
    name,
    version: "1",
    digest: source.digest,
    licence,
    inputs: [{ name: model.input.name, datatype: "FP32", shape: [-1, ...model.input.shape] }],
    outputs: [{ name: model.output.name, datatype, shape: [-1, ...shape] }],
    paths: ["tee"],
  };
}

function nameOf({ name, folder }: BuildRequest): string {
  return name ?? basename(resolve(folder));
}

function cardOf(quantised: QuantisedSource, request: BuildRequest): JsonObject {
  const { card } = quantised.source;
  const name = nameOf(request);
  if (card === null) return newCard(quantised, name, request.licence ?? "unstated");
  const { integer: _, ...kept } = card.document;
  return { ...kept, name, ...(request.licence === null ? {} : { licence: request.licence }) };
}

/** How right the integer form is, where labels are known and the samples were held back. */
function accuracyOf({ comparison }: QuantisedSource): JsonObject {
  if (comparison === null || comparison.right === null || comparison.on !== "test") return {};
  const { samples, refused, right } = comparison;
  return { accuracy: { heldBack: Number((right.integer / samples).toFixed(4)), n: samples, refused } };
}

async function compiledFiles(quantised: QuantisedSource, request: BuildRequest): Promise<readonly CompiledFiles[]> {
  const compilers = request.paths.map((path) => {
    const compiler = COMPILERS.find((item) => item.path === path);
    if (compiler === undefined) {
      throw new TrisealError(
        "FORMAT_INVALID",
        `--paths: \`${path.slice(0, 32)}\` is none of ${COMPILERS.map((item) => item.path).join(", ")}`,
      );
    }
    if (compiler.build === null)
      throw new TrisealError(
        "MODEL_UNSUPPORTED",
        `--paths: nothing is built for \`${path}\`: name the integer form in \`${path}.models\` of triseal.config.yaml`,
      );
    return compiler.build;
  });
  const compiled: CompiledFiles[] = [];
  for (const compile of compilers) compiled.push(await compile(quantised.checked, request));
  return compiled;
}

/** Writes a file for the owner alone. One that was there keeps its mode otherwise, so it is removed first. */
async function writeSecret(file: string, bytes: Uint8Array): Promise<void> {
  await rm(file, { force: true });
  await writeFile(file, bytes, { mode: 0o600, flag: "wx" });
}

/** Both show the weights: the proving key to whoever looks, the model at once. A key without the model would be no secret kept. */
function handedOut({ handsOut }: BuildRequest): Pick<ModelPackage, "visibility" | "provingKey"> | null {
  if (handsOut === null) return null;
  return { visibility: "public", ...(handsOut === "proving-key" ? { provingKey: "public" } : {}) };
}

/** Builds the package in `request.folder`. @throws TrisealError `MODEL_UNSUPPORTED`, `MODEL_INVALID`, `FORMAT_INVALID`. */
export async function buildPackage(quantised: QuantisedSource, request: BuildRequest): Promise<BuiltPackage> {
  const { checked, calibration, rows, source } = quantised;
  const compiled = await compiledFiles(quantised, request);
  const integerBytes = encodeIntegerModel(checked.model);
  const known = encodeKnownAnswers(makeKnownAnswers(checked, [...madeUpInputs(quantised), ...rows.slice(0, FROM_SAMPLES)]));
  const card = cardOf(quantised, request);
  const { data, range, samples, percentile } = calibration;
  const { visibility, provingKey } = handedOut(request) ?? source.card?.model.integer ?? {};
  const form: JsonObject = {
    name: `${nameOf(request)}-int`,
    digest: checked.digest,
    knownAnswers: digestOf(known),
    // Who may have the form is the owner's to say, and outlives a new build of it.
    ...(visibility === undefined ? {} : { visibility }),
    ...(provingKey === undefined ? {} : { provingKey }),
    paths: request.paths,
    calibration: { data: data?.digest ?? null, range: range === null ? null : { ...range }, samples, percentile },
    ...accuracyOf(quantised),
  };
  const document = utf8(`${JSON.stringify({ ...card, integer: form }, null, 2)}\n`);
  const model = parseModelPackage(document);
  const integer = integerPackage(model, checked);
  const files = new Map([
    ["model.onnx", source.onnx],
    ["model.json", document],
    ["integer.json", integerBytes],
    ["known-answers.json", known],
    ...compiled.flatMap(({ files: made }) => [...made]),
  ]);
  await mkdir(request.folder, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(request.folder, name), bytes);
  const secrets = compiled.flatMap((made) => [...made.secrets]);
  for (const [name, bytes] of secrets) await writeSecret(join(request.folder, name), bytes);
  const names = [...files.keys(), ...secrets.map(([name]) => name)];
  return { folder: request.folder, model, integer, files: names, notes: compiled.flatMap(({ notes }) => notes) };
}
