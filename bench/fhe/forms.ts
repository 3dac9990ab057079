/** The direct forms of the shipped programs: requests to the process that calls tfhe-rs, and rows made of its answers. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { array, text } from "../../src/core/decode.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { compileProgram } from "../../src/paths/fhe/compile/compile.ts";
import { findShipped } from "../../src/paths/fhe/compile/shipped.ts";
import { percentiles } from "../statistics.ts";
import type { Direct, DirectRun } from "./direct.ts";
import type { FormRow } from "./result.ts";

/** A program that both forms are known of, with clear inputs. */
export interface Workload {
  readonly program: string;
  readonly depth: number;
  readonly circuit: object;
  readonly usual: object;
}

/** Inner nodes of the shipped tree with its leaves, from its ops: the usual form takes the same ones. */
function treeOf(bytes: Uint8Array): readonly [readonly (readonly [number, number])[], readonly number[]] {
  const ops = array(array(text(), 8), 100_000)((parseJson(bytes) as JsonObject)["ops"], "ops");
  const after = (name: string | undefined, prefix: string) => Number(name?.slice(prefix.length));
  const nodes = ops.filter((op) => op[1] === "lt").toSorted((left, right) => after(left[0], "left") - after(right[0], "left"));
  const luts = ops.filter((op) => op[1] === "lut").toSorted((left, right) => after(left[0], "class") - after(right[0], "class"));
  // A table has the entry of `false` first, which is the right leaf.
  const leaves = luts.flatMap(([, , , , right, left]) => [Number(left), Number(right)]);
  return [nodes.map(([, , feature, threshold]) => [after(feature, "x"), Number(threshold)] as const), leaves];
}

/** A shipped program on these clear inputs; its circuit is left in `folder`. */
export async function workloadOf(program: string, values: readonly string[], folder: string): Promise<Workload> {
  const shipped = findShipped(program);
  if (shipped === null) throw new Error(`no program ${program}`);
  const { bytes, price } = compileProgram(shipped.program).circuit(new Map());
  const file = join(folder, `${program}.json`);
  await writeFile(file, bytes);
  const tree = program === "tree-depth4" ? { tree: treeOf(shipped.program.bytes) } : {};
  return {
    program,
    depth: price.depth,
    circuit: { op: "circuit", circuit: file, values },
    usual: { op: "usual", program, values, ...tree },
  };
}

/** Runs a form and compares what it decrypts to. @throws Error where that is something else. */
export async function checkedRun(direct: Direct, request: object, expected: string): Promise<DirectRun> {
  const run = await direct.run(request);
  if (run.values.join() !== expected) throw new Error(`${JSON.stringify(request)} gave ${run.values.join()}, not ${expected}`);
  return run;
}

/** The row of a form that was run. */
export function formRow(form: FormRow["form"], runs: readonly DirectRun[]): FormRow {
  const of = (name: "ms" | "loadMs" | "computeMs" | "storeMs") => percentiles(runs.map((run) => run[name]));
  const { pbs = 0, loadPbs = 0 } = runs[0] ?? {};
  return { form, pbs, loadPbs, ms: of("ms"), loadMs: of("loadMs"), computeMs: of("computeMs"), storeMs: of("storeMs") };
}
