/** What the appraisal of any leg begins with that is about a document which a caller submitted. */
import { Checklist } from "../../../core/check.ts";
import type { AppraisalInputs } from "../../path.ts";
import { parseSubmittedLeg, type SubmittedLeg } from "../wire/submitted-leg.ts";
import { zkChecks } from "./check-table.ts";
import { blobOf, type ZkChecklist } from "./proven-statement.ts";
import { parseZkTrust, type ZkTrust } from "./trust-section.ts";

/** What could be read, and the checks that say so. */
export interface Submission<Document> {
  readonly checks: ZkChecklist;
  /** Null where the section cannot be read. */
  readonly trust: ZkTrust | null;
  /** Null where leg or document cannot be read. */
  readonly read: { readonly leg: SubmittedLeg; readonly document: Document } | null;
}

/**
 * Reads trust section, leg, and the document in the bundle that the leg names. Verifies nothing of them.
 * @param context the kind of context that the document's proof is bound to.
 * @param parse throws where the document is malformed.
 */
export function readSubmission<Document>(
  context: string,
  bytes: Uint8Array,
  inputs: AppraisalInputs,
  parse: (document: Uint8Array) => Document,
): Submission<Document> {
  const checks: ZkChecklist = new Checklist(zkChecks);
  const trust = checks.attempt("zk.section-readable", "assertion", () => parseZkTrust(inputs.trust));
  if (trust !== null) checks.expect("zk.section-readable", true, "assertion");
  const leg = checks.attempt("zk.leg-readable", "assertion", () => parseSubmittedLeg(context, bytes));
  if (leg === null) return { checks, trust, read: null };
  checks.expect("zk.leg-readable", true, "assertion");
  const document = checks.attempt("zk.submission-readable", "assertion", () => parse(blobOf(inputs, leg.requestDigest)));
  if (document === null) {
    // Cited all the same.
    for (const cited of [leg.keyDigest, leg.setupDigest]) inputs.blob(cited);
    return { checks, trust, read: null };
  }
  checks.expect("zk.submission-readable", true, "assertion");
  return { checks, trust, read: { leg, document } };
}
