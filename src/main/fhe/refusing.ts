/** Exit codes of the `fhe` commands: 0 done or accepted, 10 rejected, 20 not to be had here, 30 malformed, 1 anything else. */
import { isTrisealError } from "../../core/errors.ts";
import { FAILURE_EXIT, OUTCOME_EXIT } from "../exit-code.ts";

/** Exit codes by error code; what stands nowhere is a failure of another kind. */
const EXITS: Readonly<Record<string, number>> = {
  FHE_CIRCUIT_MISMATCH: OUTCOME_EXIT.rejected,
  FHE_CLAIM_INVALID: OUTCOME_EXIT.rejected,
  FHE_REPLAY_MISMATCH: OUTCOME_EXIT.rejected,
  FHE_STATEMENT_INVALID: OUTCOME_EXIT.rejected,
  STATE_FORKED: OUTCOME_EXIT.rejected,
  VERIFICATION_FAILED: OUTCOME_EXIT.rejected,
  NOT_FOUND: OUTCOME_EXIT.unsupported,
  PATH_UNAVAILABLE: OUTCOME_EXIT.unsupported,
  FHE_KEY_INVALID: OUTCOME_EXIT.malformed,
  FHE_PROGRAM_INVALID: OUTCOME_EXIT.malformed,
  FORMAT_INVALID: OUTCOME_EXIT.malformed,
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
    process.exitCode = EXITS[code] ?? FAILURE_EXIT;
  }
}
