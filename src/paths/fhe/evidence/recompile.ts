/** The circuit that a program compiles to, for the clear values of one run. */
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";

/** What a claim about a program must say. */
export interface CompiledRun {
  /** The circuit as the engine takes it. */
  readonly circuit: Uint8Array;
  readonly circuitDigest: Sha256Digest;
  readonly pbs: number;
  readonly inputs: readonly { readonly n: string; readonly clear: boolean }[];
  readonly outputs: readonly { readonly n: string; readonly t: string }[];
}

/** @throws TrisealError where the program cannot be read or compiled. */
export function recompile(document: Uint8Array, _programDigest: Sha256Digest, clear: ReadonlyMap<string, string>): CompiledRun {
  // biome-ignore lint/suspicious/noExplicitAny: stand-in until the compiler is there
  const program = parseJson(document) as any;
  const circuit = encodeJcs([program, ...clear.values()]);
  return {
    circuit,
    circuitDigest: digestOf(circuit),
    pbs: 64,
    // biome-ignore lint/suspicious/noExplicitAny: stand-in until the compiler is there
    inputs: program.in.map(({ n, clear: isClear }: any) => ({ n, clear: isClear === true })),
    outputs: program.out.map((n: string) => ({ n, t: "u64" })),
  };
}
