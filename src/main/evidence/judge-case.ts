/** Judges a case: with the roots and the clock that it names, and no others. No code path of `verify`. */

import type { Check } from "../../core/check.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { UnixSeconds } from "../../core/time.ts";
import { codeOf } from "../../paths/tee/evidence/appraisal/findings.ts";
import { kindOf } from "../../paths/tee/evidence/kinds.ts";
import type { CasePart, EvidenceCase } from "./case-file.ts";

/** The answer to a case. */
export interface CaseVerdict {
  readonly verdict: "accept" | "reject";
  readonly code: string | null;
  readonly at: UnixSeconds;
  /** Whose roots were trusted: the vendors' that are built in, or those that the case names. */
  readonly anchors: "built-in" | "case";
  readonly checks: readonly Check[];
  readonly claims: JsonObject | null;
}

function assertRoles({ evidence, endorsements }: CasePart, known: readonly string[], also: readonly string[]): void {
  for (const [roles, names] of [[evidence, known] as const, [endorsements, also] as const]) {
    for (const name of roles.keys()) {
      if (!names.includes(name)) throw new TrisealError("FORMAT_INVALID", `no role \`${name.slice(0, 80)}\` in this kind`);
    }
  }
}

/** @throws TrisealError `FORMAT_INVALID` for roles and policies that the kind does not know. The kind itself must be known. */
export async function judgeCase(question: EvidenceCase): Promise<CaseVerdict> {
  const { kind, evidence, endorsements, policy, at } = question;
  const known = kindOf(kind);
  if (known === null) throw new TrisealError("INTERNAL", "the kind was not looked up");
  assertRoles(question, known.evidenceRoles, known.endorsementRoles);
  const anchors = question.anchors ?? known.roots();
  const { checks, claims } = await known.under(policy)({ evidence, endorsements, anchors, at });
  const code = codeOf(checks);
  return {
    verdict: code === null ? "accept" : "reject",
    code,
    at,
    anchors: question.anchors === null ? "built-in" : "case",
    checks,
    claims,
  };
}
