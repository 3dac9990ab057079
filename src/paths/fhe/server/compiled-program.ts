/** Programs through the compiler: what runs need of a document, and the shipped ones. */
import { TrisealError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { shippedPrograms as shipped } from "../compile/shipped.ts";
import { type Program, parseProgram } from "../wire/program.ts";
import type { ProgramCompiler } from "./program-compiler.ts";
import type { ReadProgram, RunPrice, RunProgram } from "./programs.ts";

type Compiler = Pick<ProgramCompiler, "compile">;

/** Reads programs' documents. Nothing is compiled before its price or a circuit is asked for. */
export function programReader(compiler: Compiler): ReadProgram {
  return (bytes) => {
    const program = parseProgram(bytes);
    return runProgram(program, program.digest, compiler);
  };
}

/** The shipped programs. */
export function shippedPrograms(compiler: Compiler): readonly RunProgram[] {
  return shipped().map(({ name, program }) => runProgram(program, name, compiler));
}

function runProgram(program: Program, name: string, compiler: Compiler): RunProgram {
  const { digest, bytes, inputs, outputs } = program;
  const compile = (clear: ReadonlyMap<string, string> | null, signal?: AbortSignal) =>
    compiler.compile({ name: digest, document: bytes, clear }, signal);
  let price: Promise<RunPrice> | null = null;
  const priced = async () => {
    const { pbs, depth } = await compile(null);
    return { pbs, depth };
  };
  return {
    name,
    digest,
    kind: "integer",
    bytes,
    terms: { program: parseJson(bytes) },
    inputs: inputs.map(({ n, t, clear }) => ({ n, t, clear })),
    outputs: outputs.map(({ n, t }) => ({ n, t })),
    price: () => {
      price ??= priced().catch((error: unknown) => {
        price = null;
        throw error;
      });
      return price;
    },
    circuit: async (clear, signal) => {
      const { bytes: circuit, ...cost } = await compile(clear, signal);
      if (circuit === null) throw new TrisealError("INTERNAL", "a circuit was asked for");
      return { bytes: circuit, ...cost };
    },
  };
}
