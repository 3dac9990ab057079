/** `triseal fhe programs` and `triseal fhe run --dry-run`: what can be run over encrypted values, and what it costs. */
import type { Command } from "commander";
import { parseUtf8 } from "../../core/bytes.ts";
import { type CompiledProgram, compileProgram } from "../../paths/fhe/compile/compile.ts";
import { findShipped, shippedPrograms } from "../../paths/fhe/compile/shipped.ts";
import { type Program, parseProgram } from "../../paths/fhe/wire/program.ts";
import { readNamed } from "../refusing.ts";
import { refusing } from "./refusing.ts";

interface Flags {
  readonly json?: true;
}

/** A shipped program by its name, or the document in a file. */
async function programOf(source: string): Promise<Program> {
  return findShipped(source)?.program ?? parseProgram(await readNamed(source));
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<readonly number[]>((most, row) => row.map((cell, at) => Math.max(cell.length, most[at] ?? 0)), []);
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** One line for each op: its nodes, its type, and the op as it stands in the document. */
function describe(program: Program, { price, opPbs, outputPbs }: CompiledProgram): string {
  const inputs = program.inputs.map(({ n, t, clear }) => ["", t, `${n}${clear ? " (clear)" : ""}`]);
  const ops = program.ops.map(({ index, out, op, type, args }) => [
    String(opPbs[index] ?? 0),
    type.name,
    `${out} = ${op} ${args.map((arg) => ("name" in arg ? arg.name : arg.literal)).join(" ")}`,
  ]);
  const outputs = program.outputs.map(({ n, t }) => ["", t, `-> ${n}`]);
  const extra = outputPbs === 0 ? [] : [[String(outputPbs), "", "outputs made wires"]];
  const head = [["pbs", "type", "value"]];
  return [table([...head, ...inputs, ...ops, ...extra, ...outputs]), `${price.pbs} bootstraps, ${price.depth} deep`].join("\n");
}

/**
 * Says what a program costs and runs nothing: `triseal fhe run --dry-run`.
 * @param source the name of a shipped program, or a file.
 */
export function dryRun(source: string, flags: Flags): Promise<void> {
  return refusing(flags.json, async () => {
    const program = await programOf(source);
    const compiled = compileProgram(program);
    if (flags.json) console.log(JSON.stringify({ ok: true, programDigest: program.digest, ...compiled.price }));
    else console.log(`${program.digest}\n${describe(program, compiled)}`);
  });
}

function showPrograms(name: string | undefined, flags: Flags): Promise<void> {
  return refusing(flags.json, async () => {
    if (name !== undefined) {
      // The document as its digest is of it: what this prints can be sent to a gateway.
      console.log(parseUtf8((await programOf(name)).bytes));
      return;
    }
    const rows = shippedPrograms().map(({ name: shipped, about, program }) => ({
      name: shipped,
      about,
      digest: program.digest,
      ...compileProgram(program).price,
    }));
    if (flags.json) console.log(JSON.stringify({ ok: true, programs: rows }));
    else
      console.log(
        table([["name", "pbs", "depth", ""], ...rows.map((row) => [row.name, `${row.pbs}`, `${row.depth}`, row.about])]),
      );
  });
}

/** Adds `fhe programs`. */
export function addProgramsCommand(fhe: Command): void {
  fhe
    .command("programs [name]")
    .description("list the programs that come with Triseal, with their prices, or print one program's document")
    .option("--json", "print one JSON object")
    .action(showPrograms);
}
