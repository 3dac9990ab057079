/** `triseal zk`: proofs without a server, setups, and verifiers for a chain. */
import type { Command } from "commander";
import { addProofCommands } from "./zk/proof-commands.ts";
import { addSetupCommands } from "./zk/setup-commands.ts";
import { addSolidityCommand } from "./zk/solidity-command.ts";
import { addStatementCommands } from "./zk/statement-commands.ts";

/** Adds `zk` to the command line. */
export function addZkCommand(program: Command): void {
  const zk = program.command("zk").description("zero-knowledge proofs of inferences: made and verified without a server");
  addProofCommands(zk);
  addSetupCommands(zk);
  addStatementCommands(zk);
  addSolidityCommand(zk);
}
