/** Judges a case: with the roots and the clock that it names, and no others. No code path of `verify`. */

import type { Check } from "../../core/check.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { UnixSeconds } from "../../core/time.ts";
import type { EvidenceAppraisal, EvidenceKind } from "../../paths/tee/evidence/appraisal/appraiser.ts";
import { codeOf } from "../../paths/tee/evidence/appraisal/findings.ts";
import {
  appraiseComposite,
  COMPOSITE,
  type Component,
  CPU,
  parseCompositePolicy,
} from "../../paths/tee/evidence/composite/appraise.ts";
import { kindOf } from "../../paths/tee/evidence/kinds.ts";
import type { CaseKinds, CasePart, EvidenceCase } from "./case-file.ts";

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

function knownKind(name: string): EvidenceKind {
  const known = kindOf(name);
  if (known === null) throw new TrisealError("INTERNAL", "the kind was not looked up");
  return known;
}

/** How one part is appraised, and from what. */
function componentOf(part: CasePart, question: EvidenceCase): Component {
  const known = knownKind(part.kind);
  assertRoles(part, known.evidenceRoles, known.endorsementRoles);
  const { evidence, endorsements } = part;
  const inputs = { evidence, endorsements, anchors: question.anchors ?? known.roots(), at: question.at };
  return { appraise: known.under(part.policy), inputs };
}

/** The appraisal of a case. @throws TrisealError as `judgeCase`. */
export async function appraiseCase(question: EvidenceCase): Promise<EvidenceAppraisal> {
  if (question.kind !== COMPOSITE) {
    if (question.components.size > 0) throw new TrisealError("FORMAT_INVALID", "only a composite has components");
    const { appraise, inputs } = componentOf(question, question);
    return await appraise(inputs);
  }
  if (!question.components.has(CPU)) throw new TrisealError("FORMAT_INVALID", `a composite has a component \`${CPU}\``);
  if (question.endorsements.size > 0) throw new TrisealError("FORMAT_INVALID", "a composite has no endorsements of its own");
  const components = [...question.components].map(([name, part]) => [name, componentOf(part, question)] as const);
  return await appraiseComposite(new Map(components), question.evidence, parseCompositePolicy(question.policy));
}

/** Whether this version appraises all kinds that a case names; else the first that it does not. */
export function unknownKind({ kind, components }: CaseKinds): string | null {
  const names = kind === COMPOSITE ? components : [kind];
  return names.find((name) => kindOf(name) === null) ?? null;
}

/** @throws TrisealError `FORMAT_INVALID` for roles and policies that a kind does not know. All kinds must be known. */
export async function judgeCase(question: EvidenceCase): Promise<CaseVerdict> {
  const { checks, claims } = await appraiseCase(question);
  const code = codeOf(checks);
  const anchors = question.anchors === null ? "built-in" : "case";
  return { verdict: code === null ? "accept" : "reject", code, at: question.at, anchors, checks, claims };
}
