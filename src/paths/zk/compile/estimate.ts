/**
 * What proofs of a compiled model cost. Constraints and key size are exact. Memory is fitted to measurements of the shipped models,
 * times to measurements on two idle cores (DECISIONS.md).
 */
import type { FramedSystem } from "./circuit-frame.ts";

/** Cost of proofs of one circuit. */
export interface ProofEstimate {
  /** Rows with a constraint. */
  readonly constraints: number;
  /** Rows of the evaluation domain, a power of two. */
  readonly domain: number;
  readonly publicSignals: number;
  /** Bytes of the `.zkey` file. */
  readonly provingKeyBytes: number;
  /** Estimated, on two idle cores. */
  readonly proveMs: { readonly native: number; readonly npm: number };
  /** Estimated, of one prover process with its key. */
  readonly memoryMiB: { readonly native: number; readonly npm: number };
}

const G1_BYTES = 64;
const G2_BYTES = 128;
const TERM_BYTES = 44;
/** Container, header and empty list of contributions. */
const FIXED_BYTES = 12 + 10 * 12 + 4 + 660 + 4 + 68;

/** Exact size and estimated cost for `circuit`. */
export function estimateProof({ system, usedRows }: FramedSystem): ProofEstimate {
  const { wires, publicSignals, rows, a, b } = system;
  const domain = rows + publicSignals + 1;
  const terms = a.wires.length + b.wires.length + publicSignals + 1;
  // IC and C together have a point per wire, A and B one each in G1, B one in G2, H one per row.
  const provingKeyBytes = FIXED_BYTES + TERM_BYTES * terms + G1_BYTES * (3 * wires + domain) + G2_BYTES * wires;
  const keyMib = provingKeyBytes / 2 ** 20;
  return {
    constraints: usedRows,
    domain,
    publicSignals,
    provingKeyBytes,
    proveMs: { native: Math.round(8 + domain * 0.0078), npm: Math.round(100 + domain * 0.024) },
    memoryMiB: { native: Math.round(4 + 1.5 * keyMib), npm: Math.round(104 + 4.4 * keyMib) },
  };
}
