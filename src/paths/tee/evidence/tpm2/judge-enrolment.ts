/** Judges an enroller's statement about an attestation key. */
import { digestOf } from "../../../../core/digest.ts";
import { MAX_ENROLMENT_BYTES, parseEnrolment, verifyEnrolment } from "../../wire/tpm-enrolment.ts";
import type { EvidenceInputs } from "../appraisal/appraiser.ts";
import type { Findings } from "../appraisal/findings.ts";
import { bytesOf, isGiven } from "../appraisal/roles.ts";
import type { PublicKey } from "../x509/algorithm.ts";
import type { TpmPolicy } from "./policy.ts";

/** What a statement is judged with. */
export interface EnrolmentQuestion {
  readonly type: "tpm2" | "tpm2-simulated";
  /** Null where the key of the evidence could not be read. */
  readonly key: PublicKey | null;
  readonly policy: TpmPolicy;
  readonly inputs: EvidenceInputs;
}

/**
 * Whether a statement is given that binds the key: signed by an enroller that the policy names, at its time, about this key and this
 * type of evidence. A statement that is given and does not hold is a failure, required or not.
 */
export function judgeEnrolment({ type, key, policy, inputs }: EnrolmentQuestion, findings: Findings): boolean {
  if (!isGiven(inputs.endorsements, "enrolment")) return false;
  const enrolment = findings.read("`enrolment`", () => {
    const bytes = bytesOf(inputs.endorsements, "enrolment", MAX_ENROLMENT_BYTES);
    return bytes === null ? null : parseEnrolment(bytes);
  });
  if (enrolment === null || key === null) return false;
  const { statement } = enrolment;
  const known = findings.expect("chain.trusted", policy.enrollers.includes(statement.enroller), "enroller");
  const signed = findings.expect("collateral.signed", verifyEnrolment(enrolment), "enroller's statement");
  const { notBefore, notAfter } = statement;
  const current = findings.expect("collateral.current", notBefore <= inputs.at && inputs.at <= notAfter, "enroller's statement");
  const about = statement.type === type && statement.attestationKey === digestOf(key.spki);
  findings.expect("evidence.bound", about, "the enroller's statement is about this key and type");
  return known && signed && current && about;
}
