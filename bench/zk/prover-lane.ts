/** Lanes of one prover each: the process started with its key, proofs made and verified one at a time. */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { proverProgram } from "../../scripts/cargo.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { ProverProcess } from "../../src/paths/zk/server/prover-process.ts";
import { rustProgram, snarkjsProgram } from "../../src/paths/zk/server/prover-programs.ts";
import { parseVerificationKey } from "../../src/paths/zk/wire/documents.ts";
import { childrenOf, peakResidentBytes } from "../program.ts";
import { percentiles } from "../statistics.ts";
import { repository } from "../suite.ts";
import type { ProverRow } from "./result.ts";
import type { ZkWorkload } from "./workload.ts";

const SNARKJS = join(repository, "dist", "src", "paths", "zk", "snarkjs", "main.js");
const MEMORY_MIB = 16_384;
/** Three field elements in G1 and G2: 64 + 128 + 64. */
const PROOF_BYTES = 256;

/** A prover with its times by round. */
export interface ProverLane {
  readonly name: ProverRow["prover"];
  readonly prove: number[];
  readonly verify: number[];
  round(): Promise<void>;
  row(): ProverRow;
  close(): Promise<void>;
}

/** A development key of one circuit. */
export interface CircuitKey {
  readonly zkey: string;
  readonly setupMs: number;
  readonly bytes: number;
  readonly verifier: ReturnType<typeof openVerifier>;
}

/** Makes the key of a compiled model in `folder`. Needs the Rust prover. */
export function makeKey(workload: ZkWorkload, folder: string): CircuitKey {
  const [zkey, vk] = [join(folder, `${workload.name}.zkey`), join(folder, `${workload.name}.vk.json`)];
  const started = performance.now();
  execFileSync(proverProgram, ["dev-setup", "--r1cs", workload.r1csFile, "--zkey", zkey, "--vk", vk], { stdio: "pipe" });
  const setupMs = performance.now() - started;
  return { zkey, setupMs, bytes: statSync(zkey).size, verifier: openVerifier(parseVerificationKey(readFileSync(vk))) };
}

/** Starts one of our provers on a key, for proofs of the workload's witness. */
export async function ownLane(kind: "rust" | "snarkjs", workload: ZkWorkload, key: CircuitKey): Promise<ProverLane> {
  const program = kind === "rust" ? rustProgram(proverProgram, key.zkey, MEMORY_MIB) : snarkjsProgram(SNARKJS, key.zkey);
  const before = new Set(childrenOf(process.pid));
  const running = await ProverProcess.start(program, MEMORY_MIB * 2 ** 20);
  const pid = childrenOf(process.pid).find((child) => !before.has(child)) ?? 0;
  const [prove, verify]: [number[], number[]] = [[], []];
  let peakBytes = 0;
  return {
    name: kind,
    prove,
    verify,
    async round() {
      const { proof, publicSignals, proveMs } = await running.prove(workload.witness);
      prove.push(proveMs);
      const started = performance.now();
      if (!key.verifier.verify(proof, publicSignals))
        throw new Error(`${kind} made a proof of ${workload.name} that does not hold`);
      verify.push(performance.now() - started);
      peakBytes = Math.max(peakBytes, peakResidentBytes(pid));
    },
    row: () => ({
      prover: kind,
      proveMs: percentiles(prove),
      verifyMs: percentiles(verify),
      peakBytes,
      setupMs: kind === "rust" ? key.setupMs : null,
      proofBytes: PROOF_BYTES,
      provingKeyBytes: key.bytes,
      settings: null,
      unavailable: null,
    }),
    async close() {
      running.end();
      await running.ended;
    },
  };
}
