/** The tee path's kind of leg, apart from its appraiser. */
import type { LegKind } from "../../path.ts";
import { TEE_LEG_TYPE } from "../wire/leg.ts";

/** Legs of attested workers. */
export const teeLegs: LegKind = { path: "tee", legMediaType: TEE_LEG_TYPE, attestedUpstream: true };
