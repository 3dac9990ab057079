/** Appraises the earlier statement that a decision rests on, and compares it with what policy was told (receipt/SPEC.md section 3.10). */
import { canonicalJson } from "../core/jcs.ts";
import type { JsonObject } from "../core/json.ts";
import type { Appraiser, LegClaims, RevokedSet } from "../paths/path.ts";
import { pathSection, type TrustedService } from "../trust/trust-file.ts";
import type { Moment, VerifyContext } from "./context.ts";
import { tenantIn, waivePathEntries } from "./verify-legs.ts";
import type { VerifiedDecision } from "./verify-policy.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** What a cited statement is judged with. */
export interface StatementInputs {
  readonly appraisers: readonly Appraiser[];
  readonly service: TrustedService;
  readonly story: ReceiptStory;
  readonly decision: VerifiedDecision | null;
  readonly at: Moment;
  readonly revoked: RevokedSet;
}

/** Checks the cited statement, and that policy was told what it shows and nothing else. */
export async function verifyStatement(inputs: StatementInputs, context: VerifyContext): Promise<void> {
  const facts = inputs.decision?.decision.facts ?? [];
  const value = (name: string) => facts.find((fact) => fact.name === name)?.value;
  const claims = inputs.story.statement === null ? null : await appraiseStatement(inputs.story.statement, inputs, context);
  if (inputs.decision === null) return;
  const { checks } = context;
  const cited = value("request.statement");
  const isThere = cited === undefined ? inputs.story.statement === null : claims !== null;
  const sameReceipt = inputs.story.statement === null || inputs.story.statement.receipt_id === cited;
  checks.expect("statement.cited", isThere && sameReceipt, "signature");
  if (claims !== null) checks.expect("statement.tenant", claims.tenant === value("tenant.id"), "signature");
  const told = facts.filter(({ name, origin }) => origin === "evidence" && name.startsWith("request."));
  const shown = Object.fromEntries(told.map((fact) => [fact.name.slice("request.".length), fact.value])) as JsonObject;
  const same = canonicalJson(shown) === canonicalJson({ ...claims?.requestFacts });
  checks.expect("decision.statement", same, "signature", told.map(({ name }) => name).join(", "));
}

async function appraiseStatement(
  cited: NonNullable<ReceiptStory["statement"]>,
  { appraisers, service, decision, at, revoked }: StatementInputs,
  context: VerifyContext,
): Promise<LegClaims | null> {
  const appraiser = appraisers.find(({ path, legMediaType }) => path === cited.path && legMediaType === cited.leg_media_type);
  const leg = context.blob(cited.leg_digest);
  context.blob(cited.evidence_digest);
  if (appraiser === undefined || leg === null) return null;
  const section = pathSection(service, cited.path);
  const { claims, checks } = await appraiser.appraise(leg, {
    trust: section,
    revoked,
    model: null,
    tenant: tenantIn(decision),
    session: null,
    programs: context.options.programs?.get(cited.path) ?? new Map(),
    blob: (digest) => context.blob(digest),
    at,
    answeredAt: at,
    now: context.options.now,
  });
  waivePathEntries(cited.path, section, context);
  context.addPathChecks(checks, appraiser.optionalChecks);
  const isShown =
    claims?.requestFacts !== undefined &&
    claims.evidence.digest === cited.evidence_digest &&
    claims.evidence.mediaType === cited.evidence_media_type;
  if (!isShown) return null;
  context.claims.push({
    about: "policy",
    text: `the decision rests on an earlier statement: ${claims.correctness.text}`,
    basis: claims.correctness.basis,
  });
  return claims;
}
