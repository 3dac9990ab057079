/** What reference values say of one piece of evidence that was checked: its registers, its TCB as the floor, its devices. */
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { EvidenceAppraisal, Roles } from "../../paths/tee/evidence/appraisal/appraiser.ts";
import { codeOf, Findings } from "../../paths/tee/evidence/appraisal/findings.ts";
import { type PlatformKind, platformKinds } from "../../paths/tee/evidence/platform/platform-kinds.ts";
import { readPlatformTrust } from "../../paths/tee/evidence/platform/platform-trust.ts";
import { parseTcbInfo } from "../../paths/tee/evidence/tdx/collateral.ts";
import { readTdxEndorsements } from "../../paths/tee/evidence/tdx/endorsements.ts";
import type { PlatformRoles } from "../../paths/tee/wire/platform-evidence.ts";
import type { EvidenceCase } from "./case-file.ts";
import { appraiseCase } from "./judge-case.ts";

/** An entry of reference values about one type of evidence. */
export interface ReferenceEntry {
  readonly type: string;
  readonly measurements?: readonly { readonly registers: Readonly<Record<string, string>> }[];
  readonly tcb?: Readonly<Record<string, number | string>>;
  readonly devices?: readonly string[];
}

/** What of the evidence is taken. */
export interface EntryChoice {
  /** Registers by name; null: those that say which image runs. */
  readonly registers: readonly string[] | null;
  /** Weaknesses that trust entries will accept in writing; without them the evidence must pass what they ask for. */
  readonly weaknesses: readonly string[];
}

/** Registers that say which image runs, where it is clear which do. PCRs are for whoever made the image to choose. */
const IMAGE_REGISTERS: Readonly<Record<string, readonly string[]>> = {
  "sev-snp": ["measurement"],
  tdx: ["mrtd", "rtmr0", "rtmr1", "rtmr2"],
  nitro: ["pcr0", "pcr1", "pcr2"],
};

function refuse(message: string): never {
  throw new TrisealError("FORMAT_INVALID", message);
}

/** The kind of a case as workers show it. @throws TrisealError `FORMAT_INVALID` where no worker shows it. */
export function platformKindOf({ kind }: EvidenceCase): PlatformKind {
  return platformKinds.get(kind) ?? refuse(`no worker shows evidence of kind \`${kind}\`, so that none refers to its values`);
}

function registersOf(kind: PlatformKind, claims: JsonObject, chosen: readonly string[] | null): Record<string, string> {
  const names =
    chosen ?? IMAGE_REGISTERS[kind.of.kind] ?? refuse(`--registers: name those of ${kind.of.kind} that tell an image`);
  const values = names.map((name) => {
    const value = kind.registers?.test(name) === true ? kind.measured(claims, name) : null;
    return [name, value ?? refuse(`--registers: this evidence has no register \`${name.slice(0, 32)}\``)] as const;
  });
  return Object.fromEntries(values);
}

/** The least of each part over the four TCBs of a report: the evidence itself meets it. */
function snpFloor(claims: JsonObject): Record<string, number> {
  const tcbs = Object.entries(claims).flatMap(([name, value]) => (name.endsWith("Tcb") && isJsonObject(value) ? [value] : []));
  const parts = ["fmc", "bootloader", "tee", "snp", "microcode"] as const;
  const least = parts.flatMap((part) => {
    const versions = tcbs.map((tcb) => tcb[part]).filter((version) => typeof version === "number");
    return versions.length === 0 || versions.length < tcbs.length ? [] : [[part, Math.min(...versions)] as const];
  });
  return Object.fromEntries(least);
}

function tdxFloor(claims: JsonObject, endorsements: Roles): Record<string, number | string> {
  const { tcbInfo } = readTdxEndorsements(endorsements, new Findings());
  if (tcbInfo === null) return refuse("this evidence has no TCB info: its evaluation number would be the floor");
  const { teeTcbSvn } = claims;
  return {
    minimumTcbEvaluationDataNumber: parseTcbInfo(tcbInfo).tcbEvaluationDataNumber,
    ...(typeof teeTcbSvn === "string" ? { minimumTeeTcbSvn: teeTcbSvn } : {}),
  };
}

function floorOf({ floors }: PlatformKind, claims: JsonObject, endorsements: Roles): ReferenceEntry["tcb"] | null {
  if (floors.includes("snp")) return snpFloor(claims);
  return floors.includes("minimumTcbEvaluationDataNumber") ? tdxFloor(claims, endorsements) : null;
}

function entryOf(kind: PlatformKind, question: EvidenceCase, appraisal: EvidenceAppraisal, choice: EntryChoice): ReferenceEntry {
  const { claims } = appraisal;
  if (claims === null) return refuse("this evidence claims nothing");
  const tcb = floorOf(kind, claims, question.endorsements);
  const devices = kind.deviceIds(appraisal, question.evidence as PlatformRoles);
  return {
    type: kind.of.kind,
    ...(kind.registers === null ? {} : { measurements: [{ registers: registersOf(kind, claims, choice.registers) }] }),
    ...(tcb === null || tcb === undefined ? {} : { tcb }),
    ...(devices.length === 0 ? {} : { devices }),
  };
}

/** The evidence under the policy of a trust entry with these values: what the entry would say to a worker that shows it. */
async function codeUnderEntry(kind: PlatformKind, question: EvidenceCase, entry: ReferenceEntry, choice: EntryChoice) {
  const because = "checked for reference values";
  const weaknesses = choice.weaknesses.map((accept) => ({ accept, because }));
  const devices = entry.devices?.map((id) => ({ id })) ?? { accept: "any", because };
  const { accepted } = readPlatformTrust([{ ...(entry as object as JsonObject), devices, weaknesses }], [], []);
  const policy = accepted.get(entry.type)?.policy ?? refuse("no policy");
  const { evidence, endorsements, at } = question;
  const anchors = question.anchors ?? kind.of.roots();
  const { checks } = await kind.of.under(policy)({ evidence, endorsements, anchors, at });
  return codeOf(checks);
}

/** An entry, or the code that the evidence was refused with. */
export type JudgedEntry = { readonly entry: ReferenceEntry } | { readonly code: string };

/**
 * The entry for the evidence of a case. It is refused where the case rejects it, and where a trust entry with these very values
 * would: without the weaknesses that `choice` names, whatever the policy of the case says.
 * @throws TrisealError `FORMAT_INVALID`, `EVIDENCE_MALFORMED`.
 */
export async function judgeEntry(question: EvidenceCase, choice: EntryChoice): Promise<JudgedEntry> {
  const kind = platformKindOf(question);
  const appraisal = await appraiseCase(question);
  const code = codeOf(appraisal.checks);
  if (code !== null) return { code };
  const entry = entryOf(kind, question, appraisal, choice);
  const strict = await codeUnderEntry(kind, question, entry, choice);
  return strict === null ? { entry } : { code: strict };
}

function least(left: number | string, right: number | string): number | string {
  if (typeof left === "number" && typeof right === "number") return Math.min(left, right);
  return left === right ? left : refuse("two pieces of evidence of one type state different module versions: sign them apart");
}

/** Entries of one type made one: alternatives of registers, the least TCB, all devices. @throws TrisealError `FORMAT_INVALID`. */
export function mergeEntries(entries: readonly ReferenceEntry[]): readonly ReferenceEntry[] {
  const merged = new Map<string, ReferenceEntry>();
  for (const entry of entries) {
    const before = merged.get(entry.type);
    if (before === undefined) {
      merged.set(entry.type, entry);
      continue;
    }
    const { measurements: sets = [], tcb = {}, devices = [] } = before;
    const known = new Set(sets.map((set) => JSON.stringify(set)));
    const more = (entry.measurements ?? []).filter((set) => !known.has(JSON.stringify(set)));
    // A part that one of them does not have is no floor of both.
    const floor = Object.entries(entry.tcb ?? {}).flatMap(([name, value]) => {
      const other = tcb[name];
      return other === undefined ? [] : [[name, least(other, value)] as const];
    });
    merged.set(entry.type, {
      ...before,
      ...(before.measurements === undefined ? {} : { measurements: [...sets, ...more] }),
      ...(before.tcb === undefined ? {} : { tcb: Object.fromEntries(floor) }),
      ...(before.devices === undefined ? {} : { devices: [...new Set([...devices, ...(entry.devices ?? [])])] }),
    });
  }
  return [...merged.values()];
}
