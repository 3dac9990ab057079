/** The key of the threshold statement: read or made like that of a model, and tried on a statement before any is taken. */
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { balanceCommitment, compileThreshold, thresholdWitness } from "../paths/zk/compile/threshold.ts";
import { type Groth16Verifier, openVerifier } from "../paths/zk/evidence/groth16.ts";
import { verifySetup } from "../paths/zk/evidence/setup.ts";
import type { CallerProvenModel } from "../paths/zk/server/caller-routes.ts";
import { openProverPool } from "../paths/zk/server/prover-pool.ts";
import type { KnownSigner } from "../paths/zk/server/statements.ts";
import { zkError } from "../paths/zk/wire/codes.ts";
import { encodeVerificationKey } from "../paths/zk/wire/documents.ts";
import { encodeR1cs } from "../paths/zk/wire/r1cs.ts";
import { encodeSetup } from "../paths/zk/wire/setup.ts";
import { THRESHOLD_STATEMENT } from "../paths/zk/wire/statement.ts";
import { readVerificationKey } from "../paths/zk/wire/zkey.ts";
import { devKeyFiles, type KeyFiles, type ProverSetup, programFor, readKeyFiles } from "./key-files.ts";

/** What threshold statements are taken with. */
export interface OpenedStatement {
  readonly key: CallerProvenModel;
  readonly signers: readonly KnownSigner[];
}

const circuit = compileThreshold();

async function keyFiles(setup: ProverSetup, keyDir: string | null, r1cs: Uint8Array): Promise<KeyFiles> {
  const own = keyDir === null ? null : await readKeyFiles(keyDir);
  if (own !== null) return own;
  if (keyDir !== null || !setup.dev)
    throw new TrisealError("CONFIG_INVALID", "zk.threshold.keyDir: no proving key is there, and production makes none");
  return devKeyFiles(setup, THRESHOLD_STATEMENT.name, { ...circuit, modelDigest: THRESHOLD_STATEMENT.digest }, r1cs);
}

/** Proves one statement: a key of another circuit of the same size cannot. */
async function assertProves(setup: ProverSetup, zkeyFile: string, verifier: Groth16Verifier): Promise<void> {
  const { memoryMib } = setup.config.zk;
  const [salt, balance] = [crypto.getRandomValues(new Uint8Array(16)), 2n ** 64n - 1n];
  const signals = [balanceCommitment(salt, balance), 1n, 2n, 3n, 4n, 5n];
  const pool = await openProverPool(programFor(memoryMib)(zkeyFile), { workers: 1, memoryMib, maxQueued: 1 });
  try {
    const { signal } = new AbortController();
    const witness = thresholdWitness(circuit, signals, { salt, balance });
    const { proof } = await pool.prove(witness, { signal, progress: () => undefined });
    if (!verifier.verify(proof, signals))
      throw zkError("ZK_KEY_INVALID", "the key of the threshold statement does not prove one");
  } finally {
    await pool.close();
  }
}

/**
 * The statement of `zk.threshold`; null where none is configured.
 * @throws TrisealError `CONFIG_INVALID` for a folder without a key; `ZK_KEY_INVALID` and `ZK_SETUP_INVALID` for a key that must
 *   not be used.
 */
export async function openStatement(setup: ProverSetup): Promise<OpenedStatement | null> {
  const { threshold } = setup.config.zk;
  if (threshold === null) return null;
  const r1cs = encodeR1cs(circuit.system);
  const circuitDigest = digestOf(r1cs);
  const files = await keyFiles(setup, threshold.keyDir, r1cs);
  const { key } = readVerificationKey(files.zkey);
  if (files.setup.circuitDigest !== circuitDigest || files.setup.modelDigest !== THRESHOLD_STATEMENT.digest)
    throw zkError("ZK_SETUP_INVALID", "the setup of the threshold statement is of another circuit");
  verifySetup(files.setup, key);
  const verifier = openVerifier(key);
  await assertProves(setup, files.zkeyFile, verifier);
  const keyBytes = encodeVerificationKey(key);
  return {
    signers: threshold.signers,
    key: {
      model: { ...THRESHOLD_STATEMENT, inputs: [], outputs: [] },
      circuit: { outputs: 0 },
      circuitDigest,
      setup: files.setup,
      setupBytes: encodeSetup(files.setup),
      keyBytes,
      keyDigest: digestOf(keyBytes),
      verifier,
      publicKeyFile: { file: files.zkeyFile, digest: digestOf(files.zkey), byteLength: files.zkey.length },
    },
  };
}
