/** Programs through the compiler: what runs need of a document, and the shipped ones. */
import { fheError } from "../wire/codes.ts";
import type { RunProgram } from "./programs.ts";

/** Reads and prices a program's document. @throws TrisealError `FHE_PROGRAM_INVALID`. */
export function readProgram(_bytes: Uint8Array, _name: string | null): RunProgram {
  throw fheError("FHE_PROGRAM_INVALID", "to come");
}

/** The shipped programs. */
export function shippedPrograms(): readonly RunProgram[] {
  return [];
}
