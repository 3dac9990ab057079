/**
 * Thread that compiles programs: seconds of computation for a large one, in which the gateway's event loop would answer nobody. It
 * keeps what it compiled last, logs nothing and writes nothing.
 */
import { parentPort, workerData } from "node:worker_threads";
import { isTrisealError } from "../../../core/errors.ts";
import { type CompiledProgram, compileProgram } from "../compile/compile.ts";
import { parseProgram } from "../wire/program.ts";
import type { CompileReply, CompileRequest, CompileStart } from "./program-compiler.ts";

/** Programs that are kept compiled: as many bootstraps as these together. */
const KEPT_PBS = 200_000;

const { mostPbs } = workerData as CompileStart;
const kept = new Map<string, CompiledProgram>();

/** The program, compiled. It stands last among those that are kept then. */
function compiled({ name, document }: CompileRequest): CompiledProgram {
  const found = kept.get(name) ?? compileProgram(parseProgram(document), mostPbs);
  kept.delete(name);
  kept.set(name, found);
  let pbs = [...kept.values()].reduce((sum, { price }) => sum + price.pbs, 0);
  for (const [oldest, { price }] of kept) {
    if (pbs <= KEPT_PBS || oldest === name) break;
    kept.delete(oldest);
    pbs -= price.pbs;
  }
  return found;
}

function reply(request: CompileRequest): CompileReply {
  try {
    const program = compiled(request);
    if (request.clear === null) return { bytes: null, ...program.price };
    const { bytes, price } = program.circuit(request.clear);
    return { bytes, ...price };
  } catch (error) {
    // Other errors are not passed on in words: they could quote a clear value.
    if (isTrisealError(error)) return { code: error.code, message: error.message };
    return { code: "INTERNAL", message: "the program could not be compiled" };
  }
}

parentPort?.on("message", (request: CompileRequest) => {
  const made = reply(request);
  parentPort?.postMessage(made, "bytes" in made && made.bytes !== null ? [made.bytes.buffer as ArrayBuffer] : []);
});
