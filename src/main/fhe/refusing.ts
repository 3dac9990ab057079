/** Exit codes of the `fhe` commands. */
import { OUTCOME_EXIT } from "../exit-code.ts";
import { type Refusing, refusingWith } from "../refusing.ts";

/** Runs the work of an `fhe` command: 10 for what does not verify, 20 for what is not to be had here, 30 for what cannot be read, 1 else. */
export const refusing: Refusing = refusingWith({
  FHE_CIRCUIT_MISMATCH: OUTCOME_EXIT.rejected,
  FHE_CLAIM_INVALID: OUTCOME_EXIT.rejected,
  FHE_REPLAY_MISMATCH: OUTCOME_EXIT.rejected,
  FHE_REVEAL_BUNDLE: OUTCOME_EXIT.rejected,
  FHE_REVEAL_CIPHERTEXT: OUTCOME_EXIT.rejected,
  FHE_REVEAL_INPUT: OUTCOME_EXIT.rejected,
  FHE_REVEAL_OUTPUT: OUTCOME_EXIT.rejected,
  FHE_REVEAL_REPEATED: OUTCOME_EXIT.rejected,
  FHE_REVEAL_RUN: OUTCOME_EXIT.rejected,
  FHE_STATEMENT_INVALID: OUTCOME_EXIT.rejected,
  STATE_FORKED: OUTCOME_EXIT.rejected,
  STATE_RULE_BROKEN: OUTCOME_EXIT.rejected,
  VERIFICATION_FAILED: OUTCOME_EXIT.rejected,
  NOT_FOUND: OUTCOME_EXIT.unsupported,
  PATH_UNAVAILABLE: OUTCOME_EXIT.unsupported,
  FHE_KEY_INVALID: OUTCOME_EXIT.malformed,
  FHE_PROGRAM_INVALID: OUTCOME_EXIT.malformed,
  FORMAT_INVALID: OUTCOME_EXIT.malformed,
  TRUST_FILE_INVALID: OUTCOME_EXIT.malformed,
});
