/** Samples for calibration and tests: NumPy arrays, JSON and CSV, each read strictly. */
import { parseUtf8 } from "../../core/bytes.ts";
import { array, type Decoded, finite, object, oneOf, text } from "../../core/decode.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { type JsonValue, parseJson } from "../../core/json.ts";
import { parseNpy } from "./parse-npy.ts";

/** Largest file of samples, in bytes. */
export const MAX_DATA_BYTES = 512 * 1024 * 1024;

/** Most samples, and most numbers in one. */
const MAX_SAMPLES = 1_000_000;
const MAX_LENGTH = 2 ** 22;

/** Samples, and the true label of each where the file names them. */
export interface DataSet {
  readonly samples: readonly (readonly number[])[];
  readonly labels: readonly string[] | null;
}

const row = array(finite, MAX_LENGTH);
const decodeList = array(row, MAX_SAMPLES);
const decodeRecords = object({
  v: oneOf(1),
  model: text(64),
  rows: array(object({ x: row }, { label: text(256) }), MAX_SAMPLES),
});

function malformed(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", `data: ${reason}`);
}

function labelled(rows: Decoded<typeof decodeRecords>["rows"]): DataSet {
  const labels = rows.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (labels.length > 0 && labels.length !== rows.length) malformed("some rows have a label and others have none");
  return { samples: rows.map(({ x }) => x), labels: labels.length === 0 ? null : labels };
}

function parseJsonData(bytes: Uint8Array): DataSet {
  const value = parseJson(bytes);
  return Array.isArray(value) ? { samples: decodeList(value, "data"), labels: null } : labelled(records(value).rows);
}

const RECORDS_FORM = '{"v":1,"model":"NAME","rows":[{"x":[1,2],"label":"0"}]}';

function records(value: JsonValue): Decoded<typeof decodeRecords> {
  try {
    return decodeRecords(value, "data");
  } catch (cause) {
    if (!isTrisealError(cause)) throw cause;
    throw new TrisealError("FORMAT_INVALID", `${cause.message}; JSON samples are a list of rows, or ${RECORDS_FORM}`, { cause });
  }
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Comma-separated numbers, one sample per line, without a header and without quotes. */
function parseCsv(bytes: Uint8Array): DataSet {
  const lines = parseUtf8(bytes).split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > MAX_SAMPLES) malformed(`more than ${MAX_SAMPLES} samples`);
  const samples = lines.map((line, at) =>
    line.split(",").map((cell) => {
      const number = cell.trim();
      if (!NUMBER.test(number)) malformed(`line ${at + 1} holds something else than numbers between commas (a header?)`);
      return Number(number);
    }),
  );
  return { samples, labels: null };
}

function parseByName(name: string, bytes: Uint8Array): DataSet {
  if (name.endsWith(".npy")) return { samples: parseNpy(bytes, MAX_SAMPLES, MAX_LENGTH), labels: null };
  if (name.endsWith(".json")) return parseJsonData(bytes);
  if (name.endsWith(".csv")) return parseCsv(bytes);
  return malformed("the file's name must end in .npy, .json or .csv");
}

/**
 * Samples in a file, told by the end of its name: `.npy` (C order, the first axis is the sample), `.json` (a list of rows, or
 * `{v: 1, model, rows: [{x, label?}]}`), `.csv` (numbers only, one sample per line).
 * @throws TrisealError `FORMAT_INVALID`: malformed, too large, empty, rows of different lengths, or a number that is not finite.
 */
export function parseData(name: string, bytes: Uint8Array): DataSet {
  if (bytes.length > MAX_DATA_BYTES) malformed(`more than ${MAX_DATA_BYTES} bytes`);
  let data: DataSet;
  try {
    data = parseByName(name, bytes);
  } catch (cause) {
    if (isTrisealError(cause)) throw cause;
    return malformed("cannot be read");
  }
  const [first] = data.samples;
  if (first === undefined || first.length === 0) malformed("no sample");
  if (data.samples.some((sample) => sample.length !== first?.length)) malformed("samples differ in length");
  if (!data.samples.every((sample) => sample.every(Number.isFinite))) malformed("a number is not finite");
  return data;
}
