/** Exit codes of the `zk` commands. */
import { OUTCOME_EXIT } from "../exit-code.ts";
import { type Refusing, refusingWith } from "../refusing.ts";

/** Runs the work of a `zk` command: 10 for what does not verify, 20 for what is not supported, 30 for what cannot be read, 1 else. */
export const refusing: Refusing = refusingWith({
  VERIFICATION_FAILED: OUTCOME_EXIT.rejected,
  ZK_CONTEXT_MISMATCH: OUTCOME_EXIT.rejected,
  ZK_KEY_INVALID: OUTCOME_EXIT.rejected,
  ZK_PROOF_INVALID: OUTCOME_EXIT.rejected,
  ZK_SETUP_INVALID: OUTCOME_EXIT.rejected,
  ZK_SETUP_NOT_ACCEPTED: OUTCOME_EXIT.rejected,
  ZK_WEIGHTS_NOT_ACCEPTED: OUTCOME_EXIT.rejected,
  MODEL_UNSUPPORTED: OUTCOME_EXIT.unsupported,
  FORMAT_INVALID: OUTCOME_EXIT.malformed,
  INPUT_OUT_OF_RANGE: OUTCOME_EXIT.malformed,
  MODEL_INVALID: OUTCOME_EXIT.malformed,
  REQUEST_MALFORMED: OUTCOME_EXIT.malformed,
  REQUEST_NOT_FINITE: OUTCOME_EXIT.malformed,
  REQUEST_TENSOR_INVALID: OUTCOME_EXIT.malformed,
  TRUST_FILE_INVALID: OUTCOME_EXIT.malformed,
});
