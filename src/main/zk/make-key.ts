/** The key and setup of a circuit, as `triseal model build` adds them to a package. */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { ARCHITECTURE_FILE, architectureOf, encodeArchitecture } from "../../paths/zk/compile/architecture.ts";
import { type Circuit, compileCircuit } from "../../paths/zk/compile/circuit.ts";
import { bindWeights, compileArchitecture } from "../../paths/zk/compile/committed-circuit.ts";
import { generateWitness } from "../../paths/zk/compile/witness.ts";
import { openVerifier } from "../../paths/zk/evidence/groth16.ts";
import { verifySetup } from "../../paths/zk/evidence/setup.ts";
import { makeDevKey } from "../../paths/zk/server/make-dev-key.ts";
import { openProverPool } from "../../paths/zk/server/prover-pool.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import type { ConstraintSystem } from "../../paths/zk/wire/constraint-system.ts";
import { encodeVerificationKey, type VerificationKey, verificationKeyDigest } from "../../paths/zk/wire/documents.ts";
import { commitmentText } from "../../paths/zk/wire/leg.ts";
import { encodeR1cs } from "../../paths/zk/wire/r1cs.ts";
import {
  devSetup,
  encodeSetup,
  isSetupOf,
  parseSetup,
  SETUP_STATES,
  type Setup,
  type SetupSubject,
} from "../../paths/zk/wire/setup.ts";
import { readVerificationKey } from "../../paths/zk/wire/zkey.ts";
import { progressLine } from "../model/progress-line.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { encodeWeightsSecret, newWeightSalt, readWeightSalt, SECRET_FILE } from "./weights-secret.ts";
import { keyProgram, proverFor } from "./zk-programs.ts";

/** Files of a package that the zk path reads. */
export const ZK_FILES: { readonly zkey: string; readonly key: string; readonly setup: string } = {
  zkey: "model.zkey",
  key: "verification_key.json",
  setup: "setup.json",
};

/** Memory that a prover may take when a key is tried out. */
export const PROVER_MEMORY_MIB = 4096;

/** A `.zkey` that whoever runs this can forge under: by the Rust program where it was built, else slowly without it. */
export async function developmentKey(system: ConstraintSystem, r1cs: Uint8Array, silent: boolean): Promise<Uint8Array> {
  const program = keyProgram(silent);
  if (program === null) return makeDevKey(system, progressLine("key: points, without the Rust prover", silent));
  return inTemporaryFolder(async (folder) => {
    const files = { r1cs: join(folder, "c.r1cs"), zkey: join(folder, "c.zkey"), vk: join(folder, "vk.json") };
    await writeFile(files.r1cs, r1cs, { mode: 0o600 });
    await program.devSetup(files);
    return new Uint8Array(await readFile(files.zkey));
  });
}

/** @throws TrisealError `ZK_KEY_INVALID` unless a proof of a witness of this very circuit holds under the key. */
async function tryKey(circuit: Circuit, checked: CheckedModel, zkey: Uint8Array, key: VerificationKey): Promise<void> {
  const input = Int32Array.from(checked.values[0]?.hi ?? [], () => 0);
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const witness = generateWitness(circuit, checked, { input, salt, context: 1n });
  const verifier = openVerifier(key);
  await inTemporaryFolder(async (folder) => {
    const file = join(folder, "c.zkey");
    await writeFile(file, zkey, { mode: 0o600 });
    const pool = await openProverPool(proverFor(file, PROVER_MEMORY_MIB), {
      workers: 1,
      memoryMib: PROVER_MEMORY_MIB,
      maxQueued: 1,
    });
    try {
      const { signal } = new AbortController();
      const { proof } = await pool.prove(witness.file, { signal, progress: () => undefined });
      if (!verifier.verify(proof, witness.publicSignals)) throw zkError("ZK_KEY_INVALID", "the key is not that of this circuit");
    } catch (cause) {
      throw zkError("ZK_KEY_INVALID", "the key is not that of this circuit: it cannot prove a witness of it", { cause });
    } finally {
      await pool.close();
    }
  });
}

async function readKeyFile(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", "--setup is no state, and no file of that name can be read", { cause });
  });
  return new Uint8Array(bytes);
}

/** `setup.json` beside a key; null where there is none. */
async function setupBeside(file: string): Promise<Setup | null> {
  const bytes = await readFile(join(dirname(file), ZK_FILES.setup)).catch(() => null);
  return bytes === null ? null : parseSetup(new Uint8Array(bytes));
}

interface MadeKey {
  readonly zkey: Uint8Array;
  readonly setup: Setup;
  readonly note: string;
}

async function existingKey(file: string, made: Setup, subject: SetupSubject, zkey: Uint8Array): Promise<MadeKey> {
  const beside = await setupBeside(file);
  if (beside === null) {
    return {
      zkey,
      setup: made,
      note: "the key has no setup.json beside it, so nothing shows how it was made: recorded as dev-insecure",
    };
  }
  if (beside.circuitDigest !== made.circuitDigest || !isSetupOf(beside, subject)) {
    throw zkError("ZK_SETUP_INVALID", "the setup beside the key is of another model or architecture");
  }
  return { zkey, setup: beside, note: `setup ${beside.state}` };
}

/** What a build of the zk path is told. */
export interface ZkBuildRequest {
  /** Null or `dev-insecure` makes a development key; else the path of a `.zkey`, with its `setup.json` beside it. */
  readonly setup: string | null;
  /** Whether the model's constants are the circuit's, or its weights private and committed to. */
  readonly zkMode: ZkMode;
  /** The package's folder: a salt of private weights that is there already is kept, so that trust files stay true. */
  readonly folder: string;
  readonly silent: boolean;
}

/** The two modes of a circuit. */
export type ZkMode = "baked" | "committed";

/** What a build of the zk path adds to the package. */
export interface ZkFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Files for the owner alone. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Lines for the person who builds. */
  readonly notes: readonly string[];
}

/** The circuit to make a key for, and in which witnesses of the model can be made. */
interface Compiled {
  readonly circuit: Circuit;
  readonly subject: SetupSubject;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  readonly notes: readonly string[];
}

async function compileCommitted(checked: CheckedModel, folder: string): Promise<Compiled> {
  const architecture = architectureOf(checked);
  const salt = (await readWeightSalt(folder, checked)) ?? newWeightSalt();
  const circuit = bindWeights(compileArchitecture(architecture), checked, salt);
  return {
    circuit,
    subject: { architectureDigest: architecture.digest },
    files: new Map([[ARCHITECTURE_FILE, encodeArchitecture(architecture.document)]]),
    secrets: new Map([[SECRET_FILE, encodeWeightsSecret(checked, salt)]]),
    notes: [
      `weights private: commitment ${commitmentText(circuit.weights?.commitment ?? 0n)}, architecture ${architecture.digest}`,
      `the salt of the commitment is in ${SECRET_FILE}: keep it, and show it to nobody but an auditor who vouches for the commitment`,
    ],
  };
}

async function compile(checked: CheckedModel, { zkMode, folder }: ZkBuildRequest): Promise<Compiled> {
  if (zkMode === "committed") return compileCommitted(checked, folder);
  const circuit = compileCircuit(checked);
  return { circuit, subject: { modelDigest: checked.digest }, files: new Map(), secrets: new Map(), notes: [] };
}

/**
 * Compiles the circuit and makes or takes its key.
 * @returns the package's files by name, and lines on the setup.
 * @throws TrisealError `FORMAT_INVALID` for another state's name, `ZK_KEY_INVALID` and `ZK_SETUP_INVALID` for a key that is not
 *   this circuit's or a transcript that does not lead to it, `MODEL_UNSUPPORTED` for a model that cannot have private weights.
 */
export async function buildZkFiles(checked: CheckedModel, request: ZkBuildRequest): Promise<ZkFiles> {
  const { setup: from, silent } = request;
  const named = SETUP_STATES.find((state) => state === from) ?? null;
  if (named !== null && named !== "dev-insecure") {
    throw new TrisealError(
      "FORMAT_INVALID",
      `--setup ${named} needs powers of tau: build first, then \`triseal zk setup DIR --state ${named} --ptau FILE --ptau-sha256 HEX\``,
    );
  }
  const { circuit, subject, files, secrets, notes } = await compile(checked, request);
  const r1cs = encodeR1cs(circuit.system);
  const file = named === null ? from : null;
  const zkey = file === null ? await developmentKey(circuit.system, r1cs, silent) : await readKeyFile(file);
  const { key } = readVerificationKey(zkey);
  const setup = devSetup({ ...subject, circuitDigest: digestOf(r1cs), keyDigest: verificationKeyDigest(key) });
  const fresh = {
    zkey,
    setup,
    note: "setup dev-insecure: whoever made the key can forge proofs, and verifiers refuse it unless told otherwise",
  };
  const made = file === null ? fresh : await existingKey(file, setup, subject, zkey);
  verifySetup(made.setup, key);
  await tryKey(circuit, checked, zkey, key);
  const ofKey: readonly (readonly [string, Uint8Array])[] = [
    [ZK_FILES.setup, encodeSetup(made.setup)],
    [ZK_FILES.key, encodeVerificationKey(key)],
    [ZK_FILES.zkey, zkey],
  ];
  return { files: new Map([...files, ...ofKey]), secrets, notes: [made.note, ...notes] };
}
