/** The circuit that a program compiles to, for the clear values of one run. */
import type { Sha256Digest } from "../../../core/digest.ts";

/** What a claim about a program must say. */
export interface CompiledRun {
  readonly circuitDigest: Sha256Digest;
  readonly pbs: number;
  readonly inputs: readonly { readonly n: string; readonly clear: boolean }[];
  readonly outputs: readonly { readonly n: string; readonly t: string }[];
}

/** @throws TrisealError where the program cannot be read or compiled. */
export function recompile(_document: Uint8Array, _programDigest: Sha256Digest, _clear: ReadonlyMap<string, string>): CompiledRun {
  throw new Error("to come");
}
