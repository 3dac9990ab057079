/** Proves one request without a server. */
import { randomBytes } from "node:crypto";
import { parseHex } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { type InferenceRequest, parseInferenceRequest, parseInputs } from "../../core/oip.ts";
import { SALT_BYTES } from "../../model/commitment/input-commitment.ts";
import { encodeInput } from "../../model/integer/encode-input.ts";
import { generateWitness } from "../../paths/zk/compile/witness.ts";
import { openVerifier } from "../../paths/zk/evidence/groth16.ts";
import { verifySetup } from "../../paths/zk/evidence/setup.ts";
import { openProverPool } from "../../paths/zk/server/prover-pool.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { NONCE_BYTES, type StandaloneProof, standaloneContext } from "../../paths/zk/wire/standalone.ts";
import { type ProvingPackage, readPackageKey } from "./zk-package.ts";
import { proverFor } from "./zk-programs.ts";

/** A proof with what only its maker knows. */
export interface MadeProof {
  readonly document: StandaloneProof;
  /** Opens the commitment together with the input. */
  readonly salt: Uint8Array;
  readonly outputs: Int32Array;
  readonly prover: "rust" | "snarkjs";
  /** From the parsed request to the proof that the prover itself verified, with its key loaded before. */
  readonly ms: number;
  /** Start of the prover: reading the key. */
  readonly loadMs: number;
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

/** The one sample of a request. */
function sampleOf({ model, checked }: ProvingPackage, request: InferenceRequest): Int32Array {
  const [tensor] = parseInputs(request, model.inputs);
  if (tensor === undefined || tensor.shape[0] !== 1 || !ArrayBuffer.isView(tensor.data)) {
    throw new TrisealError("REQUEST_TENSOR_INVALID", "a proof is about one sample: the first dimension must be 1");
  }
  return encodeInput(checked.model.input, tensor.data as Float32Array);
}

/**
 * Proves the request in `body`, an OIP request of one sample, by whichever prover is there.
 * @throws TrisealError of the request, `INPUT_OUT_OF_RANGE`, `ZK_KEY_INVALID`, `ZK_SETUP_INVALID`, or of the prover.
 */
export async function proveStandalone(
  zk: ProvingPackage,
  body: Uint8Array,
  options: { readonly memoryMib: number; readonly stage: (text: string) => void },
): Promise<MadeProof> {
  const { checked, circuit, setup } = zk;
  const request = parseInferenceRequest(body);
  const [salt, input] = [saltOf(request), sampleOf(zk, request)];
  const verificationKey = await readPackageKey(zk);
  verifySetup(setup, verificationKey);
  const verifier = openVerifier(verificationKey);
  const { memoryMib, stage } = options;
  const program = proverFor(zk.zkeyFile, memoryMib);
  stage(`loading the key (${program.kind} prover)`);
  const loading = performance.now();
  const pool = await openProverPool(program, { workers: 1, memoryMib, maxQueued: 1 });
  const loadMs = performance.now() - loading;
  try {
    const started = performance.now();
    const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
    const context = standaloneContext(checked.digest, nonce);
    stage("proving");
    const witness = generateWitness(circuit, checked, { input, salt, context });
    const { signal } = new AbortController();
    const { proof, publicSignals } = await pool.prove(witness.file, { signal, progress: () => undefined });
    const ms = performance.now() - started;
    const same = publicSignals.every((item, at) => item === witness.publicSignals[at]);
    if (!same || !verifier.verify(proof, witness.publicSignals)) {
      throw zkError("ZK_KEY_INVALID", "the proving key is not that of the package's verification key");
    }
    const document = { modelDigest: checked.digest, nonce, publicSignals, proof, verificationKey, setup };
    return { document, salt, outputs: witness.outputs, prover: program.kind, ms, loadMs };
  } finally {
    await pool.close();
  }
}
