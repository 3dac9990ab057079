/** The zk path's kinds of legs, apart from their appraisers. */
import type { LegKind } from "../../path.ts";
import { CALLER_LEG_TYPE } from "../wire/caller-proof.ts";
import { ZK_LEG_TYPE } from "../wire/leg.ts";
import { STATEMENT_LEG_TYPE } from "../wire/statement.ts";
import { optionalZkChecks } from "./check-table.ts";

const zkLeg = { path: "zk", attestedUpstream: false, optionalChecks: optionalZkChecks } as const;

/** Proofs that the service made. */
export const zkLegs: LegKind = { ...zkLeg, legMediaType: ZK_LEG_TYPE, factsBoundBy: "request" };

/** Proofs that the caller made. */
export const callerProofLegs: LegKind = { ...zkLeg, legMediaType: CALLER_LEG_TYPE };

/** Statements about private values. */
export const statementLegs: LegKind = { ...zkLeg, legMediaType: STATEMENT_LEG_TYPE };
