/** Starts the gateway's provers behind the zk path: the keys of the configured models are read, or made in development. */
import { join } from "node:path";
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import { type LoadedPackage, readPackages } from "../model/read/read-package.ts";
import type { InferencePath } from "../paths/path.ts";
import { architectureOf } from "../paths/zk/compile/architecture.ts";
import { type Circuit, compileCircuit } from "../paths/zk/compile/circuit.ts";
import { bindWeights, compileArchitecture } from "../paths/zk/compile/committed-circuit.ts";
import { assertDistinctDeltas } from "../paths/zk/evidence/setup.ts";
import {
  type ModelSource,
  openProvingModels,
  type ProvingModel,
  type ProvingPrograms,
} from "../paths/zk/server/proving-model.ts";
import { createZkPath } from "../paths/zk/server/zk-path.ts";
import { parseVerificationKey } from "../paths/zk/wire/documents.ts";
import { commitmentText } from "../paths/zk/wire/leg.ts";
import { encodeR1cs } from "../paths/zk/wire/r1cs.ts";
import { devKeyFiles, type ProverSetup, programFor, readKeyFiles, ZKEY_FILE } from "./key-files.ts";
import { type OpenedStatement, openStatement } from "./open-statement.ts";
import { programArguments } from "./package-root.ts";
import { readWeightSalt, SECRET_FILE } from "./zk/weights-secret.ts";

export type { ProverSetup } from "./key-files.ts";

/** The path, and the trust section that names its models and keys. */
export interface StartedProvers {
  readonly path: InferencePath;
  /** For a development trust file; null where nothing is proven. */
  readonly trustSection: (because: string) => JsonObject | null;
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

/** What a trust section names: keys of models, and that of the statement with its signers. */
type Keyed = Pick<ProvingModel, "model" | "keyDigest" | "keyBytes" | "circuitDigest" | "setup"> & Pick<Circuit, "weights">;

function programsFor(memoryMib: number): ProvingPrograms {
  const [witness = ""] = programArguments("src/paths/zk/server/witness-thread");
  return { prover: programFor(memoryMib), witness };
}

function sectionOf(models: readonly Keyed[], statement: OpenedStatement | null, because: string): JsonObject | null {
  if (models.length === 0) return null;
  const states = new Set(models.map(({ setup }) => setup.state));
  const signers = statement?.signers.map(({ name, publicKey }) => ({ name, publicKey, because })) ?? [];
  return {
    models: models.map(({ model: { name, digest }, weights }) => ({
      name,
      digest,
      ...(weights === null ? {} : { weights: [commitmentText(weights.commitment)] }),
    })),
    keys: models.map(({ keyDigest, model, weights }) => ({
      digest: keyDigest,
      ...(weights === null ? { model: model.digest } : { architecture: weights.architectureDigest }),
    })),
    setups: [...states].map((state) => (state === "ceremony" ? { state, accept: "any", because } : { state, because })),
    ...(signers.length === 0 ? {} : { signers }),
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
  // First, as it leaves no process behind that a failure of the others would have to end.
  const statement = await openStatement(setup);
  const models = await openProvingModels(sources, programsFor(zk.memoryMib), pool);
  const keyed: Keyed[] = models.map((model) => ({ ...model, weights: model.circuit.weights }));
  if (statement !== null) keyed.push({ ...statement.key, weights: null });
  const { jurisdiction } = workers;
  const path = createZkPath({
    models,
    claims: jurisdiction === null ? [] : [{ name: "jurisdiction", origin: "claim", value: jurisdiction }],
    timeoutMs: zk.timeoutMs,
    maxTensorElements: limits.maxTensorElements,
    statement: statement === null ? null : { ...statement, clock: setup.clock },
  });
  try {
    assertDistinctDeltas(keyed.map(({ circuitDigest, keyBytes }) => ({ circuitDigest, key: parseVerificationKey(keyBytes) })));
  } catch (error) {
    await path.close();
    throw error;
  }
  return { path, trustSection: (because) => sectionOf(keyed, statement, because) };
}
