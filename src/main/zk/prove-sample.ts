/** Proves one sample on this machine, for whatever context. */
import { randomBytes } from "node:crypto";
import { parseHex } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { type InferenceRequest, parseInputs } from "../../core/oip.ts";
import { SALT_BYTES } from "../../model/commitment/input-commitment.ts";
import { encodeInput } from "../../model/integer/encode-input.ts";
import { generateWitness } from "../../paths/zk/compile/witness.ts";
import { openVerifier } from "../../paths/zk/evidence/groth16.ts";
import { openProverPool } from "../../paths/zk/server/prover-pool.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import type { Proof, VerificationKey } from "../../paths/zk/wire/documents.ts";
import type { ProvingPackage } from "./zk-package.ts";
import { proverFor } from "./zk-programs.ts";

/** A sample as the circuit takes it. */
export interface Sample {
  readonly input: Int32Array;
  readonly salt: Uint8Array;
}

/** A proof that was verified, with what only its maker knows. */
export interface ProvenSample {
  readonly proof: Proof;
  readonly publicSignals: readonly bigint[];
  readonly outputs: Int32Array;
  readonly prover: "rust" | "snarkjs";
  /** From the encoded input to the proof that the prover itself verified, with its key loaded before. */
  readonly ms: number;
  /** Start of the prover: reading the key. */
  readonly loadMs: number;
}

/** How a proof is made. */
export interface ProveOptions {
  readonly memoryMib: number;
  readonly stage: (text: string) => void;
}

/** The salt that the request names, or a random one. */
function saltOf(request: InferenceRequest): Uint8Array {
  const { parameters } = request;
  const stated = parameters !== undefined && Object.hasOwn(parameters, "triseal_salt") ? parameters["triseal_salt"] : undefined;
  if (stated === undefined) return new Uint8Array(randomBytes(SALT_BYTES.least));
  const { least, most } = SALT_BYTES;
  if (typeof stated !== "string" || !/^(?:[0-9a-f]{2})*$/.test(stated) || stated.length < 2 * least || stated.length > 2 * most) {
    throw new TrisealError("REQUEST_MALFORMED", `\`triseal_salt\` is ${least} to ${most} bytes in lower-case hexadecimal`);
  }
  return parseHex(stated);
}

/**
 * The one sample of a request, and the salt that it names, or a random one.
 * @throws TrisealError `REQUEST_MALFORMED`, `REQUEST_TENSOR_INVALID`, `REQUEST_NOT_FINITE`, `INPUT_OUT_OF_RANGE`.
 */
export function sampleOf({ model, checked }: Pick<ProvingPackage, "model" | "checked">, request: InferenceRequest): Sample {
  const salt = saltOf(request);
  const [tensor] = parseInputs(request, model.inputs);
  if (tensor === undefined || tensor.shape[0] !== 1 || !ArrayBuffer.isView(tensor.data)) {
    throw new TrisealError("REQUEST_TENSOR_INVALID", "a proof is about one sample: the first dimension must be 1");
  }
  return { salt, input: encodeInput(checked.model.input, tensor.data as Float32Array) };
}

/** A proof of one witness. */
export type ProvenWitness = Omit<ProvenSample, "outputs">;

/** A witness and what it shows, made once the prover is ready. */
type MakeWitness = () => { readonly file: Uint8Array; readonly publicSignals: readonly bigint[] };

/**
 * Proves a witness by whichever prover is there, and verifies the proof under `key`.
 * @throws TrisealError `ZK_KEY_INVALID` where the proving key is not that of the verification key, of `make`, or of the prover.
 */
export async function proveWitness(
  zkeyFile: string,
  key: VerificationKey,
  make: MakeWitness,
  { memoryMib, stage }: ProveOptions,
): Promise<ProvenWitness> {
  const verifier = openVerifier(key);
  const program = proverFor(zkeyFile, memoryMib);
  stage(`loading the key (${program.kind} prover)`);
  const loading = performance.now();
  const pool = await openProverPool(program, { workers: 1, memoryMib, maxQueued: 1 });
  const loadMs = performance.now() - loading;
  try {
    const started = performance.now();
    stage("proving");
    const witness = make();
    const { signal } = new AbortController();
    const { proof, publicSignals } = await pool.prove(witness.file, { signal, progress: () => undefined });
    const ms = performance.now() - started;
    const same = publicSignals.every((item, at) => item === witness.publicSignals[at]);
    if (!same || !verifier.verify(proof, witness.publicSignals)) {
      throw zkError("ZK_KEY_INVALID", "the proving key is not that of the verification key");
    }
    return { proof, publicSignals, prover: program.kind, ms, loadMs };
  } finally {
    await pool.close();
  }
}

/** Proves `sample`. @throws TrisealError as `proveWitness`. */
export async function proveSample(
  { checked, circuit, zkeyFile }: Pick<ProvingPackage, "checked" | "circuit" | "zkeyFile">,
  key: VerificationKey,
  sample: Sample & { readonly context: bigint },
  options: ProveOptions,
): Promise<ProvenSample> {
  let outputs: Int32Array = new Int32Array();
  const make = () => {
    const witness = generateWitness(circuit, checked, sample);
    ({ outputs } = witness);
    return witness;
  };
  return { ...(await proveWitness(zkeyFile, key, make, options)), outputs };
}
