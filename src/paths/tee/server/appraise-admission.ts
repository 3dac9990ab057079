/** The gateway's side of an appraisal: a worker is judged under the operator's trust section and under a fresh nonce. */

import type { JsonObject } from "../../../core/json.ts";
import type { Clock } from "../../../core/time.ts";
import { unixSeconds } from "../../../core/time.ts";
import type { BackendFact, RevokedSet } from "../../path.ts";
import { appraiseWorker, isUnmet, liveMoment, teeChecklist } from "../evidence/appraise-worker.ts";
import type { AppraiseWorker } from "./admission.ts";

/** What admissions are judged by. */
export interface AdmissionTrust {
  /** The `paths.tee` section of the trust file that the operator gives the gateway, and what that file withdrew. Read at each appraisal. */
  readonly trusted: () => { readonly section: JsonObject | null; readonly revoked: RevokedSet };
  readonly clock: Clock;
}

/** Appraises evidence packages as they come from workers: every check must pass, and the nonce must be the one asked with. */
export function createAdmissionAppraisal(trust: AdmissionTrust): AppraiseWorker {
  return async (packageBytes, nonce) => {
    const checks = teeChecklist();
    const { section, revoked } = trust.trusted();
    const inputs = { trust: section, revoked, at: liveMoment(trust.clock()) };
    const worker = await appraiseWorker(packageBytes, inputs, checks);
    const failed = checks.all().find(isUnmet);
    if (failed !== undefined || worker === null) {
      return {
        ok: false,
        code: failed?.code ?? "EVIDENCE_MALFORMED",
        reason: failed?.message ?? "the evidence could not be read",
      };
    }
    if (worker.evidence.statement.nonce !== nonce) {
      return { ok: false, code: "EVIDENCE_NONCE_MISMATCH", reason: "the evidence answers another challenge" };
    }
    const facts = Object.entries(worker.facts).map(([name, value]): BackendFact => ({ name, origin: "evidence", value }));
    return { ok: true, facts, expiresAt: unixSeconds(worker.evidence.keyset.notAfter) };
  };
}
