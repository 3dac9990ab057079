/** One bundle, judged step by step: what `verifyBundle` does. */

import type { Basis, Check, CheckRow, CheckTable } from "../core/check.ts";
import { digestFromHex } from "../core/digest.ts";
import { holdsUntil } from "../core/time.ts";
import type { Appraiser } from "../paths/path.ts";
import { type Bundle, isOtherBundleVersion, parseBundle } from "../receipt/bundle.ts";
import { receiptDigest, receiptKey } from "../receipt/index.ts";
import { revokedBy, type Trust, type TrustedService } from "../trust/trust-file.ts";
import { verifyChecks } from "./check-table.ts";
import { claimsOfAnswer, claimsOfRefusal } from "./claims.ts";
import { type Moment, VerifyContext } from "./context.ts";
import { selectService } from "./select-service.ts";
import type { Outcome, Verdict, VerifyOptions } from "./verdict.ts";
import { verifyExchange } from "./verify-exchange.ts";
import { readSession, type VerifiedLeg, verifyLegs } from "./verify-legs.ts";
import { type Logged, logOrigin, verifyLogged, verifyLogOrder } from "./verify-log.ts";
import { verifyOpening } from "./verify-opening.ts";
import { type VerifiedDecision, verifyPolicy } from "./verify-policy.ts";
import { type ReceiptStory, readStory, verifyGateway, verifySignedReceipt } from "./verify-receipt.ts";
import { verifyStatement } from "./verify-statement.ts";
import { verifySupplements } from "./verify-supplements.ts";
import { verifyTimes } from "./verify-time.ts";

/**
 * The verdict on one bundle. Internal to this folder: `createBundleVerifier` is the way in, and disables nothing.
 * @param dangerouslyDisabled ids of checks whose failures are forgotten, so that the suite can show that each is needed.
 */
export async function judgeBundle(
  appraisers: readonly Appraiser[],
  bytes: Uint8Array,
  trust: Trust,
  options: VerifyOptions,
  dangerouslyDisabled: ReadonlySet<string>,
): Promise<Verdict> {
  let bundle: Bundle;
  try {
    bundle = parseBundle(bytes);
  } catch (error) {
    return unreadable(bytes, error);
  }
  const context = new VerifyContext(bundle, options, dangerouslyDisabled);
  try {
    const judged = await verifyParsed(appraisers, trust, context);
    return verdict(context, judged.service, judged.at);
  } catch (error) {
    // Every reader above turns bad bytes into a failed check; should one not, the answer is a refusal all the same.
    context.checks.expect("bundle.verifiable", false, "assertion", error instanceof Error ? error.name : "unknown");
    return verdict(context, null, null);
  }
}

function unreadable(bytes: Uint8Array, error: unknown): Verdict {
  const message = error instanceof Error ? error.message : "unreadable";
  const other = isOtherBundleVersion(bytes);
  const code = other ? "BUNDLE_VERSION_UNSUPPORTED" : "BUNDLE_MALFORMED";
  const check: Check = { id: "bundle.well-formed", status: "fail", basis: "assertion", code, message, spec: "SPEC 2" };
  return {
    outcome: other ? "unsupported" : "malformed",
    code,
    service: null,
    receiptId: null,
    checks: [check],
    claims: [],
    waivers: [],
    notes: [],
    judgedAt: null,
  };
}

interface Judged {
  readonly service: TrustedService | null;
  readonly at: Moment | null;
}

async function verifyParsed(appraisers: readonly Appraiser[], trust: Trust, context: VerifyContext): Promise<Judged> {
  const { receipt, keyset } = context.bundle;
  context.checks.expect("bundle.well-formed", true, "assertion");
  const key = receiptKey(keyset, receipt.key_id) ?? "none";
  verifySignedReceipt(key, context);
  const service = selectService(trust, { receiptKey: key, logOrigin: logOrigin(receiptDigest(receipt), context) }, context);
  const story = readStory(receipt, context);
  if (service === null || story === null) return { service, at: null };
  return { service, at: await verifyStory(appraisers, service, key, story, context) };
}

async function verifyStory(
  appraisers: readonly Appraiser[],
  service: TrustedService,
  receiptKeyHex: string,
  story: ReceiptStory,
  context: VerifyContext,
): Promise<Moment> {
  const revoked = revokedBy(service);
  const { receipt } = context.bundle;
  const receiptLogged = verifyLogged("log.receipt", "receipt", receiptDigest(receipt), service, revoked, context);
  const logged = receiptLogged?.moment ?? null;
  const at = chosen(context) ?? logged ?? { seconds: receipt.served_at, basis: "assertion" as Basis };
  verifyGateway(service, receiptKeyHex, story, at, revoked, context);
  const decision = await verifyPolicy(story, service, at, revoked, context);
  await verifyStatement({ appraisers, service, story, decision, at, revoked }, context);
  const policyLogged =
    story.policy === null ? null : verifyLogged("log.policy", "policy", story.policy.statement_digest, service, revoked, context);
  const session = readSession(story, context);
  let evidenceAt = at;
  let sessionLogged: Logged | null = null;
  if (session !== null) {
    sessionLogged = verifyLogged("log.session", "session", digestFromHex(session.id), service, revoked, context);
    evidenceAt = chosen(context) ?? sessionLogged?.moment ?? { seconds: session.established_at, basis: "assertion" };
    const served = receipt.served_at >= session.established_at && holdsUntil(session.expires_at, receipt.served_at);
    context.checks.expect("session.window", served, "assertion", "served_at is the operator's");
  }
  verifyLogOrder(receiptLogged, [policyLogged, sessionLogged], context);
  const moments = { logged, policyLogged: policyLogged?.moment ?? null, sessionLogged: sessionLogged?.moment ?? null };
  verifyTimes({ decision, session, ...moments }, context);
  const completed = verifySupplements({ service, revoked, receiptKey: receiptKeyHex, story, receiptLogged }, context);
  const legInputs = { appraisers, service, story, completed, decision, session, evidenceAt, answeredAt: at, revoked };
  const legs = await verifyLegs(legInputs, context);
  expectUpstream(appraisers, story, decision, context);
  verifyExchange(story, legs, context);
  await verifyOpening(story, legs, context);
  const unused = context.unusedParts();
  context.checks.expect("bundle.all-used", unused.length === 0, "assertion", unused[0] ?? "");
  addClaims(story, decision, legs, logged, context);
  return at;
}

/** The moment that the auditor typed, if one was. */
function chosen(context: VerifyContext): Moment | null {
  return context.options.at === null ? null : { seconds: context.options.at, basis: "assertion" };
}

/** `upstream.verified` must be there, and `required` and `verified`, exactly when a required path has an attested upstream (ACI section 7.5). */
function expectUpstream(
  appraisers: readonly Appraiser[],
  story: ReceiptStory,
  decision: VerifiedDecision | null,
  context: VerifyContext,
): void {
  // Without the decision there is nothing to compare with; `policy.readable` has failed then.
  if (story.policy !== null && decision === null) return;
  const paths = decision?.decision.obligations?.all ?? [];
  const attested = paths.some((path) => appraisers.some((appraiser) => appraiser.path === path && appraiser.attestedUpstream));
  const said = story.upstream?.required ?? false;
  const answered = story.refused === null;
  // Where no path of the answer has an attested upstream, nobody appraises a session, and none may be called verified.
  const consistent = said === attested && (!answered || (story.upstream?.result === "verified") === attested);
  if (!consistent) context.checks.expect("receipt.events", false, "signature", "upstream.verified does not fit the obligations");
}

function addClaims(
  story: ReceiptStory,
  decision: VerifiedDecision | null,
  legs: readonly VerifiedLeg[],
  logged: Moment | null,
  context: VerifyContext,
): void {
  const claims =
    story.refused === null
      ? claimsOfAnswer(story, decision, legs, logged, context)
      : claimsOfRefusal(story, decision, logged, context);
  context.claims.push(...claims);
}

function outcomeOf(failure: Check | undefined): Outcome {
  if (failure === undefined) return "accepted";
  return failure.code === "LEG_UNSUPPORTED" || failure.code === "EVIDENCE_UNSUPPORTED" ? "unsupported" : "rejected";
}

function verdict(context: VerifyContext, service: TrustedService | null, at: Moment | null): Verdict {
  const checks = [...context.checks.all(), ...context.pathChecks];
  const failure =
    checks.find((check) => check.status === "fail") ??
    checks.find((check) => check.status === "skipped" && !isOptional(check, context));
  const outcome = outcomeOf(failure);
  return {
    outcome,
    code: failure?.code ?? null,
    service: service?.name ?? null,
    receiptId: context.bundle.receipt.receipt_id,
    checks,
    claims: outcome === "accepted" ? context.claims : [],
    waivers: context.waivers,
    notes: context.notes,
    judgedAt: at === null ? null : { seconds: at.seconds, basis: at.basis, chosenByYou: context.options.at !== null },
  };
}

/** Only what the tables mark as optional (SPEC section 5.4) may be skipped. */
function isOptional(check: Check, context: VerifyContext): boolean {
  const row: CheckRow | undefined = Object.hasOwn(verifyChecks, check.id) ? (verifyChecks as CheckTable)[check.id] : undefined;
  return row === undefined ? context.mayPathSkip(check.id) : row.optional === true;
}
