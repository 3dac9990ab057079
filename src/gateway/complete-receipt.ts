/** Brings a leg that a receipt awaits: has its path confirm the answer that left, and logs a supplement with it (receipt/SPEC.md section 3.7). */

import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { canonicalJson } from "../core/jcs.ts";
import { unixSeconds } from "../core/time.ts";
import type { Backend, ConfirmingLeg, PathId } from "../paths/path.ts";
import { type Decision, parseDecision } from "../policy/index.ts";
import { decodeReceipt, eventsOf, type Receipt, signSupplement } from "../receipt/index.ts";
import type { Job } from "../store/index.ts";
import { finalLeg } from "./exchange.ts";
import { logFault } from "./fault.ts";
import { type JobAttempt, shouldRetry, stoppedAs } from "./job.ts";
import type { PendingExchange } from "./ledger-reader.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { parseCall } from "./parse-call.ts";
import { codedError } from "./problem.ts";
import { chosenBackend, isContradiction, type PathRunner } from "./run-paths.ts";
import { parseStoredCall } from "./stored-call.ts";

/** Completes the receipts of one gateway. */
export class ReceiptCompleter {
  private readonly options: GatewayOptions;
  private readonly paths: PathRunner;

  constructor(options: GatewayOptions, paths: PathRunner) {
    this.options = options;
    this.paths = paths;
  }

  /**
   * Does one such job; resolves when its supplement is durable, with null, or with the code for which it never will be: then
   * nothing is logged, and the leg stays pending.
   * @throws TrisealError where it should be tried again.
   */
  async complete(job: Job, signal: AbortSignal, attempt: JobAttempt): Promise<string | null> {
    if (attempt.refusal !== null) return attempt.refusal.code;
    const exchange = await this.options.ledger.pendingExchange(job.leafIndex);
    if (exchange === null) return "JOB_EXPIRED";
    try {
      await this.supplement(job, exchange, signal, attempt);
      return null;
    } catch (error) {
      const coded = stoppedAs(codedError(error), signal);
      if (!isContradiction(coded) && shouldRetry(coded, attempt, this.options.codes)) throw coded;
      logFault(this.options.log, coded, job.id);
      return coded.code;
    }
  }

  private async supplement(job: Job, exchange: PendingExchange, signal: AbortSignal, attempt: JobAttempt): Promise<void> {
    const parent = decodeReceipt(exchange.receipt);
    // First, so that no proof is made that nobody could sign for.
    const signer = await this.options.receiptSigner(parent.key_id);
    if (signer === null) throw new TrisealError("KEY_UNKNOWN", "the key that signed the receipt was revoked, or is gone");
    const leg = await this.confirm(job, parent, exchange, signal, attempt);
    const { receiptId, tenant, keyHash } = job;
    const legs = [finalLeg(job.path, awaitedSealer(parent, job.path), leg)];
    // A clock that stepped back must not date it before its parent.
    const servedAt = unixSeconds(Math.max(this.options.clock(), parent.served_at));
    const receipt = signSupplement(parent, { receiptId, legs, servedAt }, signer);
    const blobs = [leg.bytes, ...(leg.blobs ?? [])];
    await this.options.ledger.logSupplement({ receipt, blobs, tenant, keyHash, parentId: parent.receipt_id });
  }

  private confirm(
    { path, keyHash, id }: Job,
    parent: Receipt,
    { decision: decisionBytes, call, response, pending }: PendingExchange,
    signal: AbortSignal,
    { progress }: JobAttempt,
  ): Promise<ConfirmingLeg> {
    const decision = parseDecision(decisionBytes);
    const model = this.modelOf(decision);
    assertSameBackend(this.paths.pathOf(path).backends(model), decision, path);
    const caller = { tenant: { id: "", tier: null, jurisdiction: null }, keyHash };
    const parsed = parseCall({ ...parseStoredCall(call), caller }, this.options);
    const [answered] = eventsOf(parent, "leg.sealed");
    const about = { job_id: id, receipt_id: parent.receipt_id };
    const of = { answeredBy: answered?.path ?? "", response, states: pending.states, about };
    const made = { decision, decisionDigest: digestOf(decisionBytes) };
    return this.paths.confirm({ parsed, model, made }, path, of, { signal, progress });
  }

  /** The model that was decided on. @throws TrisealError `MODEL_UNKNOWN` where this gateway has it no more. */
  private modelOf({ facts }: Decision): CatalogModel {
    const fact = (name: string) => facts.find((known) => known.name === name)?.value;
    const [name, digest] = [fact("model.name"), fact("model.digest")];
    const model = this.options.models.find((candidate) => candidate.name === name && candidate.digest === digest);
    if (model === undefined) throw new TrisealError("MODEL_UNKNOWN", "the model that was decided on is served no more");
    return model;
  }
}

/** Who sealed, as the receipt says of the leg that it awaits. */
function awaitedSealer(parent: Receipt, path: PathId): "caller" | "gateway" {
  return eventsOf(parent, "leg.sealed").find((leg) => leg.path === path)?.sealed_by ?? "gateway";
}

/**
 * The decision stands in the receipt with what evidence showed of its backend then. An auditor refuses a leg of another one.
 * @throws TrisealError `PATH_UNAVAILABLE`.
 */
function assertSameBackend(backends: readonly Backend[], decision: Decision, path: PathId): void {
  const { backendId } = chosenBackend(decision, path);
  const decided = decision.candidates.find((candidate) => candidate.id === backendId && candidate.path === path);
  const shown = (facts: Backend["facts"], prefix: string) =>
    canonicalJson(
      facts
        .filter(({ name, origin }) => origin === "evidence" && name !== `${prefix}evidence_age_seconds`)
        .map(({ name, value }) => [name.slice(prefix.length), value] as const)
        .sort(([left], [right]) => (left < right ? -1 : 1)),
    );
  const now = backends.find(({ id }) => id === backendId);
  const same =
    now !== undefined && decided !== undefined && shown(now.facts, "") === shown(decided.facts as Backend["facts"], "backend.");
  if (!same)
    throw new TrisealError("PATH_UNAVAILABLE", "the backend that policy decided on is not there, or shows something else");
}
