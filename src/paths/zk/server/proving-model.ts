/** A model that can be proven: its circuit and key, checked against each other before any request. */
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import type { TensorSpec } from "../../../core/tensor.ts";
import type { CheckedModel } from "../../../model/integer/integer-model.ts";
import type { EncodedAnswer } from "../../../model/integer/known-answers.ts";
import type { ServedModel } from "../../path.ts";
import type { Circuit } from "../compile/circuit.ts";
import { type Groth16Verifier, openVerifier } from "../evidence/groth16.ts";
import { assertDistinctDeltas, verifySetup } from "../evidence/setup.ts";
import { zkError } from "../wire/codes.ts";
import { encodeVerificationKey, type VerificationKey } from "../wire/documents.ts";
import { encodeSetup, isSetupOf, type Setup } from "../wire/setup.ts";
import { readVerificationKey } from "../wire/zkey.ts";
import { openProverPool, type PoolLimits, type Prover } from "./prover-pool.ts";
import type { ProverProgram } from "./prover-process.ts";
import { WitnessMaker } from "./witness-maker.ts";

/** An integer model with its circuit and key, as they were read. */
export interface ModelSource {
  readonly model: ServedModel & { readonly inputs: readonly TensorSpec[] };
  readonly checked: CheckedModel;
  readonly answers: readonly EncodedAnswer[];
  readonly circuit: Circuit;
  /** SHA-256 of the `.r1cs` file. */
  readonly circuitDigest: Sha256Digest;
  readonly setup: Setup;
  /** The proving key's bytes, and the file that holds them. */
  readonly zkey: Uint8Array;
  readonly zkeyFile: string;
  /** Whether callers may have the proving key. */
  readonly provingKey: "public" | "confidential";
}

/** A file that callers may have. */
export interface PublicFile {
  readonly file: string;
  readonly digest: Sha256Digest;
  readonly byteLength: number;
}

/** A model with a key that was checked. */
export interface ProvingModel extends Omit<ModelSource, "zkey" | "answers" | "zkeyFile" | "provingKey"> {
  /** The proving key; null where it is confidential. */
  readonly publicKeyFile: PublicFile | null;
  readonly keyBytes: Uint8Array;
  readonly keyDigest: Sha256Digest;
  readonly setupBytes: Uint8Array;
  readonly verifier: Groth16Verifier;
  readonly prover: Prover;
  readonly witnesses: WitnessMaker;
}

/** The programs that a path starts. */
export interface ProvingPrograms {
  /** The prover program for a key file. */
  readonly prover: (zkeyFile: string) => ProverProgram;
  /** The built file of `witness-thread.ts`. */
  readonly witness: string;
}

/** @throws TrisealError `ZK_KEY_INVALID`, `ZK_SETUP_INVALID`. */
function readKey({ zkey, setup, circuit, circuitDigest, checked }: ModelSource): VerificationKey {
  const { key, sizes } = readVerificationKey(zkey);
  const { system, weights } = circuit;
  const isOfCircuit =
    sizes.wires === system.wires &&
    sizes.publicSignals === system.publicSignals &&
    sizes.domain === system.rows + system.publicSignals + 1;
  if (!isOfCircuit) throw zkError("ZK_KEY_INVALID", "the key is of a circuit of another size");
  const subject = weights === null ? { modelDigest: checked.digest } : { architectureDigest: weights.architectureDigest };
  if (setup.circuitDigest !== circuitDigest || !isSetupOf(setup, subject)) {
    throw zkError("ZK_SETUP_INVALID", "the setup is of another circuit, model or architecture");
  }
  verifySetup(setup, key);
  return key;
}

/** Proves the first known answer: a key of another circuit of the same size cannot. */
async function assertKnownAnswer(
  { answers, model }: ModelSource,
  { prover, witnesses, verifier }: Pick<ProvingModel, "prover" | "witnesses" | "verifier">,
): Promise<void> {
  const [answer] = answers;
  if (answer === undefined) throw zkError("ZK_KEY_INVALID", `model \`${model.name}\` has no known answer to try its key on`);
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const { signal } = new AbortController();
  const witness = await witnesses.make({ input: answer.x, salt, context: 1n }, signal);
  const { proof } = await prover.prove(witness.file, { signal, progress: () => undefined });
  const isAnswer = witness.outputs.every((item, at) => item === answer.y[at]);
  if (!isAnswer || !verifier.verify(proof, witness.publicSignals)) {
    throw zkError("ZK_KEY_INVALID", `model \`${model.name}\`: the key does not prove a known answer`);
  }
}

async function openModel(
  source: ModelSource,
  key: VerificationKey,
  programs: ProvingPrograms,
  limits: PoolLimits,
): Promise<ProvingModel> {
  const { model, checked, circuit, circuitDigest, setup, zkey, zkeyFile } = source;
  const verifier = openVerifier(key);
  const prover = await openProverPool(programs.prover(source.zkeyFile), limits);
  const witnesses = new WitnessMaker(programs.witness, source, {
    memoryMib: limits.memoryMib,
    maxQueued: limits.workers + limits.maxQueued,
  });
  try {
    await assertKnownAnswer(source, { prover, witnesses, verifier });
  } catch (error) {
    await Promise.all([prover.close(), witnesses.close()]);
    throw error;
  }
  const keyBytes = encodeVerificationKey(key);
  const documents = { keyBytes, keyDigest: digestOf(keyBytes), setupBytes: encodeSetup(setup) };
  // With private weights a prover has the weights and their salt, which no caller gets.
  const isPublic = source.provingKey === "public" && circuit.weights === null;
  const publicKeyFile = isPublic ? { file: zkeyFile, digest: digestOf(zkey), byteLength: zkey.length } : null;
  return { model, checked, circuit, circuitDigest, setup, verifier, prover, witnesses, publicKeyFile, ...documents };
}

/**
 * Checks the keys, each alone and all together, and starts the provers.
 * @throws TrisealError `ZK_KEY_INVALID` for a key without a second phase, of another circuit, or that does not prove a known
 *   answer; `ZK_SETUP_INVALID` for a transcript that does not lead to its key, and for two circuits with one delta;
 *   `ZK_PROVER_LOST`, `ZK_PROVER_MEMORY`.
 */
export async function openProvingModels(
  sources: readonly ModelSource[],
  programs: ProvingPrograms,
  limits: PoolLimits,
): Promise<readonly ProvingModel[]> {
  const keyed = sources.map((source) => ({ source, key: readKey(source) }));
  assertDistinctDeltas(keyed.map(({ source, key }) => ({ circuitDigest: source.circuitDigest, key })));
  const opened: ProvingModel[] = [];
  try {
    for (const { source, key } of keyed) opened.push(await openModel(source, key, programs, limits));
    return opened;
  } catch (error) {
    await Promise.all(opened.flatMap(({ prover, witnesses }) => [prover.close(), witnesses.close()]));
    throw error;
  }
}
