/** Exit codes of every command. */
import type { Outcome } from "../verify/index.ts";

/** Exit code by outcome of a verification: 0 accepted, 10 rejected, 20 unsupported, 30 malformed. */
export const OUTCOME_EXIT: Readonly<Record<Outcome, number>> = { accepted: 0, rejected: 10, unsupported: 20, malformed: 30 };

/** Exit code of anything else that went wrong. */
export const FAILURE_EXIT = 1;
