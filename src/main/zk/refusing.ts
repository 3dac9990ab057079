/** Exit codes and file reading that the `zk` and `fhe` commands share. */
import { readFile } from "node:fs/promises";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { OUTCOME_EXIT } from "../exit-code.ts";

/** Exit codes by error code; what stands nowhere is a failure of another kind. */
const EXITS: Readonly<Record<string, number>> = {
  VERIFICATION_FAILED: OUTCOME_EXIT.rejected,
  ZK_CONTEXT_MISMATCH: OUTCOME_EXIT.rejected,
  ZK_KEY_INVALID: OUTCOME_EXIT.rejected,
  ZK_PROOF_INVALID: OUTCOME_EXIT.rejected,
  ZK_SETUP_INVALID: OUTCOME_EXIT.rejected,
  ZK_SETUP_NOT_ACCEPTED: OUTCOME_EXIT.rejected,
  ZK_WEIGHTS_NOT_ACCEPTED: OUTCOME_EXIT.rejected,
  MODEL_UNSUPPORTED: OUTCOME_EXIT.unsupported,
  FHE_PROGRAM_INVALID: OUTCOME_EXIT.malformed,
  FORMAT_INVALID: OUTCOME_EXIT.malformed,
  INPUT_OUT_OF_RANGE: OUTCOME_EXIT.malformed,
  MODEL_INVALID: OUTCOME_EXIT.malformed,
  REQUEST_MALFORMED: OUTCOME_EXIT.malformed,
  REQUEST_NOT_FINITE: OUTCOME_EXIT.malformed,
  REQUEST_TENSOR_INVALID: OUTCOME_EXIT.malformed,
  TRUST_FILE_INVALID: OUTCOME_EXIT.malformed,
};

/** Runs `work`; a refusal is one line on standard error, or one JSON object, and its exit code. */
export async function refusing(json: true | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    const { code, message } = error;
    if (json) console.log(JSON.stringify({ ok: false, code, message }));
    else console.error(`triseal: ${code}: ${message}`);
    process.exitCode = EXITS[code] ?? 1;
  }
}

/** The bytes of a file that the command line names. @throws TrisealError `FORMAT_INVALID` where it cannot be read. */
export async function readNamed(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", `\`${file.slice(-64)}\` cannot be read`, { cause });
  });
  return new Uint8Array(bytes);
}
