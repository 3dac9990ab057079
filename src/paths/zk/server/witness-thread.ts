/**
 * Thread that makes the witnesses of one model: hundreds of milliseconds of computation for a convolutional one, in which the
 * gateway's event loop would answer nobody. It logs nothing and writes nothing.
 */
import { parentPort, workerData } from "node:worker_threads";
import { isTrisealError } from "../../../core/errors.ts";
import { generateWitness } from "../compile/witness.ts";
import type { WitnessReply, WitnessRequest, WitnessStart } from "./witness-maker.ts";

function reply(run: WitnessRequest): WitnessReply {
  const { circuit, checked } = workerData as WitnessStart;
  try {
    return { witness: generateWitness(circuit, checked, run) };
  } catch (error) {
    // Other errors are not passed on in words: they could quote the input.
    if (isTrisealError(error)) return { code: error.code, message: error.message };
    return { code: "INTERNAL", message: "the witness could not be made" };
  }
}

function answer(port: NonNullable<typeof parentPort>, run: WitnessRequest): void {
  const made = reply(run);
  run.input.fill(0);
  run.salt.fill(0);
  // The file goes over without a copy: the one that the caller zeroes is the only one.
  port.postMessage(made, "witness" in made ? [made.witness.file.buffer as ArrayBuffer] : []);
}

parentPort?.on("message", (run: WitnessRequest) => {
  if (parentPort !== null) answer(parentPort, run);
});
