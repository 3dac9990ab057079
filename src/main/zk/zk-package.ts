/** The zk part of a model package, checked against the model that it stands beside. */
import { mkdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { digestOf, type Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import type { ModelPackage } from "../../model/model-package.ts";
import { readPackage } from "../../model/read/read-package.ts";
import { type Circuit, compileCircuit } from "../../paths/zk/compile/circuit.ts";
import { compileThreshold } from "../../paths/zk/compile/threshold.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { parseVerificationKey, type VerificationKey } from "../../paths/zk/wire/documents.ts";
import { encodeR1cs } from "../../paths/zk/wire/r1cs.ts";
import { parseSetup, type Setup } from "../../paths/zk/wire/setup.ts";
import { THRESHOLD_STATEMENT } from "../../paths/zk/wire/statement.ts";
import { ZK_FILES } from "./make-key.ts";

/** A model whose proofs can be made or checked. */
export interface ZkPackage {
  readonly folder: string;
  /** The integer form as it is served. */
  readonly model: ModelPackage;
  readonly checked: CheckedModel;
  readonly circuit: Circuit;
  /** The circuit's `.r1cs` file. */
  readonly r1cs: Uint8Array;
  readonly circuitDigest: Sha256Digest;
  readonly setup: Setup;
  readonly zkeyFile: string;
}

async function readPart(folder: string, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(join(folder, name)));
  } catch (cause) {
    const hint = "build the package with `triseal model build --paths tee,zk`";
    throw new TrisealError("MODEL_INVALID", `\`${name}\` is missing: ${hint}`, { cause });
  }
}

/** The integer model of the package in `dir`, compiled. @throws TrisealError `MODEL_INVALID`. */
export async function compilePackage(dir: string): Promise<Omit<ZkPackage, "setup" | "zkeyFile">> {
  const folder = resolve(dir);
  const form = (await readPackage(folder)).find(({ integer }) => integer !== null);
  if (form?.integer == null) throw new TrisealError("MODEL_INVALID", "the package has no integer form: build it first");
  const { model, integer } = form;
  const circuit = compileCircuit(integer.checked);
  const r1cs = encodeR1cs(circuit.system);
  return { folder, model, checked: integer.checked, circuit, r1cs, circuitDigest: digestOf(r1cs) };
}

/** A circuit in the folder of its key: that of a model package, or of the shipped statement. */
export interface CompiledFolder extends Pick<ZkPackage, "folder" | "r1cs" | "circuitDigest"> {
  readonly checked: Pick<CheckedModel, "digest">;
  readonly circuit: Pick<Circuit, "system">;
}

/** Such a folder with its setup. */
export type KeyFolder = CompiledFolder & Pick<ZkPackage, "setup" | "zkeyFile">;

/**
 * What the key in `dir` is for: the threshold statement in a folder of its name, which is made where it is not there, or else
 * the package's integer model. @throws TrisealError `MODEL_INVALID`.
 */
export async function compileFolder(dir: string): Promise<CompiledFolder> {
  const folder = resolve(dir);
  if (basename(folder) !== THRESHOLD_STATEMENT.name) return compilePackage(dir);
  const circuit = compileThreshold();
  const r1cs = encodeR1cs(circuit.system);
  await mkdir(folder, { recursive: true });
  return { folder, checked: THRESHOLD_STATEMENT, circuit, r1cs, circuitDigest: digestOf(r1cs) };
}

/**
 * The folder with its setup, which must be of this very model or statement, and circuit. Does not check the key against the
 * setup: see `readPackageKey`.
 * @throws TrisealError `MODEL_INVALID`, `FORMAT_INVALID`, `ZK_SETUP_INVALID`.
 */
export async function readKeyFolder(dir: string): Promise<KeyFolder> {
  return withSetup(await compileFolder(dir));
}

/** The model package in `dir` with its setup. @throws TrisealError as `readKeyFolder`. */
export async function readZkPackage(dir: string): Promise<ZkPackage> {
  return withSetup(await compilePackage(dir));
}

async function withSetup<C extends CompiledFolder>(compiled: C): Promise<C & Pick<ZkPackage, "setup" | "zkeyFile">> {
  const setup = parseSetup(await readPart(compiled.folder, ZK_FILES.setup));
  if (setup.modelDigest !== compiled.checked.digest || setup.circuitDigest !== compiled.circuitDigest) {
    throw zkError("ZK_SETUP_INVALID", "the package's setup is of another model or circuit: build it anew");
  }
  return { ...compiled, setup, zkeyFile: join(compiled.folder, ZK_FILES.zkey) };
}

/** The package's verification key. @throws TrisealError `MODEL_INVALID`, `FORMAT_INVALID`. */
export async function readPackageKey({ folder }: Pick<ZkPackage, "folder">): Promise<VerificationKey> {
  return parseVerificationKey(await readPart(folder, ZK_FILES.key));
}
