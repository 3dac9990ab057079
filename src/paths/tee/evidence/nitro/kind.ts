/** The kind `nitro`, apart from what appraises it, which is loaded with the first document. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import { parseNitroPolicy } from "./policy.ts";
import { nitroRoots } from "./roots.ts";

/** Attestation documents of AWS Nitro enclaves. */
export const nitro = evidenceKind({
  kind: "nitro",
  evidenceRoles: ["document"],
  endorsementRoles: [],
  roots: nitroRoots,
  parsePolicy: parseNitroPolicy,
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraise(inputs, policy),
  mustPass: [
    "evidence.well-formed",
    "chain.trusted",
    "chain.begun",
    "chain.unexpired",
    "evidence.signed",
    "guest.not-debugged",
    "nonce.matches",
    "report-data.matches",
    "measurement.matches",
  ],
});
