/** What a gateway can try that holds its receipt key and its log key, but no worker's, witness's, platform's or policy key. */
import type { Attack } from "../fixtures/attack.ts";
import { callerProofAttacks } from "./caller-proof-attacks.ts";
import { falseBackends, falseDecisions, oldPolicies } from "./decision-attacks.ts";
import { falseEvidence, falseGateways } from "./evidence-attacks.ts";
import { fheAttacks } from "./fhe-attacks.ts";
import { fheModelAttacks } from "./fhe-model-attacks.ts";
import { integerAttacks } from "./integer-attacks.ts";
import { pendingLegs, splicedLegs } from "./leg-attacks.ts";
import { falseLogs, falseStories, strayParts } from "./record-attacks.ts";
import { statementAttacks } from "./statement-attacks.ts";
import { supplementAttacks } from "./supplement-attacks.ts";
import { twoLegAttacks } from "./two-leg-attacks.ts";
import { zkAttacks } from "./zk-attacks.ts";
import { zkCommittedAttacks } from "./zk-committed-attacks.ts";

/** All attacks, by what is false about the bundle. */
export const gatewayAttacks: Readonly<Record<string, readonly Attack[]>> = {
  "a spliced leg": splicedLegs,
  "a false integer run": integerAttacks,
  "a false supplement": supplementAttacks,
  "a false decision": falseDecisions,
  "a false backend": falseBackends,
  "a policy out of force": oldPolicies,
  "false evidence": falseEvidence,
  "a false gateway": falseGateways,
  "a false log": falseLogs,
  "a false story": falseStories,
  "a pending leg": pendingLegs,
  "stray parts": strayParts,
  "a false proof": zkAttacks,
  "a false proof of private weights": zkCommittedAttacks,
  "a second leg": twoLegAttacks,
  "a false proof of a caller": callerProofAttacks,
  "a false statement": statementAttacks,
  "a false claim of an engine": fheAttacks,
  "a false claim of an engine about a model": fheModelAttacks,
};
