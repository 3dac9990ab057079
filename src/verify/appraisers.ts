/** The paths that this verifier knows: one entry each. Their appraisers are loaded with the first leg that needs them. */
import { deferredAppraiser } from "../paths/appraiser.ts";
import { fheLegs } from "../paths/fhe/evidence/leg-kind.ts";
import type { Appraiser } from "../paths/path.ts";
import { teeLegs } from "../paths/tee/evidence/leg-kind.ts";
import { callerProofLegs, statementLegs, zkLegs } from "../paths/zk/evidence/leg-kinds.ts";

const loadTee = async () => (await import("../paths/tee/evidence/tee-appraiser.ts")).teeAppraiser;
const loadFhe = async () => (await import("../paths/fhe/evidence/fhe-appraiser.ts")).fheAppraiser;
const loadZk = async () => (await import("../paths/zk/evidence/zk-appraiser.ts")).zkAppraiser;
const loadCallerProof = async () => (await import("../paths/zk/evidence/caller-appraiser.ts")).callerProofAppraiser;
const loadStatement = async () => (await import("../paths/zk/evidence/statement-appraiser.ts")).statementAppraiser;

/** Appraisers of all shipped paths. */
export const defaultAppraisers: readonly Appraiser[] = [
  deferredAppraiser(teeLegs, loadTee),
  deferredAppraiser(fheLegs, loadFhe),
  deferredAppraiser(zkLegs, loadZk),
  deferredAppraiser(callerProofLegs, loadCallerProof),
  deferredAppraiser(statementLegs, loadStatement),
];
