#!/usr/bin/env node
/* Triseal, a hybrid confidential inference gateway. Apache-2.0. */
import { Command } from "commander";
import { isTrisealError } from "../core/errors.ts";
import { useNodePrimitives } from "../signing/node-primitives.ts";
import { addConfigCommand } from "./config-command.ts";
import { addDemoCommand } from "./demo-command.ts";
import { addDoctorCommand } from "./doctor-command.ts";
import { addEvidenceCommand } from "./evidence-command.ts";
import { FAILURE_EXIT } from "./exit-code.ts";
import { addFheCommand } from "./fhe-command.ts";
import { addKeysCommand } from "./keys-command.ts";
import { addLogCommand } from "./log-command.ts";
import { addModelCommand } from "./model-command.ts";
import { addPolicyCommand } from "./policy-command.ts";
import { addProxyCommand } from "./proxy-command.ts";
import { addServeCommand } from "./serve-command.ts";
import { showAllText } from "./shown-text.ts";
import { addStoreCommand } from "./store-command.ts";
import { addTrustCommand } from "./trust-command.ts";
import { addVerifyCommand } from "./verify-command.ts";
import { addWorkersCommand } from "./workers-command.ts";
import { addZkCommand } from "./zk-command.ts";

useNodePrimitives();
showAllText();

const program = new Command("triseal")
  .description("an inference gateway with receipts that anyone can check offline")
  .version("0.1.0")
  .showHelpAfterError("(add --help for the options)")
  .exitOverride();

for (const add of [
  addServeCommand,
  addProxyCommand,
  addDemoCommand,
  addVerifyCommand,
  addEvidenceCommand,
  addTrustCommand,
  addKeysCommand,
  addWorkersCommand,
  addModelCommand,
  addZkCommand,
  addFheCommand,
  addPolicyCommand,
  addLogCommand,
  addStoreCommand,
  addConfigCommand,
  addDoctorCommand,
]) {
  add(program);
}

/** One line for an error: the code of ours, or the system's message; never a stack. */
function oneLine(error: unknown): string {
  if (isTrisealError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

// A reader that has seen enough closes the pipe: that is its business, and no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  const isHelp = error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
  if (!isHelp) console.error(`triseal: ${oneLine(error)}`);
  const shown = isHelp && "exitCode" in error && error.exitCode === 0;
  process.exitCode = shown ? 0 : FAILURE_EXIT;
}
