/** The fhe path's kind of leg, apart from its appraiser. */
import type { LegKind } from "../../path.ts";
import { FHE_CLAIM_TYPE } from "../wire/claim.ts";
import { optionalFheChecks } from "./check-table.ts";

/** Claims about encrypted runs. */
export const fheLegs: LegKind = {
  path: "fhe",
  legMediaType: FHE_CLAIM_TYPE,
  attestedUpstream: false,
  optionalChecks: optionalFheChecks,
};
