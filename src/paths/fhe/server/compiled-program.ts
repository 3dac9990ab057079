/** Programs through the compiler: what runs need of a document, and the shipped ones. */
import { parseJson } from "../../../core/json.ts";
import { compileProgram } from "../compile/compile.ts";
import { shippedPrograms as shipped } from "../compile/shipped.ts";
import { type Program, parseProgram } from "../wire/program.ts";
import type { RunProgram } from "./programs.ts";

/** Reads and prices a program's document. @throws TrisealError `FHE_PROGRAM_INVALID`, `FHE_PRICE_EXCEEDED`. */
export function readProgram(bytes: Uint8Array): RunProgram {
  const program = parseProgram(bytes);
  return runProgram(program, program.digest);
}

/** The shipped programs. Each is compiled when it is first asked for its price. */
export function shippedPrograms(): readonly RunProgram[] {
  return shipped().map(({ name, program }) => runProgram(program, name));
}

function runProgram(program: Program, name: string): RunProgram {
  const { digest, bytes, inputs, outputs } = program;
  let compiled: ReturnType<typeof compileProgram> | null = null;
  const compile = () => {
    compiled ??= compileProgram(program);
    return compiled;
  };
  return {
    name,
    digest,
    kind: "integer",
    bytes,
    terms: { program: parseJson(bytes) },
    inputs: inputs.map(({ n, t, clear }) => ({ n, t, clear })),
    outputs: outputs.map(({ n, t }) => ({ n, t })),
    get price() {
      return compile().price;
    },
    circuit: (clear) => {
      const circuit = compile().circuit(clear);
      return { bytes: circuit.bytes, ...circuit.price };
    },
  };
}
