/** Checks times against each other: what was decided, served, witnessed and judged must follow in that order. */
import { unixSeconds } from "../core/time.ts";
import type { AttestedSession } from "../receipt/session.ts";
import { CLOCK_LAG_SECONDS, type Moment, type VerifyContext } from "./context.ts";
import type { VerifiedDecision } from "./verify-policy.ts";

/** Moments of one receipt. Logged moments are those of trusted witnesses; null where none saw the document. */
export interface ReceiptTimes {
  readonly decision: VerifiedDecision | null;
  readonly session: AttestedSession | null;
  readonly logged: Moment | null;
  readonly policyLogged: Moment | null;
  readonly sessionLogged: Moment | null;
}

/** Records whether the times of a receipt and of what it cites are in order. */
export function verifyTimes(times: ReceiptTimes, context: VerifyContext): void {
  expectServed(times, context);
  expectSeen(times, context);
  expectFreshEvidence(times, context);
}

function expectServed({ decision, logged }: ReceiptTimes, context: VerifyContext): void {
  const served = context.bundle.receipt.served_at;
  const decided = decision?.decision.at ?? served;
  const witnessed = logged?.seconds ?? unixSeconds(served);
  const { now } = context.options;
  const ordered = decided <= served && served <= witnessed + CLOCK_LAG_SECONDS && witnessed <= now + CLOCK_LAG_SECONDS;
  const detail = `decided ${decided}, served ${served}, witnessed ${witnessed}, now ${now}`;
  context.checks.expect("log.time", ordered, logged?.basis ?? "assertion", detail);
}

/** No witness saw a cited document after now, and none saw a session before it was established. */
function expectSeen({ session, policyLogged, sessionLogged }: ReceiptTimes, context: VerifyContext): void {
  const latest = context.options.now + CLOCK_LAG_SECONDS;
  const ordered =
    [policyLogged, sessionLogged].every((moment) => moment === null || moment.seconds <= latest) &&
    (session === null || sessionLogged === null || session.established_at <= sessionLogged.seconds + CLOCK_LAG_SECONDS);
  if (!ordered) context.checks.expect("log.time", false, "signature", "session or policy statement");
}

/**
 * The age that policy allows is measured between witnesses: from the first cosignature over the session to that over the
 * receipt. The operator's own times bound it only where no witness is trusted.
 */
function expectFreshEvidence({ decision, session, logged, sessionLogged }: ReceiptTimes, context: VerifyContext): void {
  const allowed = decision?.decision.obligations?.maxEvidenceAgeSeconds ?? null;
  if (allowed === null || session === null) return;
  const from = sessionLogged?.seconds ?? session.established_at;
  const to = logged?.seconds ?? context.bundle.receipt.served_at;
  const basis = sessionLogged === null || logged === null ? "assertion" : "signature";
  context.checks.expect("session.age", to - from <= allowed + CLOCK_LAG_SECONDS, basis, `${to - from} s of ${allowed} s`);
}
