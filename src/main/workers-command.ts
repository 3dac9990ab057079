/** `triseal workers`: the workers of a running gateway. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { readConfig } from "./config.ts";
import { askGateway } from "./operator-client.ts";

interface WorkerFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
}

async function restart(flags: WorkerFlags): Promise<void> {
  const dataDir = resolve(flags.data ?? (await readConfig(flags.config ?? null)).dataDir);
  const answer = await askGateway(dataDir, "/workers/restart", {});
  if (answer === null) throw new TrisealError("OPERATOR_UNREACHABLE", `no gateway serves ${dataDir}`);
  const { workers } = answer;
  console.log(flags.json ? JSON.stringify({ workers }) : `workers run as ${workers.join(", ")}`);
}

/** Adds `workers` to the command line. */
export function addWorkersCommand(program: Command): void {
  const workers = program.command("workers").description("the workers of a running gateway");
  workers
    .command("restart")
    .description("replace each worker by a new process with new keys, one after the other, and refuse no request for it")
    .option("--data <dir>", "data folder")
    .option("--config <file>", "configuration")
    .option("--json", "JSON")
    .action(restart);
}
