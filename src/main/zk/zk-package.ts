/** The zk part of a model package, checked against the model or the architecture that it stands beside. */
import { mkdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { digestOf, type Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import type { ModelPackage } from "../../model/model-package.ts";
import { readPackage } from "../../model/read/read-package.ts";
import { ARCHITECTURE_FILE, type Architecture, architectureOf, parseArchitecture } from "../../paths/zk/compile/architecture.ts";
import { type Circuit, compileCircuit } from "../../paths/zk/compile/circuit.ts";
import { bindWeights, type CommittedCircuit, compileArchitecture } from "../../paths/zk/compile/committed-circuit.ts";
import { commitWeights, weightsOf } from "../../paths/zk/compile/model-weights.ts";
import { compileThreshold, type ThresholdCircuit } from "../../paths/zk/compile/threshold.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { parseVerificationKey, type VerificationKey } from "../../paths/zk/wire/documents.ts";
import { commitmentText } from "../../paths/zk/wire/leg.ts";
import { encodeR1cs } from "../../paths/zk/wire/r1cs.ts";
import { isSetupOf, parseSetup, type Setup, type SetupSubject } from "../../paths/zk/wire/setup.ts";
import { THRESHOLD_STATEMENT } from "../../paths/zk/wire/statement.ts";
import { ZK_FILES } from "./make-key.ts";
import { readWeightSalt, SECRET_FILE } from "./weights-secret.ts";

/** A circuit and what it was compiled from: a model, the architecture of models whose weights are private, or the shipped statement. */
export type CompiledForm =
  | { readonly mode: "baked"; readonly circuit: Circuit; readonly form: IntegerForm }
  | { readonly mode: "committed"; readonly circuit: CommittedCircuit }
  | { readonly mode: "statement"; readonly circuit: ThresholdCircuit };

/** The integer form of a package as it is served. */
export interface IntegerForm {
  readonly model: ModelPackage;
  readonly checked: CheckedModel;
}

/** A compiled package. */
export interface CompiledPackage {
  readonly folder: string;
  readonly compiled: CompiledForm;
  /** The circuit's `.r1cs` file. */
  readonly r1cs: Uint8Array;
  readonly circuitDigest: Sha256Digest;
}

/** A package with its setup. */
export interface ZkPackage extends CompiledPackage {
  readonly setup: Setup;
  readonly zkeyFile: string;
}

/** A package whose model can be proven. */
export interface ProvingPackage extends ZkPackage, IntegerForm {
  readonly circuit: Circuit;
}

async function readPart(folder: string, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(join(folder, name)));
  } catch (cause) {
    const hint = "build the package with `triseal model build --paths tee,zk`";
    throw new TrisealError("MODEL_INVALID", `\`${name}\` is missing: ${hint}`, { cause });
  }
}

async function has(folder: string, name: string): Promise<boolean> {
  return (await readFile(join(folder, name)).catch(() => null)) !== null;
}

/** The integer model of the package in `dir`. @throws TrisealError `MODEL_INVALID`. */
export async function readIntegerForm(dir: string): Promise<IntegerForm> {
  const form = (await readPackage(resolve(dir))).find(({ integer }) => integer !== null);
  if (form?.integer == null) throw new TrisealError("MODEL_INVALID", "the package has no integer form: build it first");
  return { model: form.model, checked: form.integer.checked };
}

/** The architecture of a folder: that of its model, or where it holds none, as for a contributor, that of the document. */
async function readArchitecture(folder: string): Promise<Architecture> {
  if (await has(folder, "model.json")) return architectureOf((await readIntegerForm(folder)).checked);
  return parseArchitecture(await readPart(folder, ARCHITECTURE_FILE));
}

/** Whether the weights of the package in `folder` are private: its setup says so, or the document where there is no setup yet. */
async function isCommitted(folder: string): Promise<boolean> {
  const bytes = await readFile(join(folder, ZK_FILES.setup)).catch(() => null);
  if (bytes !== null) return parseSetup(new Uint8Array(bytes)).architectureDigest !== undefined;
  return has(folder, ARCHITECTURE_FILE);
}

async function compileForm(folder: string): Promise<CompiledForm> {
  if (basename(folder) === THRESHOLD_STATEMENT.name) {
    // A key of the statement has a folder of its name, and nothing else is in it.
    await mkdir(folder, { recursive: true });
    return { mode: "statement", circuit: compileThreshold() };
  }
  if (await isCommitted(folder)) return { mode: "committed", circuit: compileArchitecture(await readArchitecture(folder)) };
  const form = await readIntegerForm(folder);
  return { mode: "baked", circuit: compileCircuit(form.checked), form };
}

/** What a setup of the circuit is about. */
export function subjectOf(compiled: CompiledForm): SetupSubject {
  if (compiled.mode === "baked") return { modelDigest: compiled.circuit.modelDigest };
  if (compiled.mode === "statement") return { modelDigest: THRESHOLD_STATEMENT.digest };
  return { architectureDigest: compiled.circuit.architecture.digest };
}

/**
 * The circuit of the package in `dir`, in the mode that it was built for. Where weights are private, a folder without the model will do.
 * @throws TrisealError `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `FORMAT_INVALID`.
 */
export async function compilePackage(dir: string): Promise<CompiledPackage> {
  const folder = resolve(dir);
  const compiled = await compileForm(folder);
  const r1cs = encodeR1cs(compiled.circuit.system);
  return { folder, compiled, r1cs, circuitDigest: digestOf(r1cs) };
}

/** A model of which this machine has the integer form. */
export type CompiledModel = Pick<ProvingPackage, "folder" | "model" | "checked" | "circuit" | "circuitDigest">;

/**
 * The model in `dir` with its circuit, for a proof under a key from elsewhere.
 * @throws TrisealError as `compilePackage`; `MODEL_UNSUPPORTED` where its weights are private: no gateway hands out a key for those.
 */
export async function compileModel(dir: string): Promise<CompiledModel> {
  const { folder, compiled, circuitDigest } = await compilePackage(dir);
  if (compiled.mode === "baked") return { folder, circuitDigest, circuit: compiled.circuit, ...compiled.form };
  throw new TrisealError(
    "MODEL_UNSUPPORTED",
    "the weights of this package are private: a gateway takes callers' proofs of baked ones only",
  );
}

/**
 * The package in `dir` with its setup, which must be of this very model or architecture, and circuit. Does not check the key against
 * the setup: see `readPackageKey`.
 * @throws TrisealError `MODEL_INVALID`, `FORMAT_INVALID`, `ZK_SETUP_INVALID`.
 */
export async function readZkPackage(dir: string): Promise<ZkPackage> {
  const zk = await compilePackage(dir);
  const setup = parseSetup(await readPart(zk.folder, ZK_FILES.setup));
  if (!isSetupOf(setup, subjectOf(zk.compiled)) || setup.circuitDigest !== zk.circuitDigest) {
    throw zkError("ZK_SETUP_INVALID", "the package's setup is of another model or circuit: build it anew");
  }
  return { ...zk, setup, zkeyFile: join(zk.folder, ZK_FILES.zkey) };
}

/**
 * The package in `dir` to prove with: its model, and where its weights are private their salt.
 * @throws TrisealError as `readZkPackage`; `MODEL_INVALID` where the salt is missing.
 */
export async function readProvingPackage(dir: string): Promise<ProvingPackage> {
  const zk = await readZkPackage(dir);
  const { compiled } = zk;
  if (compiled.mode === "baked") return { ...zk, ...compiled.form, circuit: compiled.circuit };
  if (compiled.mode === "statement")
    throw new TrisealError("MODEL_INVALID", "the folder has the key of a statement, and no model");
  const form = await readIntegerForm(dir);
  const salt = await readWeightSalt(zk.folder, form.checked);
  if (salt === null)
    throw new TrisealError("MODEL_INVALID", `\`${SECRET_FILE}\` of this model is missing: its weights are private`);
  return { ...zk, ...form, circuit: bindWeights(compiled.circuit, form.checked, salt) };
}

/** The commitment to the private weights of a package that holds its model and their salt; null for any other. */
export async function commitmentOf({ folder, compiled }: CompiledPackage): Promise<string | null> {
  if (compiled.mode !== "committed" || !(await has(folder, "model.json"))) return null;
  const { checked } = await readIntegerForm(folder);
  const salt = await readWeightSalt(folder, checked);
  if (salt === null) return null;
  const { architecture } = compiled.circuit;
  return commitmentText(commitWeights(architecture, weightsOf(architecture, checked), salt));
}

/** The package's verification key. @throws TrisealError `MODEL_INVALID`, `FORMAT_INVALID`. */
export async function readPackageKey({ folder }: Pick<ZkPackage, "folder">): Promise<VerificationKey> {
  return parseVerificationKey(await readPart(folder, ZK_FILES.key));
}
