/** Appraises a worker's hardware evidence: its CPU, the devices beside it, and that all of it is about one statement (EVIDENCE.md section 7). */
import { encodeHex } from "../../../../core/bytes.ts";
import type { Check } from "../../../../core/check.ts";
import { digestHex, digestOfJson } from "../../../../core/digest.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import { type WorkerEvidence, workerReportData } from "../../wire/keyset.ts";
import {
  deviceEvidenceDigest,
  type PlatformEvidence,
  type PlatformRoles,
  parsePlatformEvidence,
} from "../../wire/platform-evidence.ts";
import type { EvidenceAppraisal, EvidenceKind } from "../appraisal/appraiser.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import { Findings } from "../appraisal/findings.ts";
import type { Bound } from "./platform-kinds.ts";
import type { AcceptedPlatform, PlatformTrust } from "./platform-trust.ts";

/** What the appraisal of hardware evidence found. */
export interface AppraisedPlatform {
  readonly checks: readonly Check[];
  /** Types that stand in the evidence and that the trust file does not name in their place. */
  readonly unnamed: readonly string[];
  /** Names of devices that the trust file does not name. */
  readonly unknownDevices: readonly string[];
  /** Values of registers and names of devices that were withdrawn. */
  readonly withdrawn: readonly string[];
  /** Keys that vouch for a part in a vendor's place. */
  readonly enrollers: readonly string[];
  /** Facts for policies beside the type. */
  readonly facts: Readonly<Record<string, string | number>>;
}

interface Part {
  readonly name: string;
  readonly type: string;
  readonly place: "cpu" | "device";
  readonly evidence: PlatformRoles;
  readonly endorsements: PlatformRoles;
}

function partsOf(type: string, { evidence, endorsements, devices }: PlatformEvidence): readonly Part[] {
  const beside = devices.map(
    (device, index): Part => ({ ...device, name: `device ${index}`, type: device.kind, place: "device" }),
  );
  return [{ name: "cpu", type, place: "cpu", evidence, endorsements }, ...beside];
}

function hasKnownRoles(part: Part, kind: EvidenceKind): true {
  const isKnown =
    [...part.evidence.keys()].every((role) => kind.evidenceRoles.includes(role)) &&
    [...part.endorsements.keys()].every((role) => kind.endorsementRoles.includes(role));
  return isKnown || malformed(`${part.name}: a role that evidence of this type does not have`);
}

/** One part as it was appraised under its trust entry. */
interface JudgedPart {
  readonly part: Part;
  readonly accepted: AcceptedPlatform;
  readonly appraisal: EvidenceAppraisal;
  readonly ids: readonly string[];
}

async function judgePart(part: Part, accepted: AcceptedPlatform, bound: Bound, at: UnixSeconds): Promise<JudgedPart> {
  const { kind, policy, anchors } = accepted;
  const appraise = kind.of.under({ ...policy, ...kind.bind(bound) });
  const appraisal = await appraise({ evidence: part.evidence, endorsements: part.endorsements, anchors, at });
  return { part, accepted, appraisal, ids: kind.deviceIds(appraisal, part.evidence) };
}

/** Values of the registers that some reference value names. */
function measuredOf({ accepted, appraisal }: JudgedPart): readonly string[] {
  const { claims } = appraisal;
  if (claims === null) return [];
  return Object.keys(claims)
    .flatMap((name) => accepted.kind.measured(claims, name) ?? [])
    .concat(Array.from({ length: 32 }, (_, index) => accepted.kind.measured(claims, `${index}`) ?? []).flat());
}

/** One whole set must be there: registers of two accepted images make no accepted image. */
function hasWholeSet({ accepted, appraisal }: JudgedPart): boolean {
  const { claims } = appraisal;
  const { measurements, kind } = accepted;
  if (measurements === null) return true;
  return claims !== null && measurements.some((set) => [...set].every(([name, value]) => kind.measured(claims, name) === value));
}

/** Checks of one part by its name, those that were not made with their reason. */
function checksOf({ part, accepted, appraisal }: JudgedPart): readonly Check[] {
  const name = accepted.kind.simulated ? `${part.name}, simulated` : part.name;
  return appraisal.checks.map((check) => ({ ...check, message: `${name}: ${check.message}` }));
}

/** What a simulated part signs, and what is bound to it, is attested by nobody: a device beside it may stand anywhere. */
function withBasis(checks: readonly Check[], judged: readonly JudgedPart[]): readonly Check[] {
  if (!judged.some(({ accepted }) => accepted.kind.simulated)) return checks;
  return checks.map((check) => ({ ...check, basis: check.basis === "attestation" ? "assertion" : check.basis }));
}

function factsOf(judged: readonly JudgedPart[]): Readonly<Record<string, string | number>> {
  const [cpu] = judged;
  if (cpu === undefined) return {};
  const { kind, hasFloor } = cpu.accepted;
  const stated = cpu.appraisal.claims === null ? null : kind.tcbStatus(cpu.appraisal.claims);
  // A product without a status is as current as the floor that the relying party names, and says nothing without one.
  const tcb = stated ?? (hasFloor ? "up-to-date" : null);
  return tcb === null ? {} : { tcb };
}

function boundOf({ statement }: WorkerEvidence): Bound {
  const reportData = encodeHex(workerReportData(statement));
  return { reportData, digest: digestHex(digestOfJson(statement)), nonce: statement.nonce };
}

/** Appraises the hardware evidence of a package. Never throws on bad bytes; says nothing of the worker's keyset, files and models. */
export async function appraisePlatform(
  worker: WorkerEvidence,
  { accepted, withdrawn }: PlatformTrust,
  at: UnixSeconds,
): Promise<AppraisedPlatform> {
  const findings = new Findings();
  const platform = findings.read("platform evidence", () => parsePlatformEvidence(worker.evidence));
  const none = { unnamed: [], unknownDevices: [], withdrawn: [], enrollers: [], facts: {} };
  if (platform === null) return { checks: findings.all(), ...none };
  const isBound = worker.statement.gpuEvidenceDigest === deviceEvidenceDigest(platform.devices);
  findings.expect("evidence.bound", isBound, "the statement names the evidence of these devices, and of no other");
  const judged: JudgedPart[] = [];
  const unnamed: string[] = [];
  for (const part of partsOf(worker.type, platform)) {
    const entry = accepted.get(part.type);
    if (entry === undefined || entry.kind.part !== part.place) {
      unnamed.push(part.type);
      continue;
    }
    if (findings.read(part.name, () => hasKnownRoles(part, entry.kind.of)) === null) continue;
    judged.push(await judgePart(part, entry, boundOf(worker), at));
  }
  for (const part of judged) findings.expect("measurement.matches", hasWholeSet(part), `${part.part.name}: one whole set`);
  const ids = judged.flatMap((part) => part.ids.map((id) => ({ id, ...part })));
  const devices = ids.filter(({ part }) => part.place === "device").map(({ id }) => id);
  findings.expect("devices.distinct", new Set(devices).size === devices.length, `${devices.length} devices`);
  const seen = [...judged.flatMap(measuredOf), ...ids.map(({ id }) => id)];
  const named = judged.filter((part) => {
    const known = part.accepted.devices;
    return known === null || (part.ids.length > 0 && part.ids.every((id) => known.has(id)));
  });
  return {
    checks: withBasis([...judged.flatMap(checksOf), ...findings.all()], judged),
    unnamed,
    unknownDevices: judged.filter((part) => !named.includes(part)).map(({ part }) => part.name),
    withdrawn: seen.filter((value) => withdrawn.has(value)),
    enrollers: judged.flatMap(({ part, accepted: { kind } }) => kind.enrollersOf(part.endorsements)),
    facts: factsOf(judged),
  };
}
