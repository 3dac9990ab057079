/** The circuit that a program compiles to, for the clear values of one run. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { type CompiledProgram, compileProgram } from "../compile/compile.ts";
import { type Program, parseProgram } from "../wire/program.ts";

/** What a claim about a program must say. */
export interface CompiledRun {
  /** The circuit as the engine takes it. */
  readonly circuit: Uint8Array;
  readonly circuitDigest: Sha256Digest;
  readonly pbs: number;
  readonly inputs: readonly { readonly n: string; readonly clear: boolean }[];
  readonly outputs: readonly { readonly n: string; readonly t: string }[];
}

interface Known {
  readonly program: Program;
  readonly compiled: CompiledProgram;
}

/** Programs that were compiled last: compiling one costs more than everything else about a claim. */
const MAX_KNOWN = 16;
const known = new Map<Sha256Digest, Known>();

function compiledOf(document: Uint8Array, programDigest: Sha256Digest): Known {
  const found = known.get(programDigest);
  if (found !== undefined) return found;
  const program = parseProgram(document);
  if (program.digest !== programDigest) throw new TrisealError("FORMAT_INVALID", "the program is not in JCS form");
  const made = { program, compiled: compileProgram(program) };
  const [oldest] = known.keys();
  if (known.size >= MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  known.set(programDigest, made);
  return made;
}

/**
 * Compiles a program for the clear values of a run.
 * @param programDigest the digest of `document`, which the caller has checked.
 * @throws TrisealError `FORMAT_INVALID`, `FHE_PROGRAM_INVALID`, `FHE_PRICE_EXCEEDED`; `FHE_OUT_OF_RANGE` and `FHE_RUN_INVALID` for clear values that
 *   are not the program's.
 */
export function recompile(document: Uint8Array, programDigest: Sha256Digest, clear: ReadonlyMap<string, string>): CompiledRun {
  const { program, compiled } = compiledOf(document, programDigest);
  const { bytes: circuit, digest: circuitDigest, price } = compiled.circuit(clear);
  return { circuit, circuitDigest, pbs: price.pbs, inputs: program.inputs, outputs: program.outputs };
}
