/** A run of an integer model. The model is its operator's: whoever has it, too, compiles it again. */
import { digest, integer, object } from "../../../core/decode.ts";
import type { AppraisalInputs } from "../../path.ts";
import type { Claim } from "../wire/claim.ts";
import { LWE_TYPE, MODEL_INPUT, MODEL_OUTPUT } from "../wire/document.ts";
import type { FheChecklist } from "./check-table.ts";
import { decodeReplayed, type Replayed } from "./replayed.ts";

/** Reads one entry of `AppraisalInputs.programs` about a model: what an auditor who has it compiled. */
const decodeCompiled = object(
  { circuitDigest: digest, pbs: integer(0, 2 ** 32 - 1) },
  {
    /** Where the auditor executed the run again. */
    replayed: decodeReplayed,
  },
);

/** Whether a claim is about a model. No program has an output of that type, and no engine signs it of a circuit of another kind. */
export function isModelRun({ outputs }: Claim): boolean {
  return outputs.some(({ t }) => t === LWE_TYPE);
}

/** What is wrong about the accounts of a model's run, in words; null where it names none. */
export function statefulModel({ reads, writes, lists }: Claim): string | null {
  return reads.length + writes.length + lists.length === 0 ? null : "a run of a model touched accounts or took proven lists";
}

function hasOneValueEach({ inputs, outputs }: Claim): boolean {
  const [input] = inputs;
  const [output] = outputs;
  const isFresh = input !== undefined && "digest" in input && input.handle === null && input.n === MODEL_INPUT;
  return isFresh && inputs.length === 1 && outputs.length === 1 && output?.n === MODEL_OUTPUT && output.t === LWE_TYPE;
}

/** What an auditor who executed the run again got; null where none did. */
export function replayedModel({ programDigest }: Claim, { programs }: AppraisalInputs): Replayed | null {
  const shown = programs.get(programDigest);
  return shown === undefined ? null : (decodeCompiled(shown, "programs").replayed ?? null);
}

/** Compares a claim with the model, where the auditor has it. @returns whether the circuit is the model's. */
export function appraiseModel(claim: Claim, inputs: AppraisalInputs, checks: FheChecklist): boolean {
  const { programDigest, circuitDigest, pbs, binding } = claim;
  checks.expect("fhe.program-bound", binding.modelDigest === programDigest, "signature");
  checks.expect("fhe.values-fit", hasOneValueEach(claim), "signature");
  const shown = inputs.programs.get(programDigest);
  if (shown === undefined) {
    checks.skip("fhe.circuit-recompiled", "signature", "the model was not compiled again: `--model` shows it");
    return false;
  }
  const compiled = decodeCompiled(shown, "programs");
  const same = compiled.circuitDigest === circuitDigest;
  checks.expect("fhe.circuit-recompiled", same, "signature", `compiled ${compiled.circuitDigest}`);
  checks.expect("fhe.price-recomputed", compiled.pbs === pbs, "signature", `${pbs} of ${compiled.pbs}`);
  return same;
}
