/** The two prover programs, and which of them is there. */
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import type { ProverProgram } from "./prover-process.ts";

/** The Rust program for a key, with all cores for one proof, and a hard limit of its address space above the pool's. */
export function rustProgram(program: string, keyFile: string, memoryMib: number): ProverProgram {
  const limits = ["--memory-mib", String(memoryMib * 2 + 1024), "--threads", String(availableParallelism())];
  return { kind: "rust", command: program, args: ["serve", "--zkey", keyFile, ...limits] };
}

/** The npm program for a key. One thread each: as fast for one proof, and the same throughput with fewer processes' overhead. */
export function snarkjsProgram(script: string, keyFile: string): ProverProgram {
  return { kind: "snarkjs", command: process.execPath, args: [script, "serve", "--zkey", keyFile] };
}

/** Whether the Rust program was built. */
export function isBuilt(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
