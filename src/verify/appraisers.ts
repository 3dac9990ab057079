/** The paths that this verifier knows: one line each. */
import { fheAppraiser } from "../paths/fhe/evidence/fhe-appraiser.ts";
import type { Appraiser } from "../paths/path.ts";
import { teeAppraiser } from "../paths/tee/evidence/tee-appraiser.ts";
import { callerProofAppraiser } from "../paths/zk/evidence/caller-appraiser.ts";
import { statementAppraiser } from "../paths/zk/evidence/statement-appraiser.ts";
import { zkAppraiser } from "../paths/zk/evidence/zk-appraiser.ts";

/** Appraisers of all shipped paths. */
export const defaultAppraisers: readonly Appraiser[] = [
  teeAppraiser,
  fheAppraiser,
  zkAppraiser,
  callerProofAppraiser,
  statementAppraiser,
];
