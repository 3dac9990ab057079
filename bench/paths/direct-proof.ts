/** Proofs of a model's integer form by the provers' processes alone, on a witness that is made already. */
import { proverProgram } from "../../scripts/cargo.ts";
import { isBuilt } from "../../src/paths/zk/server/prover-programs.ts";
import { makeKey, ownLane, type ProverLane } from "../zk/prover-lane.ts";
import { compileWorkload, shippedModels } from "../zk/workload.ts";
import type { Lane } from "./lane.ts";

/** Names of the lanes, by prover. */
export const DIRECT = { rust: "zk, direct, Rust prover", snarkjs: "zk, direct, snarkjs" } as const;

function laneOf(prover: ProverLane, variant: string): Lane {
  const call = async () => {
    await prover.round();
    return { answeredMs: prover.prove.at(-1) ?? 0, verifiedMs: null, bundle: null };
  };
  return { variant, path: "zk", simulated: false, call, close: () => prover.close() };
}

/** Lanes of both provers; none where the Rust prover, which makes the key, is not built. Every proof is verified, outside the time. */
export async function directLanes(model: string, folder: string): Promise<readonly Lane[]> {
  if (!isBuilt(proverProgram)) return [];
  const [shipped] = await shippedModels([model]);
  if (shipped === undefined) return [];
  const workload = compileWorkload(shipped, folder);
  const key = makeKey(workload, folder);
  return [
    laneOf(await ownLane("rust", workload, key), DIRECT.rust),
    laneOf(await ownLane("snarkjs", workload, key), DIRECT.snarkjs),
  ];
}
