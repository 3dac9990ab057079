import type { CheckTable } from "../../../core/check.ts";

/** Checks of a key holder's statement (SPEC 11), in the order in which a failure is reported; those of its evidence, of the tee path, follow. */
export const revealChecks = {
  "reveal.well-formed": { code: "FHE_REVEAL_MALFORMED", spec: "fhe SPEC 11", states: "the reveal is well-formed" },
  "reveal.claim": {
    code: "FHE_REVEAL_INVALID",
    spec: "fhe SPEC 11",
    states: "the statement is about the claim of this bundle, and about one of its outputs",
  },
  "reveal.holder-named": {
    code: "FHE_KEY_HOLDER_UNKNOWN",
    spec: "fhe SPEC 11",
    states: "the trust file names an attested holder of this key, with this configuration",
  },
  "reveal.configuration": {
    code: "FHE_REVEAL_CONFIGURATION",
    spec: "fhe SPEC 11",
    states: "the configuration is the one that the statement and the evidence name",
  },
  "reveal.permitted": {
    code: "FHE_REVEAL_FORBIDDEN",
    spec: "fhe SPEC 11",
    states: "the configuration permits this output of this program, key and engine, and the run took fresh inputs alone",
  },
  "reveal.key-attested": {
    code: "FHE_REVEAL_KEY",
    spec: "fhe SPEC 11",
    states: "the evidence names the key that signed the statement",
  },
  "reveal.key-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "that key is not revoked" },
  "reveal.signature": {
    code: "FHE_REVEAL_SIGNATURE",
    spec: "fhe SPEC 11",
    states: "the holder's signature over the statement verifies",
  },
  "reveal.evidence-bound": {
    code: "FHE_REVEAL_EVIDENCE",
    spec: "fhe SPEC 11",
    states: "the evidence was made for this statement",
  },
  "reveal.order": {
    code: "FHE_REVEAL_TIME",
    spec: "fhe SPEC 11",
    states: "the reveal was decided before its evidence was made, and neither lies ahead",
  },
  "reveal.value": {
    code: "FHE_REVEAL_VALUE",
    spec: "fhe SPEC 11",
    states: "the value is one of the output's type",
  },
} as const satisfies CheckTable;
