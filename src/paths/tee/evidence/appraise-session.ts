/** The caller's side of an appraisal: a session is judged before the first byte is sealed to it. */
import type { Check } from "../../../core/check.ts";
import { decodeSession } from "../../../receipt/session.ts";
import type { PathClient } from "../../path.ts";
import { appraiseSessionClaims, appraiseWorker, isUnmet, teeChecklist } from "./appraise-worker.ts";

/**
 * Appraises the worker behind a session document: all checks of its evidence at the caller's own clock. The session's
 * id, its period and its log proof are the caller's to check.
 */
export const appraiseSession: PathClient["appraiseSession"] = async (document, inputs): Promise<readonly Check[]> => {
  const checks = teeChecklist();
  const session = checks.attempt("evidence.readable", "assertion", () => decodeSession(document));
  const worker = session === null ? null : await appraiseWorker(session.evidenceBytes, inputs, checks);
  if (session !== null && worker !== null) appraiseSessionClaims(session.document, worker, checks);
  // The caller asks whether to seal to it: what the trust file does not ask for is no answer. An auditor's verdict lists it.
  return checks.all().filter((check) => check.status !== "skipped" || isUnmet(check));
};
