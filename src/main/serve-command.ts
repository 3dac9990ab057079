/** `triseal serve`: one gateway until it is told to stop. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { openThreadedFiles } from "../log/store/threaded-files.ts";
import { isSimulatedAttester } from "./attester-form.ts";
import { readConfig, type TrisealConfig } from "./config.ts";
import { createLineWriter } from "./line-writer.ts";
import { type RunningGateway, startGateway } from "./start-gateway.ts";
import { stopSignal } from "./stop-signal.ts";
import { systemClock } from "./system-clock.ts";

interface ServeFlags {
  readonly config?: string;
  readonly dev?: true;
  readonly port?: string;
  readonly data?: string;
  readonly json?: true;
}

/** What a development gateway says first. */
function bannerOf({ workers: { attester } }: TrisealConfig): readonly string[] {
  const shown = isSimulatedAttester(attester)
    ? "Evidence is simulated and keys were made here: nothing this gateway says is protected by hardware."
    : "Keys were made here: whoever runs this machine can make receipts.";
  return ["*** DEVELOPMENT MODE ***", `${shown} Every receipt says so.`];
}

/** The port that a flag names. @throws TrisealError `CONFIG_INVALID`. */
export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new TrisealError("CONFIG_INVALID", "--port wants a port from 0 to 65535");
  return port;
}

function withFlags(config: TrisealConfig, flags: ServeFlags): TrisealConfig {
  const port = flags.port === undefined ? config.listen.port : portOf(flags.port);
  return { ...config, dataDir: resolve(flags.data ?? config.dataDir), listen: { ...config.listen, port } };
}

function announce(running: RunningGateway, config: TrisealConfig, flags: ServeFlags): void {
  if (flags.json) {
    console.log(
      JSON.stringify({
        ready: true,
        url: running.url,
        trust: running.trustFile,
        apiKey: running.apiKey,
        pid: process.pid,
        workers: running.workerPids(),
      }),
    );
    return;
  }
  if (flags.dev) for (const line of bannerOf(config)) console.log(line);
  console.log(`listening  ${running.url}`);
  console.log(`trust      ${running.trustFile}`);
  if (running.apiKey !== null) console.log(`API key    ${running.apiKey}`);
  console.log("stop with Ctrl-C");
}

async function serve(flags: ServeFlags): Promise<void> {
  const config = withFlags(await readConfig(flags.config ?? null), flags);
  // Installed before anything starts: a signal during the start is kept until the gateway can end in order.
  const stopped = stopSignal();
  const databaseUrl = process.env["DATABASE_URL"] ?? null;
  const dev = flags.dev === true;
  const files = openThreadedFiles();
  const { log, flush } = createLineWriter((text) => process.stderr.write(text), Date.now);
  process.once("exit", flush);
  const running = await startGateway({ config, dev, databaseUrl, clock: systemClock, log, files });
  announce(running, config, flags);
  await stopped;
  await running.close();
  await files.close();
}

/** Adds `serve` to the command line. */
export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the gateway with its workers")
    .option("--dev", "development: simulated evidence, own keys and API key, every receipt marked")
    .option("--config <file>", "configuration (default: triseal.config.yaml, if there is one)")
    .option("--port <n>", "port on the loopback address; 0 takes a free one")
    .option("--data <dir>", "data folder")
    .option("--json", "print one JSON line when ready")
    .action(serve);
}
