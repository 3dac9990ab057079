/** Verifies what a key holder said of a run (fhe SPEC 11): offline, with the run's bundle and a trust file. */
import { type Basis, type Check, weaker } from "../core/check.ts";
import type { UnixSeconds } from "../core/time.ts";
import {
  type AppraisedReveal,
  type AppraiseHolder,
  appraiseReveal,
  type RevealClaim,
  type RevealStatement,
} from "../paths/fhe/evidence/appraise-reveal.ts";
import { appraiseHolder, appraiseModel, isUnmet, teeChecklist } from "../paths/tee/evidence/appraise-worker.ts";
import { pathSection, revokedBy, type Trust } from "../trust/trust-file.ts";
import { verifyBundle } from "./index.ts";
import type { Outcome, Verdict } from "./verdict.ts";

/** The answer about a reveal. Only an accepted one has a holder, a statement and claims. */
export interface RevealVerdict {
  readonly outcome: Outcome;
  /** Code of the first failure; where the bundle is refused, that of its verdict. */
  readonly code: string | null;
  /** The key's holder, as the trust file names it. */
  readonly holder: string | null;
  readonly statement: RevealStatement | null;
  readonly checks: readonly Check[];
  readonly claims: readonly RevealClaim[];
  /** The weakest thing that the value rests on, the run's own answer included. */
  readonly basis: Basis | null;
  /** The verdict on the run's bundle. */
  readonly bundle: Verdict;
}

/** Appraises a holder's evidence as that of a worker is, with its configuration in place of models. */
const appraiseByTee: AppraiseHolder = async ({ evidence, section, holder, configuration, at, revoked }) => {
  const checks = teeChecklist();
  const moment = { seconds: at, basis: "assertion" } as const;
  const worker = await appraiseHolder(evidence, { trust: section, revoked, at: moment }, checks);
  if (worker === null) return { checks: checks.all(), shown: null };
  appraiseModel(worker, holder, configuration, revoked, checks);
  const { type, statement, keyset } = worker.evidence;
  const publicKeys = keyset.legKeys.map(({ publicKey }) => publicKey);
  const { nonce, modelDigests: configurations } = statement;
  return { checks: checks.all(), shown: { type, simulated: worker.simulated, nonce, publicKeys, configurations } };
};

/**
 * The verdict on a reveal. Never throws on bad bytes, fetches nothing, reads no clock. It does not show that the engine computed what it
 * signed, nor that the holder's memory of earlier reveals was not set back. An entry of its own (`triseal/verify/reveal`): a page that
 * verifies bundles loads none of it.
 */
export async function verifyReveal(
  reveal: Uint8Array,
  bundle: Uint8Array,
  trust: Trust,
  now: UnixSeconds,
): Promise<RevealVerdict> {
  const nothing = { at: null, request: null, response: null, opening: null, allowPending: false };
  const about = await verifyBundle(bundle, trust, { now, ...nothing });
  const refused = { ...NOTHING, checks: about.checks, bundle: about };
  if (about.outcome !== "accepted") return { ...refused, outcome: about.outcome, code: about.code };
  const service = trust.services.find(({ name }) => name === about.service);
  if (service === undefined) return { ...refused, outcome: "rejected", code: "FHE_KEY_HOLDER_UNKNOWN" };
  const inputs = { bundle, section: pathSection(service, "fhe"), revoked: revokedBy(service), now };
  const found = await appraiseReveal(reveal, { ...inputs, appraiseHolder: appraiseByTee });
  const failure = found.checks.find(isUnmet);
  if (found.statement === null) return { ...NOTHING, outcome: "malformed", ...failureOf(found), bundle: about };
  // What rests on nothing is not accepted: an appraisal without a failure has claims.
  if (failure !== undefined || found.claims.length === 0)
    return { ...NOTHING, outcome: "rejected", ...failureOf(found), bundle: about };
  const answers = [...found.claims, ...about.claims].filter(({ about: what }) => what === "answer");
  const basis = answers.map((claim) => claim.basis).reduce(weaker, "proof");
  return { ...found, outcome: "accepted", code: null, basis, bundle: about };
}

const NOTHING = { holder: null, statement: null, claims: [], basis: null } as const;

function failureOf({ checks }: AppraisedReveal): Pick<RevealVerdict, "code" | "checks"> {
  return { code: checks.find(isUnmet)?.code ?? null, checks };
}
