/**
 * Thread that compiles programs: seconds of computation for a large one, in which the gateway's event loop would answer nobody. It
 * keeps what it compiled last, logs nothing and writes nothing.
 */
import { parentPort, workerData } from "node:worker_threads";
import { isTrisealError } from "../../../core/errors.ts";
import { compileProgram } from "../compile/compile.ts";
import { parseProgram } from "../wire/program.ts";
import { KeptPrograms } from "./kept-programs.ts";
import type { CompileReply, CompileRequest, CompileStart } from "./program-compiler.ts";

/** A wire takes a KiB: some 300 MiB, four programs of the most bootstraps. */
const KEPT = { wires: 300_000, programs: 256 };

const { mostPbs } = workerData as CompileStart;
const kept = new KeptPrograms(KEPT);

function reply(request: CompileRequest): CompileReply {
  try {
    const program = kept.take(request.name, () => compileProgram(parseProgram(request.document), mostPbs));
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
