/** Held-back records of the shipped models: rows that no training saw, with the label that people gave them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { array, finite, object, oneOf, text } from "../../core/decode.ts";
import { parseJson } from "../../core/json.ts";
import { type ModelPackage, standardizeRow } from "../../model/model-package.ts";
import { readPackage } from "../../model/read/read-package.ts";
import { packageRoot } from "../package-root.ts";

const decodeHeldBack = object({
  v: oneOf(1),
  model: text(64),
  rows: array(object({ x: array(finite, 4096), label: text(64) }), 100_000),
});

/** A record to classify. */
export interface HeldBackRecord {
  readonly model: ModelPackage;
  readonly row: number;
  /** Values as they were measured. */
  readonly raw: readonly number[];
  /** Values as the model takes them. */
  readonly input: readonly number[];
  readonly expected: string;
}

/** The record in row `row` of a shipped model's held-back set, for the model itself or for its integer form. */
export async function readHeldBack(name: string, row: number, asInteger: boolean): Promise<HeldBackRecord> {
  const folder = join(packageRoot, "models", name);
  const [float, form] = await readPackage(folder);
  const { model } = asInteger && form !== undefined ? form : float;
  const set = decodeHeldBack(parseJson(new Uint8Array(await readFile(join(folder, "heldback.json")))), name);
  const record = set.rows[row];
  if (record === undefined) throw new RangeError(`${name} has no held-back row ${row}`);
  return { model, row, raw: record.x, input: [...standardizeRow(model, record.x)], expected: record.label };
}
