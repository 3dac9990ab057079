/** An ONNX file on the command line: the model, the card beside it, and the samples that it is calibrated and tested with. */
import { open, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { digestOf, type Sha256Digest } from "../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { elementCount } from "../../core/tensor.ts";
import { type DataSet, MAX_DATA_BYTES, parseData } from "../../model/data/parse-data.ts";
import type { FloatModel } from "../../model/float/float-model.ts";
import { type ModelPackage, parseModelPackage, standardizeRow } from "../../model/model-package.ts";
import { importOnnx, MAX_ONNX_BYTES } from "../../model/onnx/import-onnx.ts";
import type { Range } from "../../model/quantise/calibrate.ts";

/** A model to be judged or built. */
export interface SourceModel {
  readonly onnx: Uint8Array;
  readonly digest: Sha256Digest;
  /** `model.json` beside the file, if it describes exactly this file; null otherwise. */
  readonly card: Card | null;
}

/** A `model.json`, parsed, and as it was written: a build keeps the order of its members. */
export interface Card {
  readonly model: ModelPackage;
  readonly document: JsonObject;
}

/** Samples as the model takes them, with class numbers where labels are known. */
export interface Samples {
  readonly digest: Sha256Digest;
  readonly rows: readonly (readonly number[])[];
  readonly truth: readonly number[] | null;
}

/** The bytes of `file`. @throws TrisealError `FORMAT_INVALID`: cannot be read, or larger than `maxBytes`. */
async function readBounded(file: string, maxBytes: number): Promise<Uint8Array> {
  const name = basename(file);
  const handle = await open(file, "r").catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", `\`${name}\` cannot be read`, { cause });
  });
  try {
    const { size } = await handle.stat();
    if (size > maxBytes) throw new TrisealError("FORMAT_INVALID", `\`${name}\` has more than ${maxBytes} bytes`);
    return new Uint8Array(await handle.readFile());
  } finally {
    await handle.close();
  }
}

async function readCard(file: string, digest: Sha256Digest): Promise<Card | null> {
  const bytes = await readFile(join(dirname(file), "model.json")).catch(() => null);
  if (bytes === null) return null;
  const model = parseModelPackage(new Uint8Array(bytes));
  const document = parseJson(new Uint8Array(bytes));
  return model.digest === digest && isJsonObject(document) ? { model, document } : null;
}

/** The file and its card. @throws TrisealError `FORMAT_INVALID`, `MODEL_INVALID`. */
export async function readSource(file: string): Promise<SourceModel> {
  const onnx = await readBounded(file, MAX_ONNX_BYTES);
  const digest = digestOf(onnx);
  return { onnx, digest, card: await readCard(file, digest) };
}

/** The float model of a source. @throws TrisealError `MODEL_INVALID`, `MODEL_UNSUPPORTED`. */
export function importSource(source: SourceModel): FloatModel {
  return importOnnx(source.onnx);
}

function classNumbers(data: DataSet, card: Card | null): readonly number[] | null {
  if (data.labels === null) return null;
  return data.labels.map((label) => {
    const number = card?.model.labels === undefined ? Number(label) : card.model.labels.indexOf(label);
    if (Number.isInteger(number) && number >= 0) return number;
    throw new TrisealError("FORMAT_INVALID", "data: a label is none of the model's, or no class number");
  });
}

/** Samples of a file; what is wrong says of which file it is. */
function parseNamed(name: string, bytes: Uint8Array): DataSet {
  try {
    return parseData(name, bytes);
  } catch (cause) {
    if (!isTrisealError(cause, "FORMAT_INVALID")) throw cause;
    throw new TrisealError("FORMAT_INVALID", `\`${name.slice(-64)}\`: ${cause.message}`, { cause });
  }
}

/**
 * The samples of a data file. With a card that standardises, rows hold raw values.
 * @throws TrisealError `FORMAT_INVALID`: malformed, rows of another length than the model takes, or unknown labels.
 */
export async function readSamples(file: string, model: FloatModel, card: Card | null): Promise<Samples> {
  const bytes = await readBounded(file, MAX_DATA_BYTES);
  const data = parseNamed(basename(file), bytes);
  const length = elementCount(model.input.shape);
  const [first] = data.samples;
  if (first?.length !== length) {
    throw new TrisealError("FORMAT_INVALID", `data: rows of ${first?.length ?? 0} values; the model takes ${length}`);
  }
  const rows =
    card?.model.standardize === undefined ? data.samples : data.samples.map((sample) => standardizeRow(card.model, sample));
  return { digest: digestOf(bytes), rows, truth: classNumbers(data, card) };
}

/** `LO,HI` as a range. @throws TrisealError `FORMAT_INVALID`. */
export function parseRange(text: string): Range {
  const [lo, hi, ...more] = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const isRange =
    lo !== undefined && hi !== undefined && more.length === 0 && Number.isFinite(lo) && Number.isFinite(hi) && lo < hi;
  if (!isRange) throw new TrisealError("FORMAT_INVALID", "--range wants two numbers, such as -8,8");
  return { lo, hi };
}
