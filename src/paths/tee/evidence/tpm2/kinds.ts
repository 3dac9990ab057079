/** The kinds of TPM quotes, apart from what appraises them, which is loaded with the first quote. */
import { evidenceKind } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import type { TpmType } from "./appraise.ts";
import { parseTpmPolicy } from "./policy.ts";

/** Checks without which no quote of a TPM is accepted. */
export const TPM_QUOTE_MUST_PASS = [
  "evidence.well-formed",
  "evidence.signed",
  "nonce.matches",
  "measurement.matches",
] as const satisfies readonly EvidenceCheckId[];

const tpmKind = (type: TpmType) =>
  evidenceKind({
    kind: type,
    evidenceRoles: ["quote", "signature", "akPublic", "pcrs", "eventLog"],
    endorsementRoles: ["ekCert", "chain", "enrolment"],
    roots: () => [],
    parsePolicy: parseTpmPolicy,
    appraise: async (inputs, policy) => await (await import("./appraise.ts")).appraiseAs(type, inputs, policy),
    mustPass: [...TPM_QUOTE_MUST_PASS, "evidence.bound"],
  });

/** Quotes of a TPM 2.0. No vendor's root is built in: without a named one, a certificate that is given is not trusted. */
export const tpm2 = tpmKind("tpm2");

/** Quotes of a TPM that is software: the form of `tpm2`, and nothing that hardware vouches for. */
export const tpm2Simulated = tpmKind("tpm2-simulated");
