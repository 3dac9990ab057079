/** The services under measurement: gateways with their worker as `serve --dev` starts them, and the bare route. */
import { randomUUID } from "node:crypto";
import { mkdirSync, statfsSync, writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseTrust, type Trust } from "../../src/trust/index.ts";
import { childrenOf, type Program, startProgram } from "../program.ts";
import { repository } from "../suite.ts";

/** Worker lanes, and processes of the bare route: both can use two cores. */
export const LANES = 2;

/** What a gateway is started with. */
export interface ServiceSetup {
  readonly sealAlgorithms: readonly string[];
  /** Folder under which the data folder is made. */
  readonly under: string;
  readonly models: string;
  /** The checkout whose programs are started; this one by default. */
  readonly checkout?: string;
  /** Sections of the configuration besides, such as the models that are answered with proofs. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** Takes the stage and memory lines that the gateway then writes; without it the gateway measures nothing. */
  readonly onLine?: (line: Readonly<Record<string, unknown>>) => void;
}

/** A running gateway. */
export interface Service {
  readonly url: string;
  readonly apiKey: string;
  readonly trust: Trust;
  readonly pid: number;
  readonly workerPid: number;
  readonly dataFolder: string;
  stop(): Promise<void>;
}

/** Starts a gateway with one worker of two lanes, one thread each. */
export async function startService({ sealAlgorithms, under, models, checkout, more, onLine }: ServiceSetup): Promise<Service> {
  const folder = join(under, `triseal-bench-${randomUUID()}`);
  mkdirSync(folder, { recursive: true });
  const configFile = join(folder, "triseal.config.yaml");
  const config = {
    modelsDir: models,
    workers: { jurisdiction: "EU", concurrency: LANES, intraOpThreads: 1, sealAlgorithms },
    diagnostics: { stageTimes: onLine !== undefined },
    ...more,
  };
  // JSON is YAML, too.
  writeFileSync(configFile, JSON.stringify(config));
  const program = join(checkout ?? repository, "dist", "src", "main", "triseal.js");
  const dataFolder = join(folder, "data");
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const args = [program, "serve", "--dev", "--config", configFile, "--data", dataFolder, "--port", "0", "--json"];
    const started = await startProgram(args, onLine);
    const { ready, pid } = started;
    const trust = parseTrust(new Uint8Array(await readFile(String(ready["trust"]))));
    const [workerPid = 0] = childrenOf(pid);
    const stopped = async () => {
      await started.stop();
      await remove();
    };
    return { url: String(ready["url"]), apiKey: String(ready["apiKey"]), trust, pid, workerPid, dataFolder, stop: stopped };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Starts the bare route. */
export async function startPlainRoute(models: string): Promise<Program & { readonly url: string }> {
  const program = join(repository, "bench", "plain-route.ts");
  const started = await startProgram(["--import", "tsx", program, models, String(LANES)]);
  return { ...started, url: String(started.ready["url"]) };
}

const TMPFS = 0x01021994;

/** Whether a folder is in memory only. Linux. */
export function isInMemory(folder: string): boolean {
  try {
    return statfsSync(folder).type === TMPFS;
  } catch {
    return false;
  }
}
