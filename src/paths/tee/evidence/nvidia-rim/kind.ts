/** The kind `nvidia-rim`, apart from what appraises it, which is loaded with the first RIM. */
import { object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { evidenceKind } from "../appraisal/appraiser.ts";
import { rimRoots } from "./roots.ts";

const parsePolicy = (policy: JsonObject) => object({})(policy, "policy");

/** Reference integrity manifests of NVIDIA GPUs, role `rim`. */
export const nvidiaRim = evidenceKind({
  kind: "nvidia-rim",
  evidenceRoles: ["rim"],
  endorsementRoles: [],
  roots: rimRoots,
  parsePolicy,
  appraise: async (inputs) => await (await import("./appraise.ts")).appraiseRim(inputs),
  mustPass: ["evidence.well-formed", "rim.signed", "rim.current"],
});
