/** Starts the gateway's provers behind the zk path: the keys of the configured models are read, or made in development. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, digestOf } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { type DurableFiles, replaceFile } from "../log/store/files.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import { type LoadedPackage, readPackages } from "../model/read/read-package.ts";
import type { InferencePath } from "../paths/path.ts";
import { architectureOf } from "../paths/zk/compile/architecture.ts";
import { type Circuit, compileCircuit } from "../paths/zk/compile/circuit.ts";
import { bindWeights, compileArchitecture } from "../paths/zk/compile/committed-circuit.ts";
import { openKeyProgram } from "../paths/zk/server/key-program.ts";
import { makeDevKey } from "../paths/zk/server/make-dev-key.ts";
import { isBuilt, rustProgram, snarkjsProgram } from "../paths/zk/server/prover-programs.ts";
import {
  type ModelSource,
  openProvingModels,
  type ProvingModel,
  type ProvingPrograms,
} from "../paths/zk/server/proving-model.ts";
import { createZkPath } from "../paths/zk/server/zk-path.ts";
import { verificationKeyDigest } from "../paths/zk/wire/documents.ts";
import { commitmentText } from "../paths/zk/wire/leg.ts";
import { encodeR1cs } from "../paths/zk/wire/r1cs.ts";
import { devSetup, encodeSetup, parseSetup, type Setup } from "../paths/zk/wire/setup.ts";
import { readVerificationKey } from "../paths/zk/wire/zkey.ts";
import type { TrisealConfig } from "./config.ts";
import { packageRoot, programArguments } from "./package-root.ts";
import { readWeightSalt, SECRET_FILE } from "./zk/weights-secret.ts";

const RUST_PROVER = join(packageRoot, "src/paths/zk/prover/target/release/triseal-prover");
const ZKEY_FILE = "model.zkey";
const SETUP_FILE = "setup.json";

/** What provers are started with. */
export interface ProverSetup {
  readonly config: TrisealConfig;
  readonly dev: boolean;
  readonly modelsFolder: string;
  readonly files: DurableFiles;
  readonly log: OperatorLog;
}

/** The path, and the trust section that names its models and keys. */
export interface StartedProvers {
  readonly path: InferencePath;
  /** For a development trust file; null where nothing is proven. */
  readonly trustSection: (because: string) => JsonObject | null;
}

interface KeyFiles {
  readonly zkey: Uint8Array;
  readonly zkeyFile: string;
  readonly setup: Setup;
}

/** The key and setup in `folder`; null where it holds no key. @throws TrisealError `FORMAT_INVALID`. */
async function readKeyFiles(folder: string): Promise<KeyFiles | null> {
  const zkeyFile = join(folder, ZKEY_FILE);
  const zkey = await readFile(zkeyFile).catch(() => null);
  if (zkey === null) return null;
  const setup = await readFile(join(folder, SETUP_FILE)).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", `${zkeyFile} has no ${SETUP_FILE} beside it`, { cause });
  });
  return { zkey: new Uint8Array(zkey), zkeyFile, setup: parseSetup(new Uint8Array(setup)) };
}

/** A development key of `circuit`: by the Rust program where it was built, else by this one, which takes longer. */
async function newDevKey(
  setup: ProverSetup,
  model: string,
  circuit: Circuit,
  r1cs: Uint8Array,
  folder: string,
): Promise<Uint8Array> {
  const say = (step: string) => setup.log({ level: "info", event: "development key", model, step });
  say(`made for ${circuit.usedRows} constraints`);
  if (!isBuilt(RUST_PROVER)) {
    let tenth = 0;
    return makeDevKey(circuit.system, (done, total) => {
      const now = Math.floor((done / total) * 10);
      if (now > tenth) say(`${done} of ${total} points`);
      tenth = now;
    });
  }
  const made = { r1cs: join(folder, "new.r1cs"), zkey: join(folder, "new.zkey"), vk: join(folder, "new.vk.json") };
  await writeFile(made.r1cs, r1cs, { mode: 0o600 });
  await openKeyProgram(RUST_PROVER, (stage, step, of) => say(`${stage}, ${step} of ${of}`)).devSetup(made);
  return new Uint8Array(await readFile(made.zkey));
}

/** The development key of a circuit in the data folder, made where there is none. */
async function devKeyFiles(setup: ProverSetup, model: string, circuit: Circuit, r1cs: Uint8Array): Promise<KeyFiles> {
  const circuitDigest = digestOf(r1cs);
  const folder = join(setup.config.dataDir, "dev", "zk", digestHex(circuitDigest));
  const known = await readKeyFiles(folder).catch((error: unknown) => {
    if (isTrisealError(error)) return null;
    throw error;
  });
  if (known !== null) return known;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const zkey = await newDevKey(setup, model, circuit, r1cs, folder);
  const keyDigest = verificationKeyDigest(readVerificationKey(zkey).key);
  const document = devSetup({ modelDigest: circuit.modelDigest, circuitDigest, keyDigest });
  // The setup last: a key without it was not finished, and is made anew.
  await replaceFile(setup.files, join(folder, ZKEY_FILE), zkey);
  await replaceFile(setup.files, join(folder, SETUP_FILE), encodeSetup(document));
  return { zkey, zkeyFile: join(folder, ZKEY_FILE), setup: document };
}

/** @throws TrisealError `CONFIG_INVALID` where the package does not hold the salt of its private weights. */
async function committedCircuit(name: string, checked: CheckedModel, folder: string): Promise<Circuit> {
  const salt = await readWeightSalt(folder, checked);
  if (salt !== null) return bindWeights(compileArchitecture(architectureOf(checked)), checked, salt);
  throw new TrisealError(
    "CONFIG_INVALID",
    `zk.models: the weights of \`${name}\` are private, and ${SECRET_FILE} has not their salt`,
  );
}

async function sourceOf(setup: ProverSetup, name: string, packages: readonly LoadedPackage[]): Promise<ModelSource> {
  const found = packages.find(({ model }) => model.name === name);
  if (found?.integer == null)
    throw new TrisealError("CONFIG_INVALID", `zk.models: \`${name}\` is no integer model of the models folder`);
  const { checked, answers } = found.integer;
  const float = packages[packages.indexOf(found) - 1]?.model.name ?? name;
  const folder = join(setup.modelsFolder, float);
  const own = await readKeyFiles(folder);
  const isCommitted = own?.setup.architectureDigest !== undefined;
  const circuit = isCommitted ? await committedCircuit(name, checked, folder) : compileCircuit(checked);
  const r1cs = encodeR1cs(circuit.system);
  if (own === null && !setup.dev) {
    throw new TrisealError(
      "CONFIG_INVALID",
      `zk.models: \`${name}\` has no ${ZKEY_FILE} in its package, and production makes none`,
    );
  }
  const files = own ?? (await devKeyFiles(setup, name, circuit, r1cs));
  const { model } = found;
  const provingKey = model.provingKey ?? "confidential";
  return { model, checked, answers, circuit, circuitDigest: digestOf(r1cs), provingKey, ...files };
}

function programsFor(memoryMib: number): ProvingPrograms {
  const [script = ""] = programArguments("src/paths/zk/snarkjs/main");
  const [witness = ""] = programArguments("src/paths/zk/server/witness-thread");
  const rust = isBuilt(RUST_PROVER);
  const prover = (zkeyFile: string) => (rust ? rustProgram(RUST_PROVER, zkeyFile, memoryMib) : snarkjsProgram(script, zkeyFile));
  return { prover, witness };
}

function sectionOf(models: readonly ProvingModel[], because: string): JsonObject | null {
  if (models.length === 0) return null;
  const states = new Set(models.map(({ setup }) => setup.state));
  return {
    models: models.map(({ model: { name, digest }, circuit: { weights } }) => ({
      name,
      digest,
      ...(weights === null ? {} : { weights: [commitmentText(weights.commitment)] }),
    })),
    keys: models.map(({ keyDigest, model, circuit: { weights } }) => ({
      digest: keyDigest,
      ...(weights === null ? { model: model.digest } : { architecture: weights.architectureDigest }),
    })),
    setups: [...states].map((state) => (state === "ceremony" ? { state, accept: "any", because } : { state, because })),
  };
}

/**
 * The zk path over the models of `zk.models`; without any it serves nothing and starts nothing.
 * @throws TrisealError `CONFIG_INVALID` for a model that is none, or in production one without a key; `ZK_KEY_INVALID` and
 *   `ZK_SETUP_INVALID` for a key that must not be used.
 */
export async function startProvers(setup: ProverSetup): Promise<StartedProvers> {
  const { zk, workers, limits } = setup.config;
  const packages = zk.models.length === 0 ? [] : await readPackages(setup.modelsFolder);
  const sources: ModelSource[] = [];
  for (const name of new Set(zk.models)) sources.push(await sourceOf(setup, name, packages));
  const pool = { workers: zk.provers, memoryMib: zk.memoryMib, maxQueued: zk.queueLength };
  const models = await openProvingModels(sources, programsFor(zk.memoryMib), pool);
  const { jurisdiction } = workers;
  const path = createZkPath({
    models,
    claims: jurisdiction === null ? [] : [{ name: "jurisdiction", origin: "claim", value: jurisdiction }],
    timeoutMs: zk.timeoutMs,
    maxTensorElements: limits.maxTensorElements,
  });
  return { path, trustSection: (because) => sectionOf(models, because) };
}
