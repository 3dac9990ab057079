/** `triseal fhe`: programs on encrypted values, what they cost, keys and runs, and what an auditor does with their receipts. */
import type { Command } from "commander";
import { addClassifyCommand } from "./fhe/classify-command.ts";
import { addHistoryCommand } from "./fhe/history-command.ts";
import { addKeyCommands } from "./fhe/key-commands.ts";
import { addKeyHolderCommands } from "./fhe/key-holder-commands.ts";
import { addProgramsCommand } from "./fhe/program-commands.ts";
import { addReplayCommands } from "./fhe/replay-command.ts";
import { addRevealCommands } from "./fhe/reveal-commands.ts";
import { addRunCommands } from "./fhe/run-command.ts";
import { addStatementCommands } from "./fhe/statement-commands.ts";

/** Adds `fhe` to the command line. */
export function addFheCommand(program: Command): void {
  const fhe = program.command("fhe").description("programs on encrypted values: what they cost, keys, runs, history, replay");
  addProgramsCommand(fhe);
  addKeyCommands(fhe);
  addRunCommands(fhe);
  addClassifyCommand(fhe);
  addHistoryCommand(fhe);
  addReplayCommands(fhe);
  addStatementCommands(fhe);
  addKeyHolderCommands(fhe);
  addRevealCommands(fhe);
}
