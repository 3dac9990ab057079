/** Appraises a worker's evidence package against a trust section: RATS Verifier of the tee path, without the leg. */
import { encodeHex } from "../../../core/bytes.ts";
import { type Check, Checklist } from "../../../core/check.ts";
import type { Sha256Digest } from "../../../core/digest.ts";
import { canonicalJson } from "../../../core/jcs.ts";
import type { JsonObject } from "../../../core/json.ts";
import { holdsUntil, type UnixSeconds } from "../../../core/time.ts";
import type { AppraisalInputs, RevokedSet } from "../../path.ts";
import {
  parseHolderEvidence,
  parseWorkerEvidence,
  type WorkerEvidence,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../wire/keyset.ts";
import { CLAIM_NAMES, sessionPartsOf } from "../wire/session-parts.ts";
import { parseSimulatedEvidence, SIMULATED_TYPE, verifySimulatedEvidence } from "../wire/simulated.ts";
import { teeChecks } from "./check-table.ts";
import { waivableChecks } from "./leg-kind.ts";
import { appraisePlatform } from "./platform/appraise-platform.ts";
import { platformKinds } from "./platform/platform-kinds.ts";
import { parseTeeTrust, type TeeTrust } from "./trust-section.ts";

/** Checks of the tee path, with those of hardware evidence before them. */
export class TeeChecklist extends Checklist<typeof teeChecks> {
  private readonly hardware: Check[] = [];

  /** Takes over the checks of hardware evidence. */
  addHardware(checks: readonly Check[]): void {
    this.hardware.push(...checks);
  }

  override all(): readonly Check[] {
    return [...this.hardware, ...super.all()];
  }
}

/** Whether a check stands in the way of relying on a worker: it failed, or was not made and should have been. */
export function isUnmet({ id, status }: Check): boolean {
  return status === "fail" || (status === "skipped" && !waivableChecks.has(id));
}

/** What an appraisal of a worker needs. All members are required. */
export interface WorkerAppraisalInputs {
  readonly trust: JsonObject | null;
  readonly revoked: RevokedSet;
  readonly at: AppraisalInputs["at"];
}

/** A worker whose evidence could be read. Whether it may be relied on, the checks say. */
export interface AppraisedWorker {
  readonly evidence: WorkerEvidence;
  readonly keysetDigest: Sha256Digest;
  readonly trust: TeeTrust;
  /** Whether no hardware vouches for it. */
  readonly simulated: boolean;
  /** Facts for policies, by name under `backend.`. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Appraises one evidence package into `checks`. Returns null where it cannot be read.
 * Does not check freshness of the nonce: only who asked for the evidence can; does not look at any leg.
 */
export async function appraiseWorker(
  packageBytes: Uint8Array,
  inputs: WorkerAppraisalInputs,
  checks: TeeChecklist,
): Promise<AppraisedWorker | null> {
  return await appraiseEvidence(() => parseWorkerEvidence(packageBytes), inputs, checks);
}

/** Appraises the evidence package of a key holder, as `appraiseWorker` does; its configuration stands in place of models. */
export async function appraiseHolder(
  packageBytes: Uint8Array,
  inputs: WorkerAppraisalInputs,
  checks: TeeChecklist,
): Promise<AppraisedWorker | null> {
  return await appraiseEvidence(() => parseHolderEvidence(packageBytes), inputs, checks);
}

async function appraiseEvidence(
  read: () => WorkerEvidence,
  inputs: WorkerAppraisalInputs,
  checks: TeeChecklist,
): Promise<AppraisedWorker | null> {
  const trust = checks.attempt("trust.section-readable", "assertion", () => parseTeeTrust(inputs.trust));
  const evidence = checks.attempt("evidence.readable", "assertion", read);
  if (trust !== null) checks.expect("trust.section-readable", true, "assertion");
  if (evidence === null || trust === null) return null;
  checks.expect("evidence.readable", true, "assertion");
  const keysetDigest = workerKeysetDigest(evidence.keyset);
  const { statement } = evidence;
  checks.expect("evidence.keyset-bound", statement.keysetDigest === keysetDigest, "signature");
  const isBare = evidence.type === SIMULATED_TYPE;
  const kind = platformKinds.get(evidence.type);
  const supported = isBare || kind?.part === "cpu";
  const simulated = isBare || kind?.simulated === true;
  checks.expect("evidence.supported", supported, "assertion", `evidence type ${evidence.type}`);
  if (simulated) checks.expect("evidence.type-accepted", isNamed(evidence, trust), "assertion", NOT_HARDWARE);
  if (isBare) appraiseSimulated(evidence, trust, inputs.revoked, checks);
  const shown = supported && !isBare ? await appraiseHardware(evidence, trust, inputs, checks) : {};
  appraiseFiles(evidence, trust, inputs.revoked, checks);
  checks.expect("evidence.keyset-current", holdsUntil(evidence.keyset.notAfter, inputs.at.seconds), inputs.at.basis);
  return { evidence, keysetDigest, trust, simulated, facts: { evidence_type: evidence.type, simulated, ...shown } };
}

const NOT_HARDWARE = "simulated evidence proves nothing about hardware";

/** Whether the trust file names this type of simulated evidence: it is a type of its own, and counts as no other. */
function isNamed({ type }: WorkerEvidence, trust: TeeTrust): boolean {
  return type === SIMULATED_TYPE ? trust.simulated.length > 0 : trust.platforms.accepted.has(type);
}

/** Hardware evidence: judged by the appraisers of its kinds, as the trust file's entries for them say. Returns facts for policies. */
async function appraiseHardware(
  evidence: WorkerEvidence,
  { platforms }: TeeTrust,
  { at, revoked }: WorkerAppraisalInputs,
  checks: TeeChecklist,
): Promise<AppraisedWorker["facts"]> {
  const { unnamed, unknownDevices, withdrawn, enrollers, facts, ...found } = await appraisePlatform(
    evidence,
    platforms,
    at.seconds,
  );
  checks.addHardware(found.checks);
  checks.expect("evidence.platform-trusted", unnamed.length === 0, "assertion", `types: ${unnamed.join(", ") || "named"}`);
  checks.expect("evidence.platform-trusted", unknownDevices.length === 0, "assertion", unknownDevices.join(", "));
  const isRevoked = enrollers.some((key) => revoked.keys.has(key));
  checks.expect("evidence.platform-not-revoked", !isRevoked, "assertion", `${enrollers.length} enrollers`);
  checks.expect("evidence.worker-not-revoked", withdrawn.length === 0, "assertion", "registers and devices");
  return facts;
}

/** Simulated evidence: a key that the trust file names stands in for hardware. It proves who ran the simulation, no more. */
function appraiseSimulated(evidence: WorkerEvidence, trust: TeeTrust, revoked: RevokedSet, checks: TeeChecklist): void {
  const simulated = checks.attempt("evidence.readable", "assertion", () => parseSimulatedEvidence(evidence.evidence));
  if (simulated === null) return;
  const known = trust.simulated.some((entry) => entry.platformKeys.includes(simulated.platformKey));
  checks.expect("evidence.platform-trusted", known, "assertion");
  checks.expect("evidence.platform-not-revoked", !revoked.keys.has(simulated.platformKey), "assertion");
  checks.expect("evidence.signature", verifySimulatedEvidence(simulated), "signature");
  checks.expect("evidence.report-data", simulated.reportData === encodeHex(workerReportData(evidence.statement)), "signature");
  checks.expect("evidence.files-bound", simulated.measurement === evidence.statement.workerDigest, "signature", "measurement");
}

function appraiseFiles(evidence: WorkerEvidence, trust: TeeTrust, revoked: RevokedSet, checks: TeeChecklist): void {
  const { workerDigest } = evidence.statement;
  checks.expect("evidence.files-bound", workerFilesDigest(evidence.files) === workerDigest, "signature", "list of files");
  const accepted = "accept" in trust.workers || trust.workers.some((entry) => entry.digest === workerDigest);
  checks.expect(
    "evidence.worker-accepted",
    accepted,
    "assertion",
    "accept" in trust.workers ? "any, by the trust file" : workerDigest,
  );
  checks.expect("evidence.worker-not-revoked", !revoked.measurements.has(workerDigest), "assertion");
}

/**
 * Records whether a session document repeats what its evidence shows: identity, channel binding and raw facts. Simulated
 * evidence founds no typed claim, and this version knows no other.
 */
export function appraiseSessionClaims(session: JsonObject, worker: AppraisedWorker, checks: TeeChecklist): void {
  const { identity, channelBinding, extra } = sessionPartsOf(worker.evidence);
  const claims = session["claims"];
  const derived = { identity, channel_binding: channelBinding, claims: { ...UNKNOWN_CLAIMS, extra } };
  const stated = {
    identity: session["identity"] ?? null,
    channel_binding: session["channel_binding"] ?? null,
    claims: claims ?? null,
  };
  checks.expect("evidence.session-faithful", canonicalJson(stated) === canonicalJson(derived), "signature");
}

const UNKNOWN_CLAIMS: JsonObject = Object.fromEntries(CLAIM_NAMES.map((name) => [name, { status: "unknown" }]));

/** Records whether the model of that name may be relied on with that digest. */
export function appraiseModel(
  worker: AppraisedWorker,
  name: string | null,
  model: Sha256Digest,
  revoked: RevokedSet,
  checks: TeeChecklist,
): void {
  const { models } = worker.trust;
  const accepted = "accept" in models || models.some((entry) => entry.name === name && entry.digest === model);
  checks.expect("evidence.model-accepted", accepted, "assertion", "accept" in models ? "any, by the trust file" : model);
  checks.expect("evidence.model-not-revoked", !revoked.measurements.has(model), "assertion");
}

/** A new, empty list of tee checks. */
export function teeChecklist(): TeeChecklist {
  return new TeeChecklist(teeChecks);
}

/** The moment of an appraisal as the caller of a live service makes it: the caller's own clock. */
export function liveMoment(now: UnixSeconds): AppraisalInputs["at"] {
  return { seconds: now, basis: "assertion" };
}
