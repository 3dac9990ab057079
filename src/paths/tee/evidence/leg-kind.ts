/** The tee path's kind of leg, apart from its appraiser. */
import type { LegKind } from "../../path.ts";
import { TEE_LEG_TYPE } from "../wire/leg.ts";
import { evidenceChecks } from "./appraisal/evidence-checks.ts";
import { teeChecks } from "./check-table.ts";

/** Ids of checks of hardware evidence that may be skipped: those that an entry of the trust file does not ask for. No check of our own is one. */
export const waivableChecks: ReadonlySet<string> = new Set(
  Object.keys(evidenceChecks).filter((id) => !Object.hasOwn(teeChecks, id)),
);

/** Legs of attested workers. */
export const teeLegs: LegKind = {
  path: "tee",
  legMediaType: TEE_LEG_TYPE,
  attestedUpstream: true,
  optionalChecks: waivableChecks,
};
