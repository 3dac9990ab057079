/** The zk leg: a proof, what it proves, and under which key (receipt/SPEC.md section 3.8). */
import { decodeBinding } from "../../../core/binding.ts";
import { type Decoded, type Decoder, digest, object, oneOf } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { decodeProofDocument, decodeSignalsDocument, MAX_PUBLIC_SIGNALS, parseDocument, proofDocument } from "./documents.ts";
import { FIELD_ORDER } from "./field.ts";

/** Media type of a zk leg. */
export const ZK_LEG_TYPE = "application/vnd.triseal.zk-leg+json";

/** Largest leg, in bytes. */
const MAX_LEG_BYTES = 90 * MAX_PUBLIC_SIGNALS + 16_384;

/** Largest magnitude of an output: those of an integer model are int32. */
const MAX_OUTPUT = 2n ** 31n - 1n;

const proof: Decoder<ReturnType<typeof decodeProofDocument>> = (value, place) => decodeProofDocument(value, place);
const signals: Decoder<readonly bigint[]> = (value, place) => decodeSignalsDocument(value, place);

const decodeLeg = object(
  {
    v: oneOf(1),
    binding: decodeBinding,
    proof,
    /** The commitment to the input, that to the weights where they are private, the outputs, and the context, in this order. */
    publicSignals: signals,
    /** SHA-256 of the `.r1cs` file. */
    circuitDigest: digest,
    /** SHA-256 of the verification key, a blob of the bundle. */
    keyDigest: digest,
    /** SHA-256 of the setup document, a blob of the bundle. */
    setupDigest: digest,
    /** Which program proved: nothing rests on it. */
    prover: oneOf("rust", "snarkjs"),
  },
  /** Of the architecture that the circuit is compiled from; there exactly where the weights are private. */
  { architectureDigest: digest },
);

/** A parsed leg. `proof` and `publicSignals` are below their field orders and in their only spelling. */
export type ZkLeg = Decoded<typeof decodeLeg>;

/** What the public signals of a leg state. */
export interface StatedSignals {
  readonly inputCommitment: bigint;
  /** Null where the weights are the circuit's. */
  readonly weightCommitment: bigint | null;
  readonly outputs: readonly number[];
  readonly context: bigint;
}

/** The bytes of a leg, in JCS form. */
export function encodeZkLeg({ proof: proven, publicSignals, ...rest }: ZkLeg): Uint8Array {
  const document = { ...rest, proof: proofDocument(proven), publicSignals: publicSignals.map(String) };
  return encodeJcs(document);
}

/**
 * Parses a leg. Verifies nothing.
 * @throws TrisealError `FORMAT_INVALID`, also for a number that has another spelling or is not below its field order.
 */
export function parseZkLeg(bytes: Uint8Array): ZkLeg {
  return decodeLeg(parseDocument(bytes, MAX_LEG_BYTES, "a leg"), "leg");
}

function signedOutput(signal: bigint, index: number): number {
  const value = signal > FIELD_ORDER / 2n ? signal - FIELD_ORDER : signal;
  if (value > MAX_OUTPUT || value < -MAX_OUTPUT) throw new TrisealError("FORMAT_INVALID", `output ${index} is no int32`);
  return Number(value);
}

/**
 * The public signals by their meaning.
 * @param hasWeights whether the second one is a commitment to weights.
 * @throws TrisealError `FORMAT_INVALID` for too few of them, and for an output that no int32 model gives.
 */
export function readSignals(publicSignals: readonly bigint[], hasWeights: boolean): StatedSignals {
  const [inputCommitment, ...rest] = publicSignals;
  const weightCommitment = hasWeights ? rest.shift() : null;
  const context = rest.pop();
  if (inputCommitment === undefined || weightCommitment === undefined || context === undefined || rest.length === 0) {
    throw new TrisealError("FORMAT_INVALID", "expected commitments, outputs and a context");
  }
  return { inputCommitment, weightCommitment, outputs: rest.map(signedOutput), context };
}

/** A commitment as people and trust files write it: 64 hexadecimal digits. */
export function commitmentText(commitment: bigint): string {
  return commitment.toString(16).padStart(64, "0");
}
