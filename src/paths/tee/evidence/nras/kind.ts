/** The kind `nras`, apart from what appraises it, which is loaded with the first bundle of tokens. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import { parseNrasPolicy } from "./policy.ts";

/** Detached EAT bundles of NVIDIA's remote attestation service, versions 3 and 4, judged with the key set of their day. */
export const nras = evidenceKind({
  kind: "nras",
  evidenceRoles: ["eat"],
  endorsementRoles: ["jwks"],
  roots: () => [],
  parsePolicy: parseNrasPolicy,
  appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraise(inputs, policy),
  mustPass: [
    "evidence.well-formed",
    "collateral.present",
    "chain.unrevoked",
    "evidence.signed",
    "evidence.bound",
    "token.current",
    "guest.not-debugged",
    "nonce.matches",
    "measurement.matches",
    "devices.distinct",
  ],
});
