/** `triseal fhe`: programs over encrypted values, and what they cost. */
import type { Command } from "commander";
import { addDryRunCommand, addProgramsCommand } from "./fhe/program-commands.ts";

/** Adds `fhe` to the command line. */
export function addFheCommand(program: Command): void {
  const fhe = program.command("fhe").description("encrypted state and inference: programs, and what they cost");
  addProgramsCommand(fhe);
  addDryRunCommand(fhe);
}
