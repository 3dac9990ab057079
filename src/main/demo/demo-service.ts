/** The demo's service: a test witness and a development gateway with its worker, each its own process, in a temporary folder. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { UnixSeconds } from "../../core/time.ts";
import { KeyStore } from "../../keys/key-store.ts";
import { startProgram } from "./child-program.ts";
import { startSoftwareTpm } from "./software-tpm.ts";

const LOG_ORIGIN = "triseal.local/demo-log";
const WITNESS_NAME = "triseal.local/test-witness";

/** Models that are answered with a proof: those whose development keys are made fastest, also without the Rust program. */
const PROVEN_MODELS = ["breast-cancer-logistic-int", "digits-mlp-int"];

/** Models that score encrypted records: one dot product, and no bootstrap. */
const ENCRYPTED_MODELS = ["breast-cancer-logistic-int"];

/** The running demo service. */
export interface DemoService {
  readonly url: string;
  readonly apiKey: string;
  /** Trust file that names exactly this service, its test witness included. */
  readonly trustFile: string;
  stop(): Promise<void>;
}

function textOf(ready: JsonObject, name: string): string {
  const value = ready[name];
  if (typeof value !== "string") throw new TrisealError("INTERNAL", `the program did not say its ${name}`);
  return value;
}

/** What the demo shows beside workers. */
export interface DemoParts {
  /** With a prover. */
  readonly proves: boolean;
  /** With a TPM in software under the worker, instead of a key that signs what a platform would. */
  readonly quotes: boolean;
}

/** Starts witness and gateway. The witness is the demo's own: it shows the protocol and proves no independence. */
export async function startDemoService(now: UnixSeconds, { proves, quotes }: DemoParts): Promise<DemoService> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-demo-"));
  const programs: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const program of programs.toReversed()) await program.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const dataDir = join(folder, "gateway");
    const keys = new KeyStore(join(dataDir, "keys"));
    await keys.init({ dev: true, now });
    const { publicKey: logKey } = await keys.signer("log", "dev");
    const witnessArgs = [
      "log",
      "witness",
      "--name",
      WITNESS_NAME,
      "--data",
      join(folder, "witness"),
      "--log",
      `${LOG_ORIGIN}=${logKey}`,
      "--json",
    ];
    const witness = await startProgram(witnessArgs);
    programs.push(witness);
    const tpm = quotes ? await startSoftwareTpm(join(folder, "tpm")) : null;
    if (tpm !== null) programs.push(tpm);
    const attester = tpm === null ? {} : { attester: { type: "tpm2-simulated", socket: tpm.socket } };
    const config = {
      log: { origin: LOG_ORIGIN },
      workers: { jurisdiction: "EU", ...attester },
      fhe: { models: ENCRYPTED_MODELS },
      ...(proves ? { zk: { models: PROVEN_MODELS } } : {}),
      witnesses: {
        quorum: 1,
        peers: [{ name: WITNESS_NAME, url: textOf(witness.ready, "url"), publicKey: textOf(witness.ready, "publicKey") }],
      },
    };
    const configFile = join(folder, "triseal.config.yaml");
    await writeFile(configFile, stringify(config));
    const gateway = await startProgram(["serve", "--dev", "--config", configFile, "--data", dataDir, "--port", "0", "--json"]);
    programs.push(gateway);
    return {
      url: textOf(gateway.ready, "url"),
      apiKey: textOf(gateway.ready, "apiKey"),
      trustFile: textOf(gateway.ready, "trust"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
