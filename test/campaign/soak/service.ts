/** A whole service as real processes under a soak: gateway, worker, prover, engine and witness, each of which may be killed. */
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { JsonObject } from "../../../src/core/json.ts";
import { parseTrust, type Trust } from "../../../src/verify/index.ts";
import { copyFolder } from "../../e2e/gateway-harness.ts";
import {
  childrenOf,
  isRunning,
  type Program,
  repository,
  residentMiB,
  runCli,
  startProgram,
  textOf,
} from "../../e2e/gateway-process.ts";
import { freePort } from "../killed-gateway.ts";

/** Models that a soak serves. */
export const FLOAT_MODEL = "digits-mlp";
export const INTEGER_MODEL = "breast-cancer-logistic-int";
const PACKAGES = [FLOAT_MODEL, "breast-cancer-logistic"];
const ORIGIN = "triseal.test/soak";
const WITNESS = "triseal.test/soak-witness";

/** Kinds of process that can be killed. */
export const KILLABLE = ["gateway", "worker", "prover", "engine", "witness"] as const;

/** One of them. */
export type Killable = (typeof KILLABLE)[number];

/** What the command line of a gateway's child has in it, by kind. */
const MARKS: Readonly<Partial<Record<Killable, RegExp>>> = {
  worker: /enclave.worker/,
  prover: /snarkjs|triseal-prover/,
  engine: /triseal-fhe/,
};

/** A service whose processes come and go. */
export interface SoakService {
  readonly folder: string;
  readonly dataDir: string;
  readonly trustFile: string;
  readonly url: string;
  readonly apiKey: string;
  readonly trust: Trust;
  /** Whether a gateway answers, as far as this side knows. */
  isUp(): boolean;
  /** Kills one process of that kind; false where none runs. A gateway or witness is started again at once. */
  kill(kind: Killable): Promise<boolean>;
  /** Resident MiB by kind, of those that run. */
  memory(): Readonly<Partial<Record<Killable, number>>>;
  /** Everything that gateways and witnesses wrote to standard error. */
  logged(): string;
  /** Ends the gateway as an operator does, and gives its exit code. */
  stopGateway(): Promise<number | null>;
  /** Ends everything and removes the folder. */
  close(): Promise<void>;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

class Processes {
  readonly folder: string;
  readonly dataDir: string;
  private readonly configFile: string;
  private readonly ports: { readonly gateway: number; readonly witness: number };
  private readonly logKey: string;
  gateway: Program | null = null;
  witness: Program | null = null;
  private readonly former: string[] = [];

  constructor(folder: string, ports: { readonly gateway: number; readonly witness: number }, logKey: string) {
    this.folder = folder;
    this.dataDir = join(folder, "data");
    this.configFile = join(folder, "triseal.config.yaml");
    this.ports = ports;
    this.logKey = logKey;
  }

  async startWitness(): Promise<JsonObject> {
    const args = [
      "log",
      "witness",
      "--name",
      WITNESS,
      "--data",
      join(this.folder, "witness"),
      "--log",
      `${ORIGIN}=${this.logKey}`,
    ];
    this.witness = await startProgram([...args, "--port", String(this.ports.witness), "--json"]);
    return this.witness.ready;
  }

  async startGateway(): Promise<JsonObject> {
    const args = ["serve", "--dev", "--config", this.configFile, "--data", this.dataDir];
    this.gateway = await startProgram([...args, "--port", String(this.ports.gateway), "--json"]);
    return this.gateway.ready;
  }

  childOf(kind: Killable): number | null {
    const mark = MARKS[kind];
    if (this.gateway === null || mark === undefined) return null;
    return childrenOf(this.gateway.pid).find((pid) => mark.test(commandOf(pid))) ?? null;
  }

  async kill(kind: Killable): Promise<boolean> {
    if (kind !== "gateway" && kind !== "witness") {
      const pid = this.childOf(kind);
      if (pid !== null) process.kill(pid, "SIGKILL");
      return pid !== null;
    }
    const program = this[kind];
    if (program === null) return false;
    // What it started ends by itself once its parent is gone: it must be gone before another holds the folder.
    const children = kind === "gateway" ? childrenOf(program.pid) : [];
    this[kind] = null;
    await program.stop("SIGKILL");
    this.former.push(program.stderr().slice(-4000));
    for (let left = 200; left > 0 && children.some(isRunning); left--) await new Promise((resolve) => setTimeout(resolve, 50));
    await (kind === "gateway" ? this.startGateway() : this.startWitness());
    return true;
  }

  memory(): Readonly<Partial<Record<Killable, number>>> {
    const pids = KILLABLE.map(
      (kind) => [kind, kind === "gateway" || kind === "witness" ? (this[kind]?.pid ?? null) : this.childOf(kind)] as const,
    );
    const seen: [Killable, number][] = [];
    for (const [kind, pid] of pids) {
      try {
        if (pid !== null) seen.push([kind, residentMiB(pid)]);
      } catch {
        // It ended between the two looks.
      }
    }
    return Object.fromEntries(seen);
  }

  logged(): string {
    return [...this.former, this.gateway?.stderr() ?? "", this.witness?.stderr() ?? ""].join("\n");
  }
}

/** Starts everything in a folder of its own. Needs a fresh build. */
export async function startSoakService(): Promise<SoakService> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-soak-"));
  for (const name of PACKAGES) await copyFolder(join(repository, "models", name), join(folder, "models", name));
  const ports = { gateway: await freePort(), witness: await freePort() };
  const keysConfig = join(folder, "keys.config.yaml");
  await writeFile(keysConfig, stringify({ log: { origin: ORIGIN } }));
  const dataDir = join(folder, "data");
  const made = await runCli(["keys", "init", "--dev", "--config", keysConfig, "--data", dataDir, "--json"]);
  const events = made.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
  const logKey = textOf(
    events.find((event) => event["purpose"] === "log"),
    "publicKey",
  );
  const processes = new Processes(folder, ports, logKey);
  const { publicKey, url } = await processes.startWitness();
  const config = {
    log: { origin: ORIGIN },
    modelsDir: join(folder, "models"),
    workers: { jurisdiction: "EU", concurrency: 2 },
    zk: { models: [INTEGER_MODEL] },
    witnesses: { quorum: 1, peers: [{ name: WITNESS, url, publicKey }] },
  };
  await writeFile(join(folder, "triseal.config.yaml"), stringify(config));
  const ready = await processes.startGateway();
  const trustFile = textOf(ready, "trust");
  return {
    folder,
    dataDir,
    trustFile,
    url: textOf(ready, "url"),
    apiKey: textOf(ready, "apiKey"),
    trust: parseTrust(new Uint8Array(await readFile(trustFile))),
    isUp: () => processes.gateway !== null,
    kill: (kind) => processes.kill(kind),
    memory: () => processes.memory(),
    logged: () => processes.logged(),
    stopGateway: async () => (await processes.gateway?.stop()) ?? null,
    close: async () => {
      await processes.gateway?.stop();
      await processes.witness?.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
