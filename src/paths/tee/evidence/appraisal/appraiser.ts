/**
 * The one interface of all appraisers of hardware evidence: pure, offline, never throwing on bad bytes. All inputs are
 * required; what a policy does not compare is written `null` in it.
 */
import type { Check } from "../../../../core/check.ts";
import type { JsonObject, JsonValue } from "../../../../core/json.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import type { Certificate } from "../x509/certificate.ts";
import type { EvidenceCheckId } from "./evidence-checks.ts";
import { closeChecks } from "./findings.ts";

/**
 * What a role holds: a byte string, certificates or other byte strings in order, a JSON value that was already read, or what
 * could not be decoded, with the reason.
 */
export type RoleValue = Uint8Array | readonly Uint8Array[] | { readonly json: JsonValue } | { readonly undecodable: string };

/** Values by the names that a kind gives to its roles. */
export type Roles = ReadonlyMap<string, RoleValue>;

/** What an appraisal uses. */
export interface EvidenceInputs {
  readonly evidence: Roles;
  readonly endorsements: Roles;
  /** Roots that are trusted for this appraisal, and no others. */
  readonly anchors: readonly Certificate[];
  /** The moment for which the evidence is judged. */
  readonly at: UnixSeconds;
}

/** What other evidence can be bound by, or be compared with. */
export interface EvidenceBonds {
  /** The report data of a CPU report or quote, or of a TPM quote its nonce; null elsewhere. */
  readonly reportData: Uint8Array | null;
  /** Subject public key (DER) of the certificate that stands for one device; null where none does. */
  readonly deviceKey: Uint8Array | null;
  /** The report as the device signed it; null for kinds that no other evidence cites. */
  readonly report: Uint8Array | null;
}

/** The result of an appraisal. */
export interface EvidenceAppraisal {
  readonly checks: readonly Check[];
  /** What the evidence says, readable whatever the checks found; null where it could not be read. Hexadecimal is lower-case. */
  readonly claims: JsonObject | null;
  readonly bonds: EvidenceBonds;
}

/** Bonds of evidence that binds nothing, or that could not be read. */
export const NO_BONDS: EvidenceBonds = { reportData: null, deviceKey: null, report: null };

/** One kind of evidence with a policy of its own form. */
export interface EvidenceKindOf<Policy> {
  readonly kind: string;
  readonly evidenceRoles: readonly string[];
  readonly endorsementRoles: readonly string[];
  /** The vendor's roots, which hold where nobody names others. */
  readonly roots: () => readonly Certificate[];
  /** @throws TrisealError `FORMAT_INVALID` for unknown members and other types. Absent and null members take their default. */
  readonly parsePolicy: (policy: JsonObject) => Policy;
  readonly appraise: (inputs: EvidenceInputs, policy: Policy) => Promise<EvidenceAppraisal>;
  /** Checks without which evidence of this kind is never accepted. */
  readonly mustPass: readonly EvidenceCheckId[];
}

/** One kind of evidence, whatever the form of its policy. */
export interface EvidenceKind {
  readonly kind: string;
  readonly evidenceRoles: readonly string[];
  readonly endorsementRoles: readonly string[];
  readonly roots: () => readonly Certificate[];
  /** An appraiser under this policy. @throws TrisealError `FORMAT_INVALID` for a policy that this kind does not know. */
  readonly under: (policy: JsonObject) => (inputs: EvidenceInputs) => Promise<EvidenceAppraisal>;
}

/** A kind for a list of kinds, which does not know the form of its policy. */
export function evidenceKind<Policy>(of: EvidenceKindOf<Policy>): EvidenceKind {
  const { kind, evidenceRoles, endorsementRoles, roots } = of;
  const under = (text: JsonObject) => {
    const policy = of.parsePolicy(text);
    return async (inputs: EvidenceInputs) => {
      const appraisal = await of.appraise(inputs, policy);
      return { ...appraisal, checks: closeChecks(appraisal.checks, of.mustPass) };
    };
  };
  return { kind, evidenceRoles, endorsementRoles, roots, under };
}
