/** `triseal fhe`: keys and runs on encrypted values, and what an auditor does with their receipts. */
import type { Command } from "commander";
import { addHistoryCommand } from "./fhe/history-command.ts";
import { addKeyCommands } from "./fhe/key-commands.ts";
import { addReplayCommands } from "./fhe/replay-command.ts";
import { addRunCommands } from "./fhe/run-command.ts";
import { addStatementCommands } from "./fhe/statement-commands.ts";

/** Adds `fhe` to the command line. */
export function addFheCommand(program: Command): void {
  const fhe = program.command("fhe").description("programs on encrypted values: keys, runs, history of accounts, replay");
  addKeyCommands(fhe);
  addRunCommands(fhe);
  addHistoryCommand(fhe);
  addReplayCommands(fhe);
  addStatementCommands(fhe);
}
